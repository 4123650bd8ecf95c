"""MUL: y = zy + clamp(round2((a - za) * (b - zb) * factor)), factor = sa * sb / sy, rounded twice.

A factor of 1/2 or more shifts the product left first. Products of int16 may lose upper bits there, as in LiteRT; a
calibrated model does not reach them.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.activation import activation_problems, activation_range
from tinyloc.codegen.arithmetic.overflow_checks import wrapping_problems
from tinyloc.codegen.arithmetic.ranges import moved_range
from tinyloc.codegen.arithmetic.scalar import clamped, offset, scaled_product
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, broadcast, clamp, quantised_problems


def factor(graph: Graph, op: Operator) -> tuple[int, int]:
    """(multiplier, shift) of the product."""
    a, b, y = (np.float32(graph.tensors[t].scale) for t in (*op.inputs, op.outputs[0]))
    return fixedpoint.quantise_multiplier(float(a * b / y))  # single precision, as mul.cc does


class Mul(ElementWise):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16")) + activation_problems(op)
        if not problems:
            a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
            problems = wrapping_problems(a.scale * b.scale / y.scale, y)
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
        bounds = activation_range(ty, op.attributes.get("activation", 0))
        sides = [
            (offset(text, -t.zero_point, t.element), moved_range(graph, index))
            for text, index, t in zip(operands, op.inputs, (ta, tb), strict=True)
        ]
        product = scaled_product(sides[0], sides[1], *factor(graph, op))
        return Expression(clamped(product, ty.zero_point, *bounds, limited=op.attributes.get("activation", 0) != 0))
