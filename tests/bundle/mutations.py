"""Every place of a JSON document, and what can be wrong there."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]

NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
HUGE = (1e300, -1e300, 10**400, -(10**400), 2**63, 1e18)
WRONG_TYPES = ("1", "", True, None, [], {}, [[]], {"a": 1}, "x")
NEGATIVE = (-1, -0.5)


@dataclass(frozen=True)
class Mutation:
    """A document with one thing changed."""

    path: Path
    kind: str
    content: Any

    @property
    def place(self) -> str:
        """The path as messages write it, keys of lists as #."""
        return ".".join("#" if isinstance(part, int) else part for part in self.path)


def places(content: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every place below the document, tables before what is in them; of a list its first and last entry."""
    if path:
        yield path, content
    if isinstance(content, dict):
        for key, value in content.items():
            yield from places(value, (*path, key))
    elif isinstance(content, list):
        for index in sorted({0, len(content) - 1}) if content else ():
            yield from places(content[index], (*path, index))


def mutations(content: Any) -> Iterator[Mutation]:
    """The document with each place missing, of each wrong type, ragged, or a number that is none or out of range."""
    for path, value in places(content):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        for bad in (*NO_NUMBERS, *HUGE, *NEGATIVE) if is_number else (float("nan"), 10**400, -1):
            yield Mutation(path, f"{bad!r:.12}", changed(content, path, bad))
        for other in WRONG_TYPES:
            if type(other) is not type(value) or isinstance(value, str | dict):
                yield Mutation(path, f"{other!r}", changed(content, path, other))
        yield Mutation(path, "missing", without(content, path))
        if isinstance(value, list):
            yield Mutation(path, "longer", changed(content, path, [*value, *value[-1:]]))
            yield Mutation(path, "shorter", changed(content, path, value[:-1]))


def changed(content: Any, path: Path, value: Any) -> Any:
    """A copy with another value at `path`."""
    new = copy.deepcopy(content)
    _above(new, path)[path[-1]] = value
    return new


def without(content: Any, path: Path) -> Any:
    """A copy without the place."""
    new = copy.deepcopy(content)
    del _above(new, path)[path[-1]]
    return new


def _above(content: Any, path: Path) -> Any:
    for part in path[:-1]:
        content = content[part]
    return content
