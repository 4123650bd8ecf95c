"""Widths by layer pattern: how many bits weights and activations have.

A pattern is the beginning of a layer's path with `*` for any part between dots: "blocks.*.scan" is every operator of a
scan, "*" every operator. Where several match, the last one holds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, tensor_name

WEIGHT_BITS, ACTIVATION_BITS = (4, 8), (8, 16)


@dataclass(frozen=True)
class Width:
    """Bits of the weights and of the activations of an operator."""

    weights: int
    activations: int

    def __str__(self) -> str:
        return f"w{self.weights}a{self.activations}"


INT8, INT16X8 = Width(8, 8), Width(8, 16)


class Widths:
    """Resolves an operator's name to its width.

    table: pattern -> width such as "w8a16"; "*" is every operator. Raises ExportError listing every bad entry.
    """

    def __init__(self, table: Mapping[str, str]) -> None:
        problems = []
        self._table: list[tuple[str, Width]] = [("*", INT8)]
        for pattern, text in table.items():
            width = parse_width(text)
            if width is None:
                problems.append(f'"{pattern}" = "{text}": a width is w4a8, w8a8, w4a16 or w8a16')
            else:
                self._table.append((dotted(pattern), width))
        if problems:
            raise ExportError("; ".join(problems))

    def of(self, name: str) -> Width:
        """The width of the operator whose first output has this name."""
        path = dotted(name)
        return next(width for pattern, width in reversed(self._table) if _matches(path, pattern))

    def unused(self, names: list[str]) -> list[str]:
        """Patterns that match none of the names."""
        paths = [dotted(name) for name in names]
        return [pattern for pattern, _ in self._table[1:] if not any(_matches(path, pattern) for path in paths)]


def parse_width(text: str) -> Width | None:
    """ "w8a16" -> Width(8, 16); None for what no kernel has."""
    found = re.fullmatch(r"w(\d+)a(\d+)", text)
    if found is None:
        return None
    weights, activations = int(found[1]), int(found[2])
    return Width(weights, activations) if weights in WEIGHT_BITS and activations in ACTIVATION_BITS else None


def layer_name(model: Any, operator: Any) -> str:
    """What patterns are matched with: the layer whose weights an operator has, else its first output."""
    tensors = graph(model).tensors
    for index in operator.inputs:
        name = tensor_name(tensors[index]) if index >= 0 else ""
        if name.endswith("/weight"):
            return name.removesuffix("/weight")
    return tensor_name(tensors[operator.outputs[0]])


def dotted(name: str) -> str:
    """`blocks.0/scan/Mul_1#2` -> `blocks.0.scan.Mul_1`."""
    return name.partition("#")[0].replace("/", ".")


def _matches(path: str, pattern: str) -> bool:
    parts, wanted = path.split("."), pattern.split(".")
    return len(wanted) <= len(parts) and all(map(fnmatchcase, parts, wanted))
