"""Numbers of a model as data: the mode of an updatable program.

In this mode every scale, zero point, multiplier, shift and bound is written by `number`, which marks it; the compiler
moves marked numbers into an array of the layer (`lift`). What the program looks like then depends on shapes alone, so
that another model of the same architecture gives the same program. A model that one form of a layer cannot honour is
refused by `require`, where the plain mode would choose another form.
"""

import itertools
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from tinyloc.errors import UserError

_ON: ContextVar[bool] = ContextVar("tinyloc_numbers_are_data", default=False)
_MARK = re.compile("\x01(\\d+):(-?\\d+)\x02")
_COUNT = itertools.count()
LEAST, LARGEST = -(2**31), 2**31 - 1


class OutsideProgramError(UserError):
    """A model that an updatable program cannot run: what was proved for the program does not hold for its numbers."""


@contextmanager
def numbers_are_data() -> Iterator[None]:
    """Compile in the updatable mode inside of the block."""
    token = _ON.set(True)
    try:
        yield
    finally:
        _ON.reset(token)


def in_data_mode() -> bool:
    """Whether numbers are data."""
    return _ON.get()


def number(value: int) -> str:
    """Write an integer of the model's into C text: a literal, or in data mode a mark that `lift` replaces.

    Args:
        value: of 32 bits.

    Returns:
        C text of type int32_t.
    """
    if not _ON.get():
        return str(value)
    require(LEAST <= value <= LARGEST, f"the number {value} does not fit 32 bits")
    return f"\x01{next(_COUNT)}:{value}\x02"


def short_number(value: int) -> str:
    """The same for a field of type int16_t."""
    return f"(int16_t){number(value)}" if _ON.get() else str(value)


def require(holds: bool, otherwise: str) -> None:
    """Refuse a model outside the bounds of the form that shapes alone decide for.

    Raises:
        OutsideProgramError: `holds` is false; `otherwise` says what was found.
    """
    if not holds:
        raise OutsideProgramError(otherwise)


def lift(statements: Sequence[str], name: str) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Move marked numbers into an array.

    Args:
        statements: C statements of one function.
        name: of the array.

    Returns:
        The statements, after one that names the array, and the numbers. A mark that stands in several places, as
        where a loop treats several elements in a round, is one number.
    """
    numbers: dict[str, int] = {}

    def take(mark: re.Match[str]) -> str:
        numbers.setdefault(mark[1], int(mark[2]))
        return f"n[{list(numbers).index(mark[1])}]"

    lifted = [_MARK.sub(take, statement) for statement in statements]
    if in_data_mode():  # an initialiser that is no constant expression cannot be of a static object
        lifted = [re.sub(r"^static const ", "const ", line) for line in lifted]
    fetched = (f"const int32_t *const n = {name};",) if numbers else ()
    return (*fetched, *lifted), tuple(numbers.values())
