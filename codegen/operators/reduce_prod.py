"""REDUCE_PROD over any axes. A product of n values is scaled a step at a time, so that it stays within 32 bits:

    p = x[0] - zx        p = wide(p * (x[i] - zx) * factor)        y = clamp(zy + wide(p * factor))

with factor = sx / sy**(1 / n), and `wide` as for sums of 64 bits. TFLite: QuantizedReduceProd, in the order of the
memory.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, clamp, quantised_problems
from tinyloc.codegen.operators.reduce import axes_problems, reduced_axes, reduction


class ReduceProd(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        problems = problems or axes_problems(graph, op)
        if problems:
            return problems
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if x.element != y.element:
            return [f"from {x.element} to {y.element}: only equal types are supported"]
        _, shift = self._factor(graph, op)
        return (
            [] if 1 <= shift <= 62 else [f"scales {x.scale} and {y.scale} are too far apart; calibrate the model again"]
        )

    def _factor(self, graph: Graph, op: Operator) -> tuple[int, int]:
        """(16-bit multiplier, shift) of a step."""
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        real = float(np.float32(x.scale)) / float(np.float32(y.scale)) ** (1.0 / (x.size // y.size))
        multiplier, shift = fixedpoint.quantise_multiplier(real)
        return fixedpoint.reduced_multiplier(multiplier), 15 - shift

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        assert values[0] is not None
        axes = reduced_axes(graph, op)
        rest = [i for i in range(len(x.shape)) if i not in axes]
        rows = values[0].transpose([*axes, *rest]).reshape(x.size // y.size, -1).astype(np.int64) - x.zero_point

        def scaled(product: Array) -> Array:
            return fixedpoint.scale_wide(product, *self._factor(graph, op)).astype(np.int32)  # which may wrap around

        product = rows[0]
        for row in rows[1:]:
            product = scaled(product.astype(np.int64) * row)
        result = scaled(product).astype(np.int64) + y.zero_point
        return [clamp(result, *RANGE[y.element], y.element).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        multiplier, shift = self._factor(graph, op)
        value = f"({{x}} - {x.zero_point})" if x.zero_point else "{x}"
        scaled = f"tl_requantise_wide((int64_t)product * {value}, {multiplier}, {shift})"
        step = f"product = first ? {value} : {scaled}; first = 0;"
        low, high = RANGE[y.element]
        result = f"tl_requantise_wide(product, {multiplier}, {shift})"
        bounded = f"tl_clamp({result}, {low - y.zero_point}, {high - y.zero_point}) + {y.zero_point}"
        finish = f"*y++ = ({y.element}_t)({bounded});"
        lines = reduction(graph, op, "int32_t product = 0, first = 1;", step, finish)
        return Lowered(lines, (), ("tl_fixed.h",))
