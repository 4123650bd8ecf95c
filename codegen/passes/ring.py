"""Shift and append becomes a ring buffer: the last T rows stay where they are, each new row replaces the oldest.

The pattern: a state of T - 1 rows, CONCATENATION of it with a new row (in one part or several), the state's next value
a slice of the result without its oldest row. As it stands it moves T - 1 rows twice a step.

In a ring the rows lie in another order from step to step. What follows must not mind. Attention does not: scores of
rows are computed row by row, SOFTMAX does not look at order, and the weighted sum pairs each weight with its row;
integer sums are the same in any order, so that the result is the same to the last bit. `_Order` follows the axis of the
rows through the graph and finds what does mind: a convolution, a linear layer over all rows, a result. Such a state
keeps its shift. Slices of the newest rows are read out of the ring in order, and a constant with a value a row (a bias
by distance) is read in the ring's order.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.graph import Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.base import ElementWise, ViewRule
from tinyloc.codegen.operators.ring_conv import KIND as RING_CONV
from tinyloc.codegen.operators.ring_conv import RingConv
from tinyloc.codegen.passes.shifts import Shift, find_shift
from tinyloc.codegen.semantics.operator_table import rule_of

LEAST_ROWS = 4
"""Below this a shift costs less than the head's arithmetic."""
LARGEST_HEAD = 32767


@dataclass(frozen=True)
class _Rows:
    """Where a tensor's rows lie: `axis` counts T * each of them, slot by slot; `states` are those it depends on."""

    axis: int
    slots: int
    states: frozenset[int]


def _shift(graph: Graph, before: int, after: int) -> Shift | None:
    """A shift that is worth a ring."""
    found = find_shift(graph, before, after)
    return found if found is not None and LEAST_ROWS <= found.slots <= LARGEST_HEAD else None


def _newest(graph: Graph, op: Operator, shift: Shift) -> int | None:
    """How many of the newest rows a view takes, oldest of them first; None when it is no such view."""
    rule = rule_of(graph, op)
    if not isinstance(rule, ViewRule) or len(op.outputs) != 1:
        return None
    taken = graph.tensors[op.outputs[0]].size
    at, total = rule.offset(graph, op, 0), shift.row * shift.slots
    return taken // shift.row if at is not None and at + taken == total > taken and taken % shift.row == 0 else None


