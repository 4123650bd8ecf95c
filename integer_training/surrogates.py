"""What the operators of step graphs mean in real numbers, on many samples at once: where gradients come from.

Values are (N, *shape), N samples of a tensor of that shape; constants have their own shape. Moves are the same for
integers. An operator that is in no table has no gradient here and is reported.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.integer_training.convolution import convolved
from tinyloc.integer_training.pooling import POOLS, REDUCTIONS, pooled, reduced

Operands = Sequence[Tensor | None]
RELUS: dict[int, tuple[float, float]] = {1: (0.0, float("inf")), 2: (-1.0, 1.0), 3: (0.0, 6.0)}
"""Bounds of fused activations, by TFLite's number."""


def _numbers(graph: Graph, op: Operator, position: int) -> list[int]:
    data = graph.tensors[op.inputs[position]].data
    assert data is not None
    return [int(n) for n in np.asarray(data).ravel()]


def _reshaped(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    (x,) = _given(values, 1)
    return [x.reshape(len(x), *graph.tensors[op.outputs[0]].shape)]


def _slice(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    (x,) = _given(values, 1)
    for axis, (begin, size) in enumerate(zip(_numbers(graph, op, 1), _numbers(graph, op, 2), strict=True), start=1):
        x = x.narrow(axis, begin, x.shape[axis] - begin if size < 0 else size)
    return [x]


def _strided_slice(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    """Whole rows of numbers keep their places, so that NumPy's slicing says which elements are meant."""
    from tinyloc.codegen.semantics.operator_table import rule_of

    (x,) = _given(values, 1)
    shape = graph.tensors[op.inputs[0]].shape
    rule = rule_of(graph, op)
    places = np.arange(int(np.prod(shape))).reshape(shape)
    assert rule is not None
    (chosen,) = rule.reference(graph, op, [places, *(graph.tensors[t].data for t in op.inputs[1:])])
    return [x.reshape(len(x), -1)[:, torch.from_numpy(chosen.ravel())].reshape(len(x), *chosen.shape)]


def _split(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    x = values[1]
    assert x is not None
    axis = _numbers(graph, op, 0)[0] % len(graph.tensors[op.inputs[1]].shape) + 1
    return list(x.chunk(len(op.outputs), dim=axis))


def _concatenation(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    given = _given(values, len(op.inputs))
    axis = op.attributes["axis"] % len(graph.tensors[op.outputs[0]].shape)
    samples = max(len(x) for x, t in zip(given, op.inputs, strict=True) if not graph.is_constant(t))
    parts = [x.expand(samples, *x.shape) if graph.is_constant(t) else x for x, t in zip(given, op.inputs, strict=True)]
    return [torch.cat(parts, dim=axis + 1)]


def _transpose(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    (x,) = _given(values, 1)
    return [x.permute(0, *(axis + 1 for axis in _numbers(graph, op, 1)))]


def _pad(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    """With real 0, which is the zero point in integers."""
    (x,) = _given(values, 1)
    borders = [_numbers(graph, op, 1)[at : at + 2] for at in range(0, 2 * (x.dim() - 1), 2)]
    value = 0 if x.is_floating_point() else graph.tensors[op.outputs[0]].zero_point
    return [functional.pad(x, [n for pair in reversed(borders) for n in pair], value=value)]


def _gather(graph: Graph, op: Operator, values: Operands) -> list[Tensor]:
    (x,) = _given(values, 1)
    axis = op.attributes["axis"] % len(graph.tensors[op.inputs[0]].shape) + 1
    rows = x.index_select(axis, torch.tensor([n % x.shape[axis] for n in _numbers(graph, op, 1)]))
    return [rows.reshape(len(x), *graph.tensors[op.outputs[0]].shape)]


Move = Callable[[Graph, Operator, Operands], list[Tensor]]
MOVES: dict[str, Move] = {
    "CONCATENATION": _concatenation,
    "EXPAND_DIMS": _reshaped,
    "GATHER": _gather,
    "PAD": _pad,
    "RESHAPE": _reshaped,
    "SLICE": _slice,
    "SPLIT": _split,
    "SQUEEZE": _reshaped,
    "STRIDED_SLICE": _strided_slice,
    "TRANSPOSE": _transpose,
}


def _given(values: Operands, count: int) -> list[Tensor]:
    found = [x for x in values[:count] if x is not None]
    assert len(found) == count
    return found


def _fully_connected(graph: Graph, op: Operator, values: Operands) -> Tensor:
    x, w = _given(values, 2)
    bias = values[2] if len(values) > 2 else None
    y = functional.linear(x.reshape(len(x), -1, w.shape[1]), w, bias)
    return y.reshape(len(x), *graph.tensors[op.outputs[0]].shape)


def _convolution(graph: Graph, op: Operator, values: Operands) -> Tensor:
    x, w = _given(values, 2)
    return convolved(graph, op, x, w, values[2] if len(values) > 2 else None)


def _batch_matmul(graph: Graph, op: Operator, values: Operands) -> Tensor:
    a, b = _given(values, 2)
    a = a.transpose(-1, -2) if op.attributes.get("adj_x") else a
    b = b.transpose(-1, -2) if op.attributes.get("adj_y") else b
    return torch.matmul(a, b)


def _least(graph: Graph, op: Operator) -> float:
    """Half of the operand's step: what a function with a pole at 0 is given instead of less."""
    return graph.tensors[op.inputs[0]].scale / 2


Meaning = Callable[[Graph, Operator, Operands], Tensor]


def _unary(function: Callable[[Tensor], Tensor]) -> Meaning:
    return lambda _graph, _op, values: function(_given(values, 1)[0])


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Meaning:
    return lambda _graph, _op, values: function(*_given(values, 2))


ELEMENTWISE: dict[str, Meaning] = {
    "ABS": _unary(torch.abs),
    "ADD": _binary(torch.add),
    "CAST": _unary(lambda x: x),
    "ELU": _unary(functional.elu),
    "EXP": _unary(torch.exp),
    "GELU": lambda _graph, op, values: functional.gelu(
        _given(values, 1)[0], approximate="tanh" if op.attributes.get("approximate") else "none"
    ),
    "HARD_SWISH": _unary(functional.hardswish),
    "LOG": lambda graph, op, values: _given(values, 1)[0].clamp(min=_least(graph, op)).log(),
    "LEAKY_RELU": lambda _graph, op, values: functional.leaky_relu(_given(values, 1)[0], float(op.attributes["alpha"])),
    "LOGISTIC": _unary(torch.sigmoid),
    "MAXIMUM": _binary(torch.maximum),
    "MINIMUM": _binary(torch.minimum),
    "MUL": _binary(torch.mul),
    "QUANTIZE": _unary(lambda x: x),
    "RELU": _unary(torch.relu),
    "RELU6": _unary(functional.relu6),
    "RELU_0_TO_1": _unary(lambda x: x.clamp(0, 1)),
    "RELU_N1_TO_1": _unary(lambda x: x.clamp(-1, 1)),
    "RSQRT": lambda graph, op, values: _given(values, 1)[0].clamp(min=_least(graph, op)).rsqrt(),
    "SQUARED_DIFFERENCE": _binary(lambda a, b: (a - b).square()),
    "SUB": _binary(torch.sub),
    "TANH": _unary(torch.tanh),
}
MEANINGS: dict[str, Meaning] = {
    **ELEMENTWISE,
    "BATCH_MATMUL": _batch_matmul,
    "CONV_2D": _convolution,
    "DEPTHWISE_CONV_2D": _convolution,
    "FULLY_CONNECTED": _fully_connected,
    "L2_NORMALIZATION": lambda _graph, _op, values: functional.normalize(_given(values, 1)[0], dim=-1),
    "LOG_SOFTMAX": lambda _graph, _op, values: torch.log_softmax(_given(values, 1)[0], dim=-1),
    **{kind: lambda graph, op, values: pooled(graph, op, _given(values, 1)[0]) for kind in POOLS},
    **{kind: lambda graph, op, values: reduced(graph, op, _given(values, 1)[0]) for kind in REDUCTIONS},
    "SOFTMAX": lambda _graph, op, values: torch.softmax(_given(values, 1)[0] * op.attributes["beta"], dim=-1),
}


def surrogate(graph: Graph, op: Operator, values: Operands) -> Tensor:
    """The result of an operator that computes, fused activation included."""
    y = MEANINGS[op.kind](graph, op, values)
    bounds = RELUS.get(int(op.attributes.get("activation", 0)))
    return y if bounds is None else y.clamp(*bounds)


def missing(graph: Graph) -> list[str]:
    """Operators of a graph that no table has, sorted."""
    found = {op.kind for op in graph.operators if op.kind not in MOVES and op.kind not in MEANINGS}
    return sorted(found)
