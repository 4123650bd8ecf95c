"""SQUARED_DIFFERENCE of int8: both operands brought to twice the larger scale, subtracted, squared, rescaled."""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.activation import activation_range
from tinyloc.codegen.arithmetic.scalar import clamped, offset, scaled
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, broadcast, clamp, quantised_problems

LEFT_SHIFT = 7


def _factors(graph: Graph, op: Operator) -> list[tuple[int, int]]:
    """Of both operands and of the output."""
    a, b, y = (float(np.float32(graph.tensors[t].scale)) for t in (*op.inputs, op.outputs[0]))
    twice = 2.0 * max(a, b)
    real = (a / twice, b / twice, twice * twice / ((1 << LEFT_SHIFT * 2) * y))
    return [fixedpoint.quantise_multiplier(factor) for factor in real]


class SquaredDifference(ElementWise):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8",))
        if not problems and _factors(graph, op)[2][1] > 0:
            problems.append("the scale of the output is too small for the squares; calibrate again")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        a, b = broadcast(graph, op, values)
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        left, right, output = _factors(graph, op)
        difference = fixedpoint.scale_twice_rounded((a - ta.zero_point) << LEFT_SHIFT, *left)
        difference = difference - fixedpoint.scale_twice_rounded((b - tb.zero_point) << LEFT_SHIFT, *right)
        total = fixedpoint.scale_twice_rounded(difference * difference, *output) + ty.zero_point
        return [clamp(total, *activation_range(ty, 0), ty.element)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        left, right, output = _factors(graph, op)
        unit = 1 << LEFT_SHIFT
        first = scaled(f"{offset(operands[0], -ta.zero_point)} * {unit}", *left)
        second = scaled(f"{offset(operands[1], -tb.zero_point)} * {unit}", *right)
        square = scaled(f"tl_square({first} - {second})", *output, 1 << 31)
        return Expression(clamped(square, ty.zero_point, *activation_range(ty, 0)))