class _Order:
    """Follows the rows of all rings at once; `minded` holds the states whose order something depends on, with why."""

    def __init__(self, graph: Graph, shifts: list[Shift]) -> None:
        self.graph = graph
        self.by_window = {shift.window: shift for shift in shifts}
        self.rows: dict[int, _Rows] = {}
        self.constants: set[tuple[int, int]] = set()  # (operator, its operand) in the order of the rows
        self.convolutions: set[int] = set()  # operators whose filters turn with the rows
        self.minded: dict[int, str] = {}
        inner = {i for shift in shifts for i in (shift.concat, shift.keep)}
        for shift in shifts:
            axis = graph.operators[shift.concat].attributes["axis"] % len(graph.tensors[shift.window].shape)
            self.rows[shift.window] = _Rows(axis, shift.slots, frozenset([shift.before]))
        for i, op in enumerate(graph.operators):
            if i not in inner and any(t in self.rows for t in op.inputs):
                self._follow(i, op)
        for result in graph.results:
            if result in self.rows:
                self._mind(self.rows[result].states, "it is a result")

    def _mind(self, states: frozenset[int], why: str) -> None:
        for state in states:
            self.minded.setdefault(state, why)

    def _follow(self, number: int, op: Operator) -> None:
        known = {t: self.rows[t] for t in op.inputs if t in self.rows}
        states = frozenset().union(*(rows.states for rows in known.values()))
        if len({rows.slots for rows in known.values()}) != 1:
            self._mind(states, f"{op.origin[0]} joins rings of different length")
            return
        found: _Rows | str | None = "reads the rows in order"
        shift = self.by_window.get(op.inputs[0])
        if shift is not None and _newest(self.graph, op, shift) is not None:
            return
        if isinstance(rule_of(self.graph, op), ViewRule):
            found = self._view(op, known)
        elif op.kind == "BATCH_MATMUL":
            found = self._product(op, known)
        elif op.kind == "SOFTMAX":
            found = known[op.inputs[0]]
        elif isinstance(rule_of(self.graph, op), ElementWise) or op.kind == "TABLE":
            found = self._element_wise(number, op, known)
        elif op.kind == "DEPTHWISE_CONV_2D" and self._turns(op, known):
            self.convolutions.add(number)
            found = None
        if isinstance(found, str):
            self._mind(states, f"{op.origin[0]} {found}")
        elif found is not None:
            self.rows[op.outputs[0]] = _Rows(found.axis, found.slots, states)

    def _turns(self, op: Operator, known: dict[int, _Rows]) -> bool:
        """Whether a convolution sums over all rows, so that its filter may start anywhere."""
        rows, shape = known.get(op.inputs[0]), self.graph.tensors[op.inputs[0]].shape
        return rows is not None and rows.axis == 1 and shape[1] == rows.slots and RingConv().can_turn(self.graph, op)

    def _view(self, op: Operator, known: dict[int, _Rows]) -> _Rows | str:
        """RESHAPE may cut a row into more axes or join such, as long as one axis counts the rows alone."""
        x, y = self.graph.tensors[op.inputs[0]], self.graph.tensors[op.outputs[0]]
        if op.kind not in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
            return "takes a part of the rows"
        rows = known[op.inputs[0]]
        before = int(np.prod(x.shape[: rows.axis]))
        if before != 1:
            return "reads the rows in order"
        for axis, size in enumerate(y.shape):
            if size != 1:
                return _Rows(axis, rows.slots, rows.states) if size % rows.slots == 0 else "reads the rows in order"
        return "reads the rows in order"

    def _product(self, op: Operator, known: dict[int, _Rows]) -> _Rows | str | None:
        a, b = op.inputs
        rank = len(self.graph.tensors[a].shape)
        depth_a = rank - 2 if op.attributes.get("adj_x") else rank - 1
        depth_b = rank - 1 if op.attributes.get("adj_y") else rank - 2
        if a in known and b in known:
            same = self.graph.tensors[a].shape[depth_a] % known[a].slots == 0
            return None if known[a].axis == depth_a and known[b].axis == depth_b and same else "multiplies rows by rows"
        (tensor,) = known
        depth, free, target = (depth_a, 2 * rank - 3 - depth_a, rank - 2) if tensor == a else (
            depth_b, 2 * rank - 3 - depth_b, rank - 1)  # fmt: skip
        axis = known[tensor].axis
        if axis == free and axis != depth:
            return dataclasses.replace(known[tensor], axis=target)
        return "sums over the rows in order"

    def _element_wise(self, number: int, op: Operator, known: dict[int, _Rows]) -> _Rows | str:
        y = self.graph.tensors[op.outputs[0]]
        rank = len(y.shape)
        from_end = {rank_of - rows.axis for rows, rank_of in
                    ((rows, len(self.graph.tensors[t].shape)) for t, rows in known.items())}  # fmt: skip
        if len(from_end) != 1:
            return "lays rows across rows"
        (back,) = from_end
        rows = next(iter(known.values()))
        for tensor in op.inputs:
            shape = self.graph.tensors[tensor].shape
            if tensor in known or back > len(shape) or shape[-back] == 1:
                continue
            if not self.graph.is_constant(tensor) or self.graph.tensors[tensor].size != shape[-back]:
                return "brings values of its own for each row"
            self.constants.add((number, tensor))
        return dataclasses.replace(rows, axis=rank - back)


def _settled(graph: Graph, shifts: list[Shift]) -> tuple[list[Shift], _Order, dict[int, str]]:
    """The shifts that can be rings together, and why the others cannot."""
    refused: dict[int, str] = {}
    while True:
        order = _Order(graph, shifts)
        if not order.minded:
            return shifts, order, refused
        refused.update(order.minded)
        shifts = [shift for shift in shifts if shift.before not in order.minded]


def use_rings(graph: Graph) -> tuple[Graph, list[str]]:
    """Turn every shift whose rows may lie in any order into a ring, and a line for each state looked at."""
    found = [shift for shift in (_shift(graph, before, after) for before, after in graph.states) if shift is not None]
    shifts, order, refused = _settled(graph, found)
    names = {shift.before: graph.tensors[shift.before].name for shift in found}
    notes = [f"{names[state]}: moved by a row every step, no ring, because {why}" for state, why in refused.items()]
    if not shifts:
        return graph, notes
    return _rewritten(graph, shifts, order, notes)


