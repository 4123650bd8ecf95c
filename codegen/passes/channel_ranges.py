"""What each channel (slice of the last axis) of each value can be: bounds, and channels that never change.

A row of a layer is constant where its least and its greatest sum give the same output. Bounds come from the row's own
weights and the bounds of its inputs; behind padding an input may also be its zero point. Which channel of a constant
row's consumer is constant is computed by the reference, position by position: next to a border it may be another value.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.arithmetic.requantise import Int64s, Requantisation
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators import fully_connected
from tinyloc.codegen.operators.base import ElementWise
from tinyloc.codegen.operators.conv_2d import Conv2D
from tinyloc.codegen.operators.convolution import Convolution, filter_of
from tinyloc.codegen.operators.depthwise_conv_2d import DepthwiseConv2D
from tinyloc.codegen.operators.fully_connected import FullyConnected, bias_of
from tinyloc.codegen.operators.pool_2d import Pool2D
from tinyloc.codegen.operators.reduce import Reduce, reduced_axes
from tinyloc.codegen.semantics.operator_table import rule_of

VIEWS = frozenset(("RESHAPE", "SQUEEZE", "EXPAND_DIMS"))


@dataclass(frozen=True)
class Channels:
    """low, high: (C,), of all positions. value: of the tensor's shape, meant where `constant` (C,) says so."""

    low: Int64s
    high: Int64s
    constant: Array = field(repr=False)
    value: Array = field(repr=False)

    @property
    def uniform(self) -> Array:
        """(C,): constant, and the same at all positions."""
        flat = self.value.reshape(-1, self.value.shape[-1])
        same: Array = self.constant & (flat == flat[:1]).all(axis=0)
        return same


@dataclass(frozen=True)
class Rows:
    """A layer of sums: rows (outputs, channels) of positive and of negative weights, and how sums are scaled."""

    positive: Int64s
    negative: Int64s
    bias: Int64s
    scaling: Requantisation
    padded: bool

    @property
    def read(self) -> Array:
        """(outputs, channels): whether the output depends on the channel at all."""
        return (self.positive != 0) | (self.negative != 0)


