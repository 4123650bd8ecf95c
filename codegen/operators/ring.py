"""Ring buffers, ours: the last T rows of a stream, kept in a state of T rows where each new row replaces the oldest.

What passes/ring.py makes of "the old rows but the oldest, and the new one behind them". `head` is the slot that was
written last, an int16 of its own that all rings of T rows share; row i steps ago lies in slot (head - i) mod T.

    RING_ADVANCE    head -> (head + 1) mod T
    RING_WRITE      ring, head, parts of the new row -> ring, written over itself
    RING_READ       ring, head -> the last `rows` rows, oldest first
    RING_CONV       ring_conv.py
    RING_ORDER      head; a constant with one value a row, oldest first -> the same values by slot
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, operand_names


class _Ring(KernelRule):
    """Made by the compiler, so that there is nothing to refuse. Attribute `slots`: T."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []


class RingAdvance(_Ring):
    """Operand: head."""

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        return [((values[0].astype(np.int64) + 1) % op.attributes["slots"]).astype(values[0].dtype)]

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        return ((op.inputs[0], op.outputs[0]),)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        last = op.attributes["slots"] - 1
        return Lowered((f"y[0] = (int16_t)(x0[0] == {last} ? 0 : x0[0] + 1);",))


class RingWrite(_Ring):
    """Operands: ring, head, parts of the row."""

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        ring, head, *parts = (value for value in values if value is not None)
        slots = ring.reshape(op.attributes["slots"], -1).copy()
        slots[int(head[0])] = np.concatenate([part.ravel() for part in parts])
        return [slots.reshape(graph.tensors[op.outputs[0]].shape)]

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        return ((op.inputs[0], op.outputs[0]),)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        names, y = operand_names(graph, op), graph.tensors[op.outputs[0]]
        lines = [f"(void){names[op.inputs[0]]}; /* the ring is y */"]
        at = ""
        for part in op.inputs[2:]:
            tensor = graph.tensors[part]
            row = f"{names[op.inputs[1]]}[0] * {y.size // op.attributes['slots']}"
            lines.append(f"tl_copy(y + {row}{at}, {names[part]}, {tensor.bytes});")
            at = f" + {int(at.removeprefix(' + ') or 0) + tensor.size}"
        return Lowered(tuple(lines), (), ("tl_copy.h",))


class RingRead(_Ring):
    """Operands: ring, head. Attribute `rows`: how many of the last ones."""

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        ring, head = (value for value in values if value is not None)
        slots, rows = op.attributes["slots"], op.attributes["rows"]
        wanted = (int(head[0]) + 1 - rows + np.arange(rows)) % slots
        return [ring.reshape(slots, -1)[wanted].reshape(graph.tensors[op.outputs[0]].shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        y, slots, rows = graph.tensors[op.outputs[0]], op.attributes["slots"], op.attributes["rows"]
        size = y.size // rows
        return Lowered(
            (
                f"int32_t slot = x1[0] - {rows - 1};",
                f"slot = slot < 0 ? slot + {slots} : slot;",
                f"for (int32_t row = 0; row < {rows}; row++) {{",
                f"    tl_copy(y + row * {size}, x0 + slot * {size}, {size * BYTES[y.element]});",
                f"    slot = slot == {slots - 1} ? 0 : slot + 1;",
                "}",
            ),
            (),
            ("tl_copy.h",),
        )


class RingOrder(_Ring):
    """Operands: head, constant."""

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        head, constant = (value for value in values if value is not None)
        slots = op.attributes["slots"]
        return [np.roll(constant.reshape(slots, -1), int(head[0]) + 1, axis=0).reshape(constant.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        data, y, slots = graph.tensors[op.inputs[1]].data, graph.tensors[op.outputs[0]], op.attributes["slots"]
        assert data is not None
        size = y.size // slots  # values a row
        twice = np.concatenate([data.ravel(), data.ravel()])[: y.size * 2 - size]
        constant = Constant(f"{prefix}_twice", f"{y.element}_t", twice, f"{list(y.shape)} twice, oldest first")
        start = f"({slots - 1} - x0[0])" + (f" * {size}" if size > 1 else "")
        return Lowered((f"tl_copy(y, {constant.name} + {start}, {y.bytes});",), (constant,), ("tl_copy.h",))


RING_RULES: dict[str, KernelRule] = {
    "RING_ADVANCE": RingAdvance(),
    "RING_ORDER": RingOrder(),
    "RING_READ": RingRead(),
    "RING_WRITE": RingWrite(),
}
