"""MEAN and SUM over any axes: y = clamp(zy + round2((sum(x) - n * zx) * factor)), factor = sx / sy, over n for MEAN.

TFLite: reference_ops::QuantizedMeanOrSum. SUM follows the same source, but no LiteRT 2.1 resolver runs it so:
BUILTIN_REF reads int8 and int16 as uint8, the default resolver scales in single precision. A sum here is within one
of the latter's.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen import fixedpoint
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.operators.base import Array, KernelRule, Lowered, clamp, quantised_problems
from tinyloc.codegen.operators.copy import merged_axes
from tinyloc.codegen.operators.scalar import scaled


class Reduce(KernelRule):
    """`divide`: the mean, else the sum."""

    def __init__(self, divide: bool) -> None:
        self.divide = divide

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        axes = graph.tensors[op.inputs[1]]
        if axes.data is None:
            problems.append(f"the axes {axes.name} are computed: they must be constants")
        if problems:
            return problems
        if x.element != y.element:
            problems.append(f"from {x.element} to {y.element}: only equal types are supported")
        if any(not -len(x.shape) <= a < len(x.shape) for a in self._given(graph, op)):
            return [*problems, f"axes {self._given(graph, op)} of a tensor of shape {x.shape}"]
        kept = prod(n for i, n in enumerate(x.shape) if i not in self._axes(graph, op))
        if y.size != kept:
            problems.append(f"{y.name} has {y.size} elements, the mean has {kept}")
        count = x.size // kept
        if count << max(self._factor(graph, op)[1], 0) + (8 if x.element == "int8" else 16) >= 2**30:
            problems.append(f"{op.kind} over {count} values may overflow 32 bits")
        return problems

    @staticmethod
    def _given(graph: Graph, op: Operator) -> list[int]:
        data = graph.tensors[op.inputs[1]].data
        assert data is not None
        return [int(a) for a in data.ravel()]

    def _axes(self, graph: Graph, op: Operator) -> tuple[int, ...]:
        rank = len(graph.tensors[op.inputs[0]].shape)
        return tuple(sorted({a % rank for a in self._given(graph, op)}))

    def _count(self, graph: Graph, op: Operator) -> int:
        shape = graph.tensors[op.inputs[0]].shape
        return prod(shape[a] for a in self._axes(graph, op))

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
        sums = values[0].astype(np.int64).sum(axis=self._axes(graph, op)) - x.zero_point * self._count(graph, op)
        result = fixedpoint.scale_twice_rounded(sums, *self._factor(graph, op)) + y.zero_point
        return [clamp(result, *RANGE[y.element], y.element).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        strides = [prod(x.shape[i + 1 :]) for i in range(len(x.shape))]
        axes = self._axes(graph, op)
        rest = [i for i in range(len(strides)) if i not in axes]
        outer = merged_axes([x.shape[i] for i in rest], [strides[i] for i in rest])
        inner = merged_axes([x.shape[i] for i in axes], [strides[i] for i in axes])
        multiplier, shift = self._factor(graph, op)
        lines, terms, depth = [], [], 0

        def loop(axis: tuple[int, int]) -> None:
            nonlocal depth
            lines.append("    " * depth + f"for (int32_t i{depth} = 0; i{depth} < {axis[0]}; i{depth}++) {{")
            terms.append(f"i{depth}" if axis[1] == 1 else f"i{depth} * {axis[1]}")
            depth += 1

        def close() -> None:
            nonlocal depth
            depth -= 1
            lines.append("    " * depth + "}")

        for axis in outer:
            loop(axis)
        start = -x.zero_point * self._count(graph, op)
        lines.append("    " * depth + f"int32_t sum = {start};")
        for axis in inner:
            loop(axis)
        lines.append("    " * depth + f"sum += x0[{' + '.join(terms) or '0'}];")
        for _ in inner:
            close()
        saturate = "tl_sat8" if y.element == "int8" else "tl_sat16"
        result = f"{saturate}({scaled('sum', multiplier, shift, 1 << 31)} + {y.zero_point})"
        lines.append("    " * depth + f"*y++ = ({y.element}_t){result};")
        for _ in outer:
            close()
        return Lowered(tuple(lines), (), ("tl_fixed.h",))
