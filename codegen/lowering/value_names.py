"""C names of the values that a step keeps in its arena, so that its calls read as the network does."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import takewhile

from tinyloc.codegen.c_text import c_comment
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.lowering.tensor_placement import Storage

LONGEST = 40
"""Characters of a name, beside what tells it from its like."""


@dataclass(frozen=True)
class Value:
    """A pointer into the arena, declared before the calls of a step."""

    name: str
    element: str  # C type
    where: str  # C expression of its first byte
    comment: str

    @property
    def declaration(self) -> str:
        return f"{self.element} *const {self.name} = ({self.element} *)(void *)({self.where}); /* {self.comment} */"


def plain(name: str) -> str:
    """A tensor's name as words of C: `blocks.0/norm/Mul_1:0` is `blocks_0_norm_mul_1`. Never empty, never a keyword
    once something follows it."""
    words = re.sub(r"[^a-z0-9]+", "_", name.removeprefix("serving_default_").split(":")[0].lower()).strip("_")
    kept = words[-LONGEST:].lstrip("_") or "value"
    return kept if kept[0].isalpha() else f"value_{kept}"


def arena_values(graph: Graph, storage: Storage) -> dict[int, Value]:
    """Tensor -> its pointer, for all that lie in the arena."""
    found: dict[int, Value] = {}
    taken: set[str] = set()
    for tensor, place in storage.places.items():
        if place.kind not in ("arena", "upper"):
            continue
        name = _unused(f"{plain(graph.tensors[tensor].name)}_out", taken)
        bank = "bytes" if place.kind == "arena" else "upper"
        shape = str(list(graph.tensors[tensor].shape))
        found[tensor] = Value(name, f"{graph.tensors[tensor].element}_t", f"arena->{bank} + {place.offset}", shape)
    return found


def scratch_values(storage: Storage) -> dict[int, Value]:
    """Layer -> its working memory."""
    split = storage.plan.split
    return {
        layer: Value(
            f"scratch_{layer:02d}",
            "int16_t",
            f"arena->bytes + {at}" if split is None or at < split else f"arena->upper + {at - split}",
            f"working memory of layer {layer:02d}",
        )
        for layer, at in storage.scratch.items()
    }


def part_of(graph: Graph, op: Operator) -> str:
    """The part of the network that an operator belongs to: the folders that the names of all its results share."""
    folders = [graph.tensors[t].name.split(":")[0].split("/")[:-1] for t in op.outputs]
    shared = takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
    return c_comment("/".join(level[0] for level in shared))


def memory_plan(graph: Graph, storage: Storage, layers: Sequence[str]) -> list[str]:
    """The arena as a table, a line a buffer: bytes from and to, first and last layer, what lies there."""
    plan = storage.plan
    rows = sorted(zip(plan.offsets, plan.lifetimes, strict=True), key=lambda row: (row[0], row[1].first))
    width = len(str(plan.size))

    def layer(step: int) -> str:
        return f"{step:02d}" if step < len(layers) else "end"

    return [
        f"{at:{width}} .. {at + life.size - 1:{width}}  layers {layer(life.first):>3} to {layer(life.last):>3}  "
        f"{c_comment(life.name)}"
        for at, life in rows
        if life.size
    ]


def wrapped(statement: str, indent: int, width: int = 120) -> str:
    """A call that is too long for a line, continued under its first argument. Other statements stay as they are."""
    opened = statement.find("(") + 1
    if indent + len(statement) <= width or not opened or not statement.endswith(");"):
        return statement
    under = " " * (indent + opened)
    lines: list[str] = []
    line = statement[:opened]
    pieces = statement[opened:].split(", ")
    for number, piece in enumerate(pieces):
        text = piece + ("," if number < len(pieces) - 1 else "")
        start = indent if not lines else 0
        if start + len(line) + 1 + len(text) > width and line.strip() and not line.endswith("("):
            lines.append(line)
            line = under + text
        else:
            line += ("" if line.endswith("(") else " ") + text
    return "\n".join([*lines, line])


def _unused(name: str, taken: set[str]) -> str:
    number, found = 2, name
    while found in taken:
        found, number = f"{name}_{number}", number + 1
    taken.add(found)
    return found


def declarations(values: Iterable[Value], text: str) -> list[str]:
    """Declarations of the values that C text names."""
    words = set(re.findall(r"\w+", text))
    return [value.declaration for value in values if value.name in words]
