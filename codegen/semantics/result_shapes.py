"""Shapes that operators give their results, from the shapes of their operands and their constant operands.

A converter that does not know the batch leaves sizes open (-1 in a shape signature) and writes 1 in their place, also
where the batch is only a factor of the size. passes/shapes.py asks here for what they are.
"""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.geometry import output_size
from tinyloc.codegen.graph import Graph, Operator, broadcast_shape
from tinyloc.codegen.operators.base import ElementWise
from tinyloc.codegen.operators.view import Part
from tinyloc.codegen.semantics.operator_table import rule_of

Shape = tuple[int, ...]
Ints = npt.NDArray[np.int64]

SAME = frozenset(("SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION", "REVERSE_V2", "DEQUANTIZE"))
REDUCTIONS = frozenset(("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"))


def result_shapes(graph: Graph, op: Operator) -> list[Shape] | None:
    """The shape of each output, None where the operator is not known or a size is not constant.

    Raises ValueError, IndexError or TypeError where the operands do not fit each other.
    """
    rule = rule_of(graph, op)
    shapes = [graph.tensors[t].shape for t in op.inputs if t != -1]
    if op.kind in SAME:
        return [shapes[0]]
    if isinstance(rule, ElementWise):
        return [broadcast_shape(shapes)]
    if isinstance(rule, Part):
        return [view.shape for view in rule.views(graph, op, np.zeros(graph.tensors[rule.source(op)].shape, np.int8))]
    if op.kind in REDUCTIONS:
        return _reduced(graph, op)
    found = _SHAPES[op.kind](graph, op) if op.kind in _SHAPES else None
    return None if found is None else [tuple(int(n) for n in found)]


def numbers(graph: Graph, op: Operator, position: int) -> Ints | None:
    """A constant operand, None where it is absent or computed."""
    if len(op.inputs) <= position or op.inputs[position] == -1:
        return None
    data = graph.tensors[op.inputs[position]].data
    return None if data is None else data.astype(np.int64)


def axes_of(graph: Graph, op: Operator) -> tuple[int, ...] | None:
    """Axes of a reduction, counted from 0."""
    axes, rank = numbers(graph, op, 1), len(graph.tensors[op.inputs[0]].shape)
    return None if axes is None else tuple(sorted({int(a) % rank for a in axes.ravel()}))


def _reduced(graph: Graph, op: Operator) -> list[Shape] | None:
    axes, shape = axes_of(graph, op), graph.tensors[op.inputs[0]].shape
    if axes is None:
        return None
    if op.attributes.get("keep_dims"):
        return [tuple(1 if i in axes else n for i, n in enumerate(shape))]
    return [tuple(n for i, n in enumerate(shape) if i not in axes)]