def _as_ring(rows: Array, shift: Shift) -> Array:
    """The rows that a state starts with by slot: the head starts at slot 0, which holds the newest."""
    kept = rows.reshape(shift.slots - 1, shift.row)
    unused = np.full((1, shift.row), rows.flat[0])  # the first step writes it
    return np.roll(np.concatenate([unused, kept]), 1, axis=0)


def _rewritten(graph: Graph, shifts: list[Shift], order: _Order, notes: list[str]) -> tuple[Graph, list[str]]:
    heads: dict[int, int] = {}  # T -> tensor of the head after it moved
    first: list[Operator] = []
    states = [pair for pair in graph.states if pair[0] not in {shift.before for shift in shifts}]
    starts = {state: values for state, values in graph.starts.items() if state in {before for before, _ in states}}
    at: dict[int, Operator | None] = {}
    same: dict[int, int] = {}  # the newest row, read back -> the row as it was written
    for slots in sorted({shift.slots for shift in shifts}):
        whole = Quantisation((1.0,), (0,))
        graph, before = graph.with_tensor(Tensor(f"ring_of_{slots}_head_in", (1,), "int16", whole))
        graph, heads[slots] = graph.with_tensor(Tensor(f"ring_of_{slots}_head_out", (1,), "int16", whole))
        origin = (f"head of the rings of {slots} rows",)
        first.append(Operator("RING_ADVANCE", (before,), (heads[slots],), {"slots": slots}, origin))
        states.append((before, heads[slots]))
    for shift in shifts:
        ring = dataclasses.replace(graph.tensors[shift.window], name=graph.tensors[shift.before].name)
        graph, before = graph.with_tensor(ring)
        states.append((before, shift.window))
        if shift.before in graph.starts:
            starts[before] = _as_ring(graph.starts[shift.before], shift)
        concat, head = graph.operators[shift.concat], heads[shift.slots]
        attributes = {"slots": shift.slots}
        at[shift.concat] = Operator(
            "RING_WRITE", (before, head, *concat.inputs[1:]), concat.outputs, attributes, concat.origin
        )
        at[shift.keep] = None
        for user in graph.consumers(shift.window):
            op = graph.operators[user]
            rows = _newest(graph, op, shift) if user != shift.keep else None
            part = graph.tensors[concat.inputs[-1]]
            if rows == 1 and (part.size, part.shape) == (shift.row, graph.tensors[op.outputs[0]].shape):
                same[op.outputs[0]], at[user] = concat.inputs[-1], None
            elif rows is not None:
                attributes = {"slots": shift.slots, "rows": rows}
                at[user] = Operator("RING_READ", (shift.window, head), op.outputs, attributes, op.origin)
        row_bytes = ring.bytes // shift.slots
        notes.append(
            f"{ring.name}: a ring of {shift.slots} rows of {row_bytes} bytes; a step writes one row and moves none"
        )
    operators: list[Operator] = list(first)
    for number, op in enumerate(graph.operators):
        changed = at.get(number, op)
        if changed is None:
            continue
        if number in order.convolutions:
            head = heads[order.rows[op.inputs[0]].slots]
            inputs = (*(*op.inputs, -1)[:3], head)
            changed = dataclasses.replace(changed, kind=RING_CONV, inputs=inputs)
        for operator, tensor in sorted(order.constants):
            if operator == number:
                slots = next(order.rows[t].slots for t in op.inputs if t in order.rows)
                graph, ordered = graph.with_tensor(
                    dataclasses.replace(graph.tensors[tensor], name=f"{graph.tensors[tensor].name} by slot", data=None)
                )
                operators.append(
                    Operator("RING_ORDER", (heads[slots], tensor), (ordered,), {"slots": slots}, op.origin)
                )
                inputs = tuple(ordered if t == tensor else t for t in changed.inputs)
                changed = dataclasses.replace(changed, inputs=inputs)
        operators.append(changed)
    graph = dataclasses.replace(graph, operators=tuple(operators), states=tuple(states), starts=starts)
    return graph.replace_uses(same), notes
