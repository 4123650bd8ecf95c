"""A network over a moving window becomes a step: one new row in every layer, older rows from the steps before.

The pattern: a state that holds the last T - 1 rows (passes/shifts.py), and layers over all T of them. As it stands each
step computes T rows of every layer, T - 1 of which the step before computed already.

Row j of a value at one step is row j + 1 of it at the step before, where no padding reaches it. `_Follow` follows the
rows of every value: which of them are so, and which one belongs to the newest sample. Convolutions and pools of stride
1 need the newest rows of their operand, which become a state. What treats each row alone is done on the newest row. In
the end the network must read the newest row, or rows that no padding reaches. Else the window is computed as it is, and
a line says which operator is responsible. The integers are the same from the first sample on: the new states start with
the rows that the old state's start gives.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.base import ElementWise, ViewRule
from tinyloc.codegen.passes.shifts import Shift, find_shift
from tinyloc.codegen.semantics.integer_graph import run_graph
from tinyloc.codegen.semantics.operator_table import rule_of

SUMS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D"})
POOLS = frozenset({"AVERAGE_POOL_2D", "MAX_POOL_2D"})
WORK = frozenset({*SUMS, "FULLY_CONNECTED", "BATCH_MATMUL"})
"""Operators that cost MACs: a window that only moves rows is left alone."""
EACH_ROW = frozenset({"SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION"})
SAME_PADDING = 0
Rows2 = npt.NDArray[np.int64]


class _NoSteps(Exception):
    """The window cannot be computed row by row; the text says which operator is responsible."""


@dataclass(frozen=True)
class _Rows:
    """Where a value's rows lie: `count` rows of `per` elements along `axis`.

    Rows `first` to `newest` are those that the step before computed one place later; `newest` belongs to the newest
    sample.
    """

    axis: int
    count: int
    first: int
    newest: int
    per: int = 1


@dataclass(frozen=True)
class _Step:
    """What becomes of one operator: `op` on one row; `span` rows of its operand, if more than one are needed."""

    op: Operator
    operand: int = -1
    span: int = 1


class _Follow:
    """Follows one window through the graph. Raises _NoSteps."""

    def __init__(self, graph: Graph, shift: Shift) -> None:
        self.graph, self.shift = graph, shift
        shape = graph.tensors[shift.window].shape
        axis = graph.operators[shift.concat].attributes["axis"] % len(shape)
        per = shift.row // prod(shape[axis + 1 :])
        self.rows: dict[int, _Rows] = {shift.window: _Rows(axis, shift.slots, 0, shift.slots - 1, per)}
        self.steps: dict[int, _Step] = {}
        self.work = 0
        for number, op in enumerate(graph.operators):
            if number in (shift.concat, shift.keep) or not any(t in self.rows for t in op.inputs):
                continue
            self.steps[number] = self._step(op)
            if op.kind in WORK and any(t in self.rows and self.rows[t].count > 1 for t in op.outputs):
                self.work += 1
        if lost := [t for t in graph.results if t in self.rows]:
            raise _NoSteps(f"{graph.tensors[lost[0]].name} is a result with all rows of the window")

    def _shape(self, tensor: int) -> tuple[int, ...]:
        return self.graph.tensors[tensor].shape

    def _step(self, op: Operator) -> _Step:
        where = op.origin[0] if op.origin else op.kind
        timed = [t for t in op.inputs if t in self.rows]
        if all(self.rows[t].count == 1 for t in timed):
            if any(self.rows[t].first or self.rows[t].newest for t in timed):
                raise _NoSteps(f"{where} reads a row that padding reaches")
            return _Step(op)
        rule = rule_of(self.graph, op)
        if isinstance(rule, ViewRule) or (op.kind == "GATHER" and op.inputs[0] in self.rows):
            return self._view(op, where)
        if op.kind in ("PAD", "PADV2"):
            return self._pad(op, where)
        if op.kind in (*SUMS, *POOLS):
            return self._convolution(op, where)
        found = None
        if op.kind == "FULLY_CONNECTED":
            found = self._linear(op)
        elif op.kind == "BATCH_MATMUL":
            found = self._product(op)
        elif op.kind == "CONCATENATION" or op.kind in EACH_ROW or isinstance(rule, ElementWise):
            found = self._each_row(op, isinstance(rule, ElementWise))
        return found or self._whole(op, where)

    def _whole(self, op: Operator, where: str) -> _Step:
        """An operator that mixes rows in its own way: keep all rows of its operand."""
        timed = [t for t in op.inputs if t in self.rows]
        rows = self.rows[timed[0]]
        if len(timed) > 1:
            raise _NoSteps(f"{where} joins rows of the window in a way of its own")
        outer = prod(self._shape(timed[0])[: rows.axis])
        if timed[0] == self.shift.window or outer > 1 or rows.first > 0 or rows.newest != rows.count - 1:
            why = "mixes all rows of the window" if rows.first == 0 else "reads rows that padding reaches"
            raise _NoSteps(f"{where} {why}")
        return _Step(op, timed[0], rows.count)

    def _numbers(self, tensor: int) -> Rows2:
        """The row that each element of a value lies in."""
        rows, shape = self.rows[tensor], self._shape(tensor)
        axis = rows.axis
        along = np.repeat(np.arange(rows.count), rows.per)
        return np.broadcast_to(along.reshape([-1 if i == axis else 1 for i in range(len(shape))]), shape)

    def _views(self, op: Operator, x: Rows2) -> list[Rows2]:
        rule = rule_of(self.graph, op)
        if isinstance(rule, ViewRule):
            views = rule.views(self.graph, op, x)
        else:
            views = [np.take(x, np.asarray(self.graph.tensors[op.inputs[1]].data), axis=int(op.attributes["axis"]))]
        return [np.asarray(v).reshape(self._shape(t)) for v, t in zip(views, op.outputs, strict=True)]

    def _view(self, op: Operator, where: str) -> _Step:
        """Views of every row, of a part of every row, or of the newest row."""
        rule = rule_of(self.graph, op)
        source = rule.source(op) if isinstance(rule, ViewRule) else op.inputs[0]
        if source not in self.rows:
            raise _NoSteps(f"{where} takes its sizes from the window")
        before, shape = self.rows[source], self._shape(source)
        numbers = np.ascontiguousarray(self._numbers(source))
        flat = np.arange(numbers.size).reshape(shape)
        found = [_rows_of(view) for view in self._views(op, numbers)]
        if None in found:
            return self._one_row(op, where, source, numbers, flat)
        made = dataclasses.replace(op, kind="RESHAPE", inputs=(source,), attributes={})
        for tensor, place in zip(op.outputs, found, strict=True):
            assert place is not None
            axis, per, low, high = place
            if high - 1 < before.newest:
                raise _NoSteps(f"{where} leaves out the newest row")
            self.rows[tensor] = _Rows(axis, high - low, max(before.first - low, 0), before.newest - low, per)
        if op.kind in ("TRANSPOSE", "SPLIT", "SPLIT_V"):
            return _Step(op)  # as they are: the axis of the rows is not divided, as each part has rows to the newest
        if op.kind not in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
            made = self._part(op, where, source, flat)
        return _Step(made)

    def _one_row(self, op: Operator, where: str, source: int, numbers: Rows2, flat: Rows2) -> _Step:
        before = self.rows[source]
        view = self._views(op, numbers)[0]
        if np.ptp(view):
            raise _NoSteps(f"{where} takes rows apart")
        number = int(view.flat[0])
        if number < before.first or before.newest < before.first:
            raise _NoSteps(
                f"{where} reads a row that padding reaches: the layers look back farther than the window is long"
            )
        if number > before.newest:
            raise _NoSteps(
                f"{where} reads a row that padding behind the newest sample reaches: a layer before it is not causal"
            )
        if number != before.newest:
            raise _NoSteps(f"{where} reads row {number}, which is not that of the newest sample")
        axis = before.axis
        row = np.take(flat, range(number * before.per, (number + 1) * before.per), axis=axis)
        if len(op.outputs) > 1 or not np.array_equal(row.ravel(), self._views(op, flat)[0].ravel()):
            raise _NoSteps(f"{where} takes a part of the newest row")
        return _Step(dataclasses.replace(op, kind="RESHAPE", inputs=(source,), attributes={}))

    def _part(self, op: Operator, where: str, source: int, flat: Rows2) -> Operator:
        """The same part of every row as one SLICE: its sizes are set where the row is made."""
        (result,) = op.outputs
        shape, taken, axis = self._shape(result), self._views(op, flat)[0], self.rows[result].axis
        if len(shape) != flat.ndim:
            raise _NoSteps(f"{where} takes a part of each row and changes its axes")
        begin = [int(i) for i in np.unravel_index(int(taken.flat[0]), flat.shape)]
        cut = tuple(slice(b, b + n) for b, n in zip(begin, shape, strict=True))
        if not np.array_equal(flat[cut], taken) or self.rows[result].per != self.rows[source].per:
            raise _NoSteps(f"{where} takes scattered parts of each row")
        if all(shape[i] == flat.shape[i] for i in range(len(shape)) if i != axis):
            return dataclasses.replace(op, kind="RESHAPE", inputs=(source,), attributes={})
        begin[axis] = 0
        return dataclasses.replace(op, kind="SLICE", inputs=(source,), attributes={"begin": tuple(begin)})

    def _pad(self, op: Operator, where: str) -> _Step:
        source = op.inputs[0]
        rows, borders = self.rows[source], np.asarray(self.graph.tensors[op.inputs[1]].data).reshape(-1, 2)
        axis = rows.axis
        before, after = (int(n) for n in borders[axis])
        if rows.per != 1:
            raise _NoSteps(f"{where} pads parts of rows")
        first = rows.first + before if before or rows.first else 0
        self.rows[op.outputs[0]] = _Rows(axis, rows.count + before + after, first, rows.newest + before)
        others = borders.copy()
        others[axis] = 0
        if others.any():
            return _Step(dataclasses.replace(op, attributes={**op.attributes, "borders": others}))
        return _Step(dataclasses.replace(op, kind="RESHAPE", inputs=(source,), attributes={}))

    def _convolution(self, op: Operator, where: str) -> _Step:
        """Along time: stride 1; the newest `span` rows make the newest row of the result."""
        source = op.inputs[0]
        rows = self.rows.get(source)
        if rows is None or rows.per != 1 or rows.axis not in (1, 2) or prod(self._shape(source)[: rows.axis]) > 1:
            raise _NoSteps(f"{where} does not run along the window")
        side = "h" if rows.axis == 1 else "w"
        taps = op.attributes[f"filter_{side}"] if op.kind in POOLS else self._shape(op.inputs[1])[rows.axis]
        reach = (taps - 1) * op.attributes.get(f"dilation_{side}", 1)
        if op.attributes[f"stride_{side}"] != 1:
            raise _NoSteps(f"{where} has stride {op.attributes[f'stride_{side}']} along the window")
        other = 3 - rows.axis
        along = self._shape(op.inputs[1])[other] if op.kind in SUMS else op.attributes[f"filter_{'wh'[other == 1]}"]
        pad = (0, 0)
        attributes = dict(op.attributes)
        if op.attributes["padding"] == SAME_PADDING and reach:
            if along > 1:
                raise _NoSteps(f"{where} pads along both axes; pad along the window with a PAD of its own")
            pad = (reach // 2, reach - reach // 2)
            attributes["padding"] = 1
        first = rows.first + pad[0] if pad[0] or rows.first else 0
        count = rows.count + sum(pad) - reach
        self.rows[op.outputs[0]] = _Rows(rows.axis, count, first, rows.newest + pad[0] - reach)
        if pad == (0, 0) and op.attributes["padding"] == SAME_PADDING and reach == 0 and along == 1:
            attributes["padding"] = 1
        return _Step(dataclasses.replace(op, attributes=attributes), source, reach + 1)

    def _linear(self, op: Operator) -> _Step | None:
        """A layer on each row: rows stay rows of the result."""
        source, y = op.inputs[0], op.outputs[0]
        if source not in self.rows or any(t in self.rows for t in op.inputs[1:]):
            return None
        rows, shape = self.rows[source], self._shape(y)
        axes = [i for i, n in enumerate(shape[:-1]) if n == rows.count]
        depth = self._shape(op.inputs[1])[1]
        if rows.per != 1 or rows.axis == len(self._shape(source)) - 1:
            return None
        if len(axes) != 1 or prod(shape) != rows.count * shape[-1] or depth * rows.count != prod(self._shape(source)):
            return None
        self.rows[y] = dataclasses.replace(rows, axis=axes[0])
        return _Step(op)

    def _product(self, op: Operator) -> _Step | None:
        """Rows times a constant: each row of the product is of one row."""
        timed = [t for t in op.inputs if t in self.rows]
        if len(timed) != 1 or not all(self.graph.is_constant(t) for t in op.inputs if t not in timed):
            return None
        rows, rank = self.rows[timed[0]], len(self._shape(timed[0]))
        first = timed[0] == op.inputs[0]
        turned = bool(op.attributes.get("adj_x" if first else "adj_y"))
        depth = rank - 1 if first != turned else rank - 2
        if rows.per != 1 or rows.axis != 2 * rank - 3 - depth or len(self._shape(op.outputs[0])) != rank:
            return None
        self.rows[op.outputs[0]] = dataclasses.replace(rows, axis=rank - 2 if first else rank - 1)
        return _Step(op)

    def _each_row(self, op: Operator, element_wise: bool) -> _Step | None:
        y = op.outputs[0]
        rank = len(self._shape(y))
        timed = [t for t in op.inputs if t in self.rows]
        kinds = {
            (r.axis - len(self._shape(t)), r.count, r.newest, r.per) for t, r in ((t, self.rows[t]) for t in timed)
        }
        if len(kinds) != 1:
            return None
        ((back, count, newest, per),) = kinds
        if per != 1:
            return None
        if element_wise:
            others = [t for t in op.inputs if t != -1 and t not in self.rows]
            if any(not self.graph.is_constant(t) for t in others):
                return None  # joins the window with what is no part of it
            if any(len(self._shape(t)) >= -back and self._shape(t)[back] != 1 for t in others):
                return None  # a constant a row
        elif op.kind == "CONCATENATION":
            if op.attributes["axis"] % rank == rank + back or len(timed) != len(op.inputs):
                return None
        elif back == -1:
            return None
        first = max(self.rows[t].first for t in timed)
        self.rows[y] = _Rows(rank + back, count, first, newest)
        return _Step(op)


def _rows_of(numbers: Rows2) -> tuple[int, int, int, int] | None:
    """(axis, elements per row, first row, row after the last) where an array counts rows along one axis, else None."""
    for axis, size in enumerate(numbers.shape):
        along = numbers[tuple(slice(None) if i == axis else 0 for i in range(numbers.ndim))]
        low, high = int(along[0]), int(along[-1]) + 1
        if high - low < 2 or size % (high - low):
            continue
        per = size // (high - low)
        counted = np.repeat(np.arange(low, high), per)
        expected = counted.reshape([-1 if i == axis else 1 for i in range(numbers.ndim)])
        if np.array_equal(numbers, np.broadcast_to(expected, numbers.shape)):
            return axis, per, low, high
    return None


def roll_windows(graph: Graph) -> tuple[Graph, list[str]]:
    """Compute moving windows row by row where that is exact, and a line for each window with layers over its rows."""
    notes: list[str] = []
    for before, after in graph.states:
        shift = find_shift(graph, before, after)
        if shift is None or shift.slots < 2 or len(graph.operators[shift.concat].inputs) != 2:
            continue
        name = graph.tensors[before].name
        try:
            follow = _Follow(graph, shift)
        except _NoSteps as problem:
            if _works_on_rows(graph, shift):
                notes.append(
                    f"{name}: all {shift.slots} rows of the window are computed at every sample, because {problem}; "
                    "RAM and latency count so"
                )
            continue
        if follow.work == 0:
            continue
        graph, kept = _rewritten(graph, shift, follow)
        notes.append(
            f"{name}: the window of {shift.slots} rows is computed one row per sample; {kept:,} bytes of earlier rows "
            f"are kept in place of {graph.tensors[before].bytes:,}"
        )
    return graph, notes


def _works_on_rows(graph: Graph, shift: Shift) -> bool:
    """Whether layers with weights follow a window: what only moves or weighs rows, such as attention, is no news."""
    reached = {shift.window}
    for number, op in enumerate(graph.operators):
        if number not in (shift.concat, shift.keep) and any(t in reached for t in op.inputs):
            reached.update(op.outputs)
            shapes = [graph.tensors[t].shape for t in op.outputs]
            rows = any(n >= shift.slots for shape in shapes for n in shape[:-1])
            if op.kind in ("CONV_2D", "UNIDIRECTIONAL_SEQUENCE_LSTM") or (op.kind == "FULLY_CONNECTED" and rows):
                return True
    return False


def _rewritten(graph: Graph, shift: Shift, follow: _Follow) -> tuple[Graph, int]:
    """The graph with one row of every value of the window, and the bytes of the states that keep earlier rows."""
    values = run_graph(graph, _start(graph))
    newest = graph.operators[shift.concat].inputs[1]
    tensors = list(graph.tensors)
    states = [pair for pair in graph.states if pair[0] != shift.before]
    starts = {state: value for state, value in graph.starts.items() if state != shift.before}
    row_of: dict[int, int] = {shift.window: newest}
    kept: dict[tuple[int, int], int] = {}
    operators: list[Operator] = []
    bytes_kept = 0

    def new(tensor: Tensor) -> int:
        tensors.append(tensor)
        return len(tensors) - 1

    def constant(name: str, data: Sequence[int] | Array) -> int:
        array = np.asarray(data, np.int32)
        return new(Tensor(name, array.shape, "int32", None, array))

    def row(tensor: int) -> int:
        """The tensor that has one row of a value."""
        if tensor not in row_of:
            rows, whole = follow.rows[tensor], tensors[tensor]
            axis = rows.axis
            shape = tuple(rows.per if i == axis else n for i, n in enumerate(whole.shape))
            row_of[tensor] = new(dataclasses.replace(whole, name=f"{whole.name}, newest row", shape=shape))
        return row_of[tensor]

    def history(tensor: int, span: int, origin: tuple[str, ...]) -> int:
        """The newest `span` rows of a value, out of a state that holds all of them but the newest."""
        nonlocal bytes_kept
        if (tensor, span) in kept:
            return kept[tensor, span]
        whole, rows, one = graph.tensors[tensor], follow.rows[tensor], row(tensor)
        axis, size = rows.axis, tensors[one].size
        flat = dataclasses.replace(whole, name=f"{whole.name}, {span} rows", shape=(1, span * size))
        flat_row = one
        if tensors[one].shape != (1, size):
            flat_row = new(dataclasses.replace(whole, name=f"{whole.name}, row", shape=(1, size)))
            operators.append(Operator("RESHAPE", (one,), (flat_row,), {}, origin))
        ends = [
            new(dataclasses.replace(flat, name=f"{whole.name}, rows {end}", shape=(1, (span - 1) * size)))
            for end in ("before", "after")
        ]
        joined = new(flat)
        operators.append(Operator("CONCATENATION", (ends[0], flat_row), (joined,), {"axis": 1}, origin))
        cut = (joined, constant("begin", [0, size]), constant("size", [1, (span - 1) * size]))
        operators.append(Operator("SLICE", cut, (ends[1],), {}, origin))
        states.append((ends[0], ends[1]))
        earlier = np.take(values[tensor], range((rows.newest - span + 1) * rows.per, rows.newest * rows.per), axis=axis)
        starts[ends[0]] = earlier.reshape(1, -1)
        bytes_kept += tensors[ends[0]].bytes
        shape = tuple(span * n if i == axis else n for i, n in enumerate(tensors[one].shape))
        kept[tensor, span] = joined
        if shape != flat.shape:
            kept[tensor, span] = new(dataclasses.replace(flat, name=f"{whole.name}, newest rows", shape=shape))
            operators.append(Operator("RESHAPE", (joined,), (kept[tensor, span],), {}, origin))
        return kept[tensor, span]

    for number, op in enumerate(graph.operators):
        if number in (shift.concat, shift.keep):
            continue
        step = follow.steps.get(number)
        if step is None:
            operators.append(op)
            continue
        made = step.op
        inputs = []
        for t in made.inputs:
            if t == step.operand and step.span > 1:
                inputs.append(history(t, step.span, made.origin))
            else:
                inputs.append(row(t) if t in follow.rows else t)
        outputs = tuple(row(t) if t in follow.rows else t for t in made.outputs)
        attributes = dict(made.attributes)
        if made.kind == "SLICE" and "begin" in attributes:
            begin = attributes.pop("begin")
            inputs += [constant("begin", begin), constant("size", list(tensors[outputs[0]].shape))]
        elif "borders" in attributes:
            inputs[1] = constant("borders", attributes.pop("borders"))
        elif made.kind == "RESHAPE":
            inputs = inputs[:1]
        operators.append(dataclasses.replace(made, inputs=tuple(inputs), outputs=outputs, attributes=attributes))
    return (
        dataclasses.replace(
            graph, tensors=tuple(tensors), operators=tuple(operators), states=tuple(states), starts=starts
        ),
        bytes_kept,
    )


def _start(graph: Graph) -> dict[int, Array]:
    """The first step's sources; the newest sample does not matter."""
    sources = {before: graph.start(before) for before, _ in graph.states}
    for t in graph.inputs:
        tensor = graph.tensors[t]
        zero = 0 if tensor.quantisation is None else tensor.zero_point
        sources[t] = np.full(tensor.shape, zero, tensor.element)
    return sources
