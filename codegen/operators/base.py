"""What the compiler must know of an operator. One operator, one file in this folder; the table is in __init__.py.

An element-wise operator is an expression on scalars, so that chains of them become one loop. Any other operator is a
call of a kernel in firmware/kernels.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression, FormCost, Lowered


class Rule(ABC):
    """Meaning of one TFLite operator."""

    @abstractmethod
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        """Why this use of the operator cannot be compiled; empty when it can."""

    @abstractmethod
    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        """The exact integer result with NumPy: the specification that the C code matches byte for byte."""

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        """(operand, result) pairs where the code may write the result over the operand. LOOPs are judged apart."""
        return ()


@dataclass(frozen=True)
class Parts:
    """Two ways to prepare the operands of an operator, between which a number of the model chooses."""

    condition: str
    """C of the choice."""
    chosen: tuple[str, ...]
    """Of each operand the C where the condition holds; "{}" stands for the operand."""
    otherwise: tuple[str, ...]


class ElementWise(Rule):
    """Output element i depends on the (broadcast) input elements i only."""

    @abstractmethod
    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        """The scalar as C; `operands` are int32_t expressions, `prefix` starts the names of tables."""

    def parts(self, graph: Graph, op: Operator) -> Parts | None:
        """What becomes of the operands first where data choose how; None: they go into `expression` as they are."""
        return None


class KernelRule(Rule):
    """An operator that becomes a call of a kernel."""

    @abstractmethod
    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        """The call. `prefix` (the layer's C name) starts the names of its constants."""

    def scratch(self, graph: Graph, op: Operator) -> int:
        """Bytes of the arena that the call needs while it runs: `scratch`, an int16_t pointer, aligned to words."""
        return 0

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        """(fast, small) where the layer has both; its attribute `form` is then "small", or absent."""
        return None


def is_small(op: Operator) -> bool:
    """Whether codegen/lowering/kernel_selection.py chose the small form of a layer that has one."""
    return op.attributes.get("form") == "small"


class ViewRule(Rule):
    """An operator that only names elements of its input: in another shape, a part of them, in another order."""

    @abstractmethod
    def views(self, graph: Graph, op: Operator, x: Array) -> list[Array]:
        """Each output as a NumPy view of the input."""

    def source(self, op: Operator) -> int:
        """The input that is seen through the operator."""
        return op.inputs[0]

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x = values[op.inputs.index(self.source(op))]
        assert x is not None
        return [
            np.ascontiguousarray(view).reshape(graph.tensors[t].shape)
            for view, t in zip(self.views(graph, op, x), op.outputs, strict=True)
        ]

    def offset(self, graph: Graph, op: Operator, output: int) -> int | None:
        """Element offset of output number `output` in the flat input; None when they do not lie in one piece."""
        tensor = graph.tensors[self.source(op)]
        view = self.views(graph, op, np.arange(tensor.size).reshape(tensor.shape))[output]
        return int(view.flat[0]) if view.flags.c_contiguous else None


def quantised_problems(graph: Graph, tensors: Sequence[int], elements: Sequence[str]) -> list[str]:
    """Tensors that are not of these element types with one scale."""
    problems = []
    for index in tensors:
        tensor = graph.tensors[index]
        if tensor.element not in elements:
            problems.append(f"tensor {tensor.name} is {tensor.element}, not {' or '.join(elements)}")
        elif tensor.quantisation is None:
            problems.append(f"tensor {tensor.name} has no scale and zero point; quantise the whole model")
        elif tensor.quantisation.per_channel:
            problems.append(f"tensor {tensor.name} has one scale per channel; one scale is needed")
        elif not tensor.scale > 0.0 or not np.isfinite(tensor.scale):
            problems.append(f"tensor {tensor.name} has scale {tensor.scale}")
        elif not RANGE[tensor.element][0] <= tensor.zero_point <= RANGE[tensor.element][1]:
            problems.append(f"tensor {tensor.name} has zero point {tensor.zero_point}, outside {tensor.element}")
        elif tensor.element == "int16" and tensor.zero_point:
            problems.append(
                f"int16 tensor {tensor.name} has zero point {tensor.zero_point}: TFLite quantises int16 symmetrically"
            )
    return problems


def moved_problems(graph: Graph, op: Operator, inputs: int | None = None, *, requantise: str = "after") -> list[str]:
    """Operands that are moved to the output as they are, but differ from it in type, scale or zero point.

    inputs: how many of the operands are moved, from the first; all by default. requantise: when the user may do it,
    "first" names the operand, "after" the output.
    """
    y = graph.tensors[op.outputs[0]]
    problems = []
    for x in (graph.tensors[t] for t in op.inputs[:inputs]):
        left, right = (x.name, y.name) if requantise == "first" else (y.name, x.name)
        if x.element != y.element:
            problems.append(f"{x.name} is {x.element}, {y.name} {y.element}: only equal types are supported")
        elif (np.float32(x.scale), x.zero_point) != (np.float32(y.scale), y.zero_point):
            problems.append(f"{left} has another scale than {right}; requantise it {requantise}")
    return problems


def shape_problems(graph: Graph, tensor: int, expected: Sequence[int]) -> list[str]:
    """A tensor whose shape is not what the operator's operands give."""
    found = graph.tensors[tensor]
    if found.shape == tuple(expected):
        return []
    return [f"{found.name} has shape {found.shape}, its operands give {tuple(expected)}; convert it with fixed sizes"]


def broadcast(graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[npt.NDArray[np.int64]]:
    """Broadcast the operands of an element-wise operator to the output's shape, as int64."""
    shape = graph.tensors[op.outputs[0]].shape
    return [np.broadcast_to(v, shape).astype(np.int64) for v in values if v is not None]


def clamp(values: npt.NDArray[np.int64], low: int, high: int, element: str) -> Array:
    """Limit values of any shape to low..high and narrow them to an element type."""
    return np.clip(values, low, high).astype(element)


def operand_names(graph: Graph, op: Operator) -> dict[int, str]:
    """The C pointers of a layer's operands: `x0`, `x1`, ... for those that are not constant, each once."""
    operands = [t for t in dict.fromkeys(op.inputs) if t != -1 and not graph.is_constant(t)]
    return {t: f"x{i}" for i, t in enumerate(operands)}
