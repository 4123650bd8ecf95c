"""MEAN and SUM over any axes: y = clamp(zy + round2((sum(x) - n * zx) * factor)), factor = sx / sy, over n for MEAN.

TFLite: reference_ops::QuantizedMeanOrSum. SUM follows the same source, but no LiteRT 2.1 resolver runs it so:
BUILTIN_REF reads int8 and int16 as uint8, the default resolver scales in single precision. A sum here is within one
of the latter's.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.scalar import scaled
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, clamp, quantised_problems
from tinyloc.codegen.operators.copy import merged_axes


class Reduce(KernelRule):
    """`divide`: the mean, else the sum."""

    def __init__(self, divide: bool) -> None:
        self.divide = divide

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        problems = problems or axes_problems(graph, op)
        if problems:
            return problems
        if x.element != y.element:
            problems.append(f"from {x.element} to {y.element}: only equal types are supported")
        count = self._count(graph, op)
        if count << max(self._factor(graph, op)[1], 0) + (8 if x.element == "int8" else 16) >= 2**30:
            problems.append(f"{op.kind} over {count} values may overflow 32 bits")
        return problems

    def _count(self, graph: Graph, op: Operator) -> int:
        shape = graph.tensors[op.inputs[0]].shape
        return prod(shape[a] for a in reduced_axes(graph, op))

    def _factor(self, graph: Graph, op: Operator) -> tuple[int, int]:
        x, y = (float(np.float32(graph.tensors[t].scale)) for t in (op.inputs[0], op.outputs[0]))
        multiplier, exponent = fixedpoint.quantise_multiplier(x / y)
        if not self.divide:
            return multiplier, exponent
        count = self._count(graph, op)
        shift = min(count.bit_length() - 1, 32, 31 + exponent)
        return (multiplier << shift) // count, exponent - shift

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        assert values[0] is not None
        sums = values[0].astype(np.int64).sum(axis=reduced_axes(graph, op)) - x.zero_point * self._count(graph, op)
        result = fixedpoint.scale_twice_rounded(sums, *self._factor(graph, op)) + y.zero_point
        return [clamp(result, *RANGE[y.element], y.element).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        multiplier, shift = self._factor(graph, op)
        saturate = "tl_sat8" if y.element == "int8" else "tl_sat16"
        result = f"{saturate}({scaled('sum', multiplier, shift, 1 << 31)} + {y.zero_point})"
        start = f"int32_t sum = {-x.zero_point * self._count(graph, op)};"
        lines = reduction(graph, op, start, "sum += {x};", f"*y++ = ({y.element}_t){result};")
        return Lowered(lines, (), ("tl_fixed.h",))


def _given(graph: Graph, op: Operator) -> list[int]:
    data = graph.tensors[op.inputs[1]].data
    assert data is not None
    return [int(a) for a in data.ravel()]


def reduced_axes(graph: Graph, op: Operator) -> tuple[int, ...]:
    """The axes that a reduction removes, ascending."""
    rank = len(graph.tensors[op.inputs[0]].shape)
    return tuple(sorted({a % rank for a in _given(graph, op)}))


def axes_problems(graph: Graph, op: Operator) -> list[str]:
    """Axes that are computed or outside of the tensor, a result of another size."""
    x, y, axes = (graph.tensors[t] for t in (op.inputs[0], op.outputs[0], op.inputs[1]))
    if axes.data is None:
        return [f"the axes {axes.name} are computed: they must be constants"]
    if any(not -len(x.shape) <= a < len(x.shape) for a in _given(graph, op)):
        return [f"axes {_given(graph, op)} of a tensor of shape {x.shape}"]
    kept = prod(n for i, n in enumerate(x.shape) if i not in reduced_axes(graph, op))
    return [] if y.size == kept else [f"{y.name} has {y.size} elements, {op.kind} gives {kept}"]


def reduction(graph: Graph, op: Operator, start: str, step: str, finish: str) -> tuple[str, ...]:
    """Loops over the kept axes, in each `start`, a loop over the others with `step` on `{x}`, then `finish`."""
    shape, axes = graph.tensors[op.inputs[0]].shape, reduced_axes(graph, op)
    strides = [prod(shape[i + 1 :]) for i in range(len(shape))]
    rest = [i for i in range(len(shape)) if i not in axes]
    outer = merged_axes([shape[i] for i in rest], [strides[i] for i in rest])
    inner = merged_axes([shape[i] for i in axes], [strides[i] for i in axes])
    heads = [f"for (int32_t i{i} = 0; i{i} < {size}; i{i}++) {{" for i, (size, _) in enumerate(outer + inner)]
    terms = [f"i{i}" if stride == 1 else f"i{i} * {stride}" for i, (_, stride) in enumerate(outer + inner)]
    lines = [*heads[: len(outer)], start, *heads[len(outer) :], step.format(x=f"x0[{' + '.join(terms) or '0'}]")]
    lines += ["}"] * len(inner) + [finish] + ["}"] * len(outer)
    depth, indented = 0, []
    for line in lines:
        depth -= line == "}"
        indented.append("    " * depth + line)
        depth += line.endswith("{")
    return tuple(indented)