def _reshaped(graph: Graph, op: Operator) -> Sequence[int] | None:
    sizes, x = numbers(graph, op, 1), graph.tensors[op.inputs[0]]
    if sizes is None:
        return None
    known = [int(n) for n in sizes.ravel()]
    return [x.size // max(prod(n for n in known if n != -1), 1) if n == -1 else n for n in known]


def _fully_connected(graph: Graph, op: Operator) -> Sequence[int]:
    x, w = (graph.tensors[t] for t in op.inputs[:2])
    return (*(x.shape[:-1] if op.attributes["keep_dims"] else (x.size // w.shape[1],)), w.shape[0])


def _convolved(graph: Graph, op: Operator) -> Sequence[int]:
    x, w = (graph.tensors[t].shape for t in op.inputs[:2])
    return (x[0], *output_size(op, x, w), w[0] if op.kind == "CONV_2D" else w[3])


def _pooled(graph: Graph, op: Operator) -> Sequence[int]:
    x = graph.tensors[op.inputs[0]].shape
    return (x[0], *output_size(op, x, (0, op.attributes["filter_h"], op.attributes["filter_w"])), x[3])


def _joined(graph: Graph, op: Operator) -> Sequence[int]:
    shapes = [graph.tensors[t].shape for t in op.inputs]
    axis = op.attributes["axis"] % len(shapes[0])
    return (*shapes[0][:axis], sum(shape[axis] for shape in shapes), *shapes[0][axis + 1 :])


def _packed(graph: Graph, op: Operator) -> Sequence[int]:
    shape = graph.tensors[op.inputs[0]].shape
    axis = op.attributes["axis"] % (len(shape) + 1)
    return (*shape[:axis], len(op.inputs), *shape[axis:])


def _gathered(graph: Graph, op: Operator) -> Sequence[int]:
    x, indices = (graph.tensors[t].shape for t in op.inputs[:2])
    axis = op.attributes["axis"] % len(x)
    return (*x[:axis], *indices, *x[axis + 1 :])


def _multiplied(graph: Graph, op: Operator) -> Sequence[int]:
    x, y = (graph.tensors[t].shape for t in op.inputs[:2])
    row, column = (-1 if op.attributes["adj_x"] else -2), (-2 if op.attributes["adj_y"] else -1)
    return (*broadcast_shape((x[:-2], y[:-2])), x[row], y[column])


def _padded(graph: Graph, op: Operator) -> Sequence[int] | None:
    borders = numbers(graph, op, 1)
    return None if borders is None else list(np.add(graph.tensors[op.inputs[0]].shape, borders.sum(axis=1)))


def _resized(graph: Graph, op: Operator) -> Sequence[int] | None:
    sizes, x = numbers(graph, op, 1), graph.tensors[op.inputs[0]].shape
    return None if sizes is None else (x[0], *sizes, x[3])


def _blocks(graph: Graph, op: Operator) -> Sequence[int] | None:
    block, borders, x = numbers(graph, op, 1), numbers(graph, op, 2), graph.tensors[op.inputs[0]].shape
    if block is None or borders is None:
        return None
    inner, rest = np.array(x[1 : 1 + len(block)]), x[1 + len(block) :]
    if op.kind == "SPACE_TO_BATCH_ND":
        return (x[0] * int(block.prod()), *((inner + borders.sum(axis=1)) // block), *rest)
    return (x[0] // int(block.prod()), *(inner * block - borders.sum(axis=1)), *rest)


def _tiled(graph: Graph, op: Operator) -> Sequence[int] | None:
    repeats = numbers(graph, op, 1)
    return None if repeats is None else list(np.multiply(graph.tensors[op.inputs[0]].shape, repeats.ravel()))


def _depth(graph: Graph, op: Operator) -> Sequence[int]:
    (batch, height, width, depth), size = graph.tensors[op.inputs[0]].shape, op.attributes["block_size"]
    if op.kind == "DEPTH_TO_SPACE":
        return batch, height * size, width * size, depth // size**2
    return batch, height // size, width // size, depth * size**2


def _arg_max(graph: Graph, op: Operator) -> Sequence[int] | None:
    axes, shape = axes_of(graph, op), graph.tensors[op.inputs[0]].shape
    return None if axes is None else [n for i, n in enumerate(shape) if i not in axes]


def _given(position: int) -> Callable[[Graph, Operator], Sequence[int] | None]:
    """A constant operand that is the shape."""

    def shape(graph: Graph, op: Operator) -> Sequence[int] | None:
        sizes = numbers(graph, op, position)
        return None if sizes is None else [int(n) for n in sizes.ravel()]

    return shape


def _lstm(graph: Graph, op: Operator) -> Sequence[int]:
    units = graph.tensors[op.inputs[2]].shape[0]  # the input-to-forget weights, which every LSTM has
    return (*graph.tensors[op.inputs[0]].shape[:-1], units)


def _svdf(graph: Graph, op: Operator) -> Sequence[int]:
    return graph.tensors[op.inputs[0]].shape[0], graph.tensors[op.inputs[1]].shape[0] // max(op.attributes["rank"], 1)


_SHAPES: dict[str, Callable[[Graph, Operator], Sequence[int] | None]] = {
    "ARG_MAX": _arg_max,
    "AVERAGE_POOL_2D": _pooled,
    "BATCH_MATMUL": _multiplied,
    "BATCH_TO_SPACE_ND": _blocks,
    "BROADCAST_TO": _given(1),
    "CONCATENATION": _joined,
    "CONV_2D": _convolved,
    "DEPTHWISE_CONV_2D": _convolved,
    "DEPTH_TO_SPACE": _depth,
    "FILL": _given(0),
    "FULLY_CONNECTED": _fully_connected,
    "GATHER": _gathered,
    "MAX_POOL_2D": _pooled,
    "MIRROR_PAD": _padded,
    "PACK": _packed,
    "PAD": _padded,
    "PADV2": _padded,
    "RESHAPE": _reshaped,
    "RESIZE_BILINEAR": _resized,
    "RESIZE_NEAREST_NEIGHBOR": _resized,
    "SPACE_TO_BATCH_ND": _blocks,
    "SPACE_TO_DEPTH": _depth,
    "SVDF": _svdf,
    "TILE": _tiled,
    "TRANSPOSE_CONV": _given(0),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
}