def sees_outside(g: Geometry) -> bool:
    """Whether some window of a convolution reaches beyond the image."""
    reach = [(g.output[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1 for i in range(2)]
    return any(g.padding) or any(reach[i] > g.input[i] for i in range(2))


def rows_of(graph: Graph, op: Operator) -> Rows | None:
    """The rows of a layer whose weights are constant; None for other operators."""
    rule = rule_of(graph, op)
    if isinstance(rule, FullyConnected):
        x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
        if w.data is None or x.shape[-1] != w.shape[-1]:
            return None
        taps = filter_of(graph, op.inputs[1])[:, None, :]
        return _rows(taps, bias_of(graph, op), fully_connected.requantisation(graph, op), padded=False)
    if not isinstance(rule, Convolution) or not isinstance(rule, Conv2D | DepthwiseConv2D):
        return None
    padded = sees_outside(rule.geometry(graph, op))
    scaling, bias, taps = rule.requantisation(graph, op), bias_of(graph, op), filter_of(graph, op.inputs[1])
    channels = graph.tensors[op.inputs[0]].shape[3]
    if isinstance(rule, Conv2D):
        own = taps.reshape(len(taps), -1, taps.shape[3])
        groups = channels // own.shape[2]
    else:
        own = taps.reshape(-1, taps.shape[3]).T[:, :, None]
        groups = channels
    if groups == 1:
        return _rows(own, bias, scaling, padded)
    whole = np.zeros((len(own), own.shape[1], channels), np.int64)
    each, depth = len(own) // groups, own.shape[2]
    for group in range(groups):
        rows = slice(group * each, (group + 1) * each)
        whole[rows, :, group * depth : (group + 1) * depth] = own[rows]
    return _rows(whole, bias, scaling, padded)


def _rows(taps: Int64s, bias: Int64s | None, scaling: Requantisation, padded: bool) -> Rows:
    """taps: (outputs, taps, channels)."""
    positive, negative = np.maximum(taps, 0).sum(axis=1), np.minimum(taps, 0).sum(axis=1)
    return Rows(positive, negative, np.zeros(len(taps), np.int64) if bias is None else bias, scaling, padded)


def _all(graph: Graph, tensor: int) -> Channels:
    """Nothing is known."""
    t = graph.tensors[tensor]
    low, high = RANGE[t.element]
    shape = t.shape or (1,)
    size = shape[-1]
    bounds = np.full(size, low, np.int64), np.full(size, high, np.int64)
    return Channels(*bounds, np.zeros(size, bool), np.broadcast_to(np.zeros((), t.element), shape))


def _of_rows(graph: Graph, op: Operator, rows: Rows, x: Channels) -> Channels:
    t, zero = graph.tensors[op.outputs[0]], graph.tensors[op.inputs[0]].zero_point
    low, high = x.low - zero, x.high - zero
    if rows.padded:
        low, high = np.minimum(low, 0), np.maximum(high, 0)
    least = rows.bias + rows.positive @ low + rows.negative @ high
    greatest = rows.bias + rows.positive @ high + rows.negative @ low
    first, last = (rows.scaling.reference(sums).astype(np.int64) for sums in (least, greatest))
    constant = first == last
    return Channels(first, last, constant, np.broadcast_to(first.astype(t.element), t.shape))


def tied(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Operands of which channel c alone makes channel c of the result, for operators without rows; else empty."""
    rule = rule_of(graph, op)
    if len(op.outputs) != 1 or rule is None:
        return ()
    y = graph.tensors[op.outputs[0]]
    first = graph.tensors[op.inputs[0]] if op.inputs and op.inputs[0] != -1 else None
    if first is None or not first.shape or not y.shape:
        return ()
    if isinstance(rule, Pool2D) and op.kind in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
        return op.inputs[:1]
    if isinstance(rule, Reduce) and first.shape[-1] == y.shape[-1]:
        return op.inputs[:1] if len(first.shape) - 1 not in reduced_axes(graph, op) else ()
    if op.kind in ("PAD", "PADV2") and not np.asarray(graph.tensors[op.inputs[1]].data)[-1].any():
        return op.inputs[:1]
    if op.kind in VIEWS and y.shape[-1] % first.shape[-1] == 0:
        return op.inputs[:1]
    if isinstance(rule, ElementWise):
        changing = [t for t in op.inputs if t != -1 and not graph.is_constant(t)]
        single = all(graph.tensors[t].size == 1 for t in op.inputs if t != -1 and t not in changing)
        if changing and single and all(graph.tensors[t].shape == y.shape for t in changing):
            return tuple(dict.fromkeys(changing))
    return ()


def _through(graph: Graph, op: Operator, known: Mapping[int, Channels], operands: tuple[int, ...]) -> Channels:
    """The result of an operator that works channel by channel: computed where all operands are constant."""
    rule = rule_of(graph, op)
    assert rule is not None
    blank = _all(graph, op.outputs[0])
    constant = np.logical_and.reduce([known[t].constant for t in operands])
    times = len(blank.constant) // len(constant)  # of a view, how often the channels are repeated
    constant = np.tile(constant, times)
    if not constant.any():
        return blank
    values = [
        None if t == -1 else np.ascontiguousarray(known[t].value) if t in operands else graph.tensors[t].data
        for t in op.inputs
    ]
    (value,) = rule.reference(graph, op, values)
    flat = value.reshape(-1, value.shape[-1])
    low = np.where(constant, flat.min(axis=0), blank.low)
    high = np.where(constant, flat.max(axis=0), blank.high)
    return Channels(low, high, constant, value)


def _of(graph: Graph, op: Operator, known: Mapping[int, Channels]) -> Iterator[Channels]:
    rows = rows_of(graph, op)
    if rows is None:
        operands = tied(graph, op)
        if operands:
            yield _through(graph, op, known, operands)
        else:
            yield from (_all(graph, t) for t in op.outputs)
        return
    found = _of_rows(graph, op, rows, known[op.inputs[0]])
    if op.kind == "DEPTHWISE_CONV_2D":
        x = known[op.inputs[0]]
        fed = np.repeat(x.constant, len(found.constant) // len(x.constant)) & ~found.constant
        if fed.any():  # constant at each position
            rule = rule_of(graph, op)
            assert rule is not None
            operands_of = [np.ascontiguousarray(x.value), *(None if t == -1 else graph.tensors[t].data
                                                            for t in op.inputs[1:])]  # fmt: skip
            (value,) = rule.reference(graph, op, operands_of)
            found = Channels(found.low, found.high, found.constant | fed, np.where(fed, value, found.value))
    yield found


def channel_ranges(graph: Graph) -> dict[int, Channels]:
    """For every value that an operator or a caller writes."""
    known = {t: _all(graph, t) for t in graph.sources}
    for op in graph.operators:
        for t in op.inputs:
            if t != -1 and t not in known and not graph.is_constant(t):
                known[t] = _all(graph, t)
        known.update(zip(op.outputs, _of(graph, op, known), strict=True))
    return known
