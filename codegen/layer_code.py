"""What a layer becomes: C statements, arrays of weights.c, scalar expressions, and what a kernel form costs."""

from dataclasses import dataclass
from typing import Any

import numpy.typing as npt

Array = npt.NDArray[Any]


ELEMENT_BYTES = {"int8_t": 1, "uint8_t": 1, "int16_t": 2, "uint16_t": 2, "int32_t": 4, "uint32_t": 4, "int64_t": 8}


@dataclass(frozen=True)
class Constant:
    """An array in weights.c. `comment` says what it is and its shape."""

    name: str
    ctype: str
    values: Array
    comment: str
    macro: "Macro | None" = None

    @property
    def size(self) -> int:
        """Elements of the C array."""
        count = int(self.values.size)
        return count if self.macro is None else count // self.macro.takes * self.macro.gives

    @property
    def bytes(self) -> int:
        return self.size * ELEMENT_BYTES[self.ctype]


@dataclass(frozen=True)
class Macro:
    """A macro of firmware/kernels/tl_weights.h: `takes` values, in the order of the array, become `gives` elements."""

    name: str
    takes: int
    gives: int


@dataclass(frozen=True)
class Lowered:
    """C statements of one layer, over the pointers of operand_names and `y` (or `y0`, `y1`, ... of several outputs)."""

    statements: tuple[str, ...]
    constants: tuple[Constant, ...] = ()
    headers: tuple[str, ...] = ()
    macs: int = 0
    note: str = ""  # what was decided and why, for the manifest
    costs: tuple["FormCost", ...] = ()  # of plain kernels, which the layer's forms do not count


@dataclass(frozen=True)
class Expression:
    """A scalar C expression of type int32_t, and the tables it reads."""

    text: str
    constants: tuple[Constant, ...] = ()


@dataclass(frozen=True)
class FormCost:
    """What one of the forms of a layer takes, see codegen/lowering/kernel_selection.py."""

    kernel: str  # in form_costs.py
    products: int  # what its cycles are counted by there
    own_bytes: int = 0  # of flash, beside the kernel's code and what both forms have


ALIGNMENT = 4  # bytes; kernels load words
