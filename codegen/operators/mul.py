"""MUL: y = zy + clamp(round2((a - za) * (b - zb) * factor)), factor = sa * sb / sy, rounded twice."""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen import fixedpoint
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.base import (
    Array,
    ElementWise,
    Expression,
    activation_problems,
    activation_range,
    broadcast,
    clamp,
    quantised_problems,
)
from tinyloc.codegen.operators.limits import reach, scale_problems
from tinyloc.codegen.operators.ranges import magnitude, value_range
from tinyloc.codegen.operators.scalar import clamped, offset, scaled


def factor(graph: Graph, op: Operator) -> tuple[int, int]:
    """(multiplier, shift) of the product."""
    a, b, y = (np.float32(graph.tensors[t].scale) for t in (*op.inputs, op.outputs[0]))
    return fixedpoint.quantise_multiplier(float(a * b / y))  # single precision, as mul.cc does


class Mul(ElementWise):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16")) + activation_problems(op)
        if not problems:
            a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
            problems = scale_problems([a.scale * b.scale / y.scale], reach(a) * reach(b))
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        a, b = broadcast(graph, op, values)
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        product = (a - ta.zero_point) * (b - tb.zero_point)
        scaled_product = fixedpoint.scale_twice_rounded(product, *factor(graph, op))
        return [
            clamp(scaled_product + ty.zero_point, *activation_range(ty, op.attributes.get("activation", 0)), ty.element)
        ]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        product = f"{offset(operands[0], -ta.zero_point)} * {offset(operands[1], -tb.zero_point)}"
        reach = [magnitude(value_range(graph, t), graph.tensors[t].zero_point) for t in op.inputs]
        bounds = activation_range(ty, op.attributes.get("activation", 0))
        return Expression(clamped(scaled(product, *factor(graph, op), reach[0] * reach[1]), ty.zero_point, *bounds))
