"""Comparisons, SELECT and logic. A truth value is an int8 of 0 or 1 with scale 1, which is how the reader reads BOOL.

A comparison brings both sides to 1/256 of real units with two roundings, so that values which lie close together may
count as equal. TFLite: ComparisonWithScaling. SELECT copies integers as they are.
"""

from collections.abc import Callable, Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.overflow_checks import reach
from tinyloc.codegen.arithmetic.scalar import offset, scaled
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, broadcast, quantised_problems

FRACTION_BITS = 8


class Comparison(ElementWise):
    """`function` of two integer arrays; `symbol` is the same in C."""

    def __init__(self, function: Callable[[Array, Array], Array], symbol: str, elements: Sequence[str]) -> None:
        self.function, self.symbol, self.elements = function, symbol, elements

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, op.inputs, self.elements)
        problems += quantised_problems(graph, op.outputs, ("int8",))
        for t in op.inputs:
            if not problems and graph.tensors[t].scale >= 1.0:
                problems.append(f"{graph.tensors[t].name} has scale {graph.tensors[t].scale}: TFLite compares below 1")
        return problems

    @staticmethod
    def _factor(tensor: Tensor) -> tuple[int, int]:
        return fixedpoint.quantise_multiplier(float(np.float32(tensor.scale)))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        sides = []
        for t, value in zip(op.inputs, broadcast(graph, op, values), strict=True):
            tensor = graph.tensors[t]
            wide = (value - tensor.zero_point) << FRACTION_BITS
            sides.append(fixedpoint.scale_twice_rounded(wide, *self._factor(tensor)))
        return [self.function(*sides).astype(np.int8)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        sides = []
        for t, operand in zip(op.inputs, operands, strict=True):
            tensor = graph.tensors[t]
            wide = f"{offset(operand, -tensor.zero_point)} * {1 << FRACTION_BITS}"
            sides.append(scaled(wide, *self._factor(tensor), bound=reach(tensor) << FRACTION_BITS))
        return Expression(f"{sides[0]} {self.symbol} {sides[1]}")


class Select(ElementWise):
    """SELECT and SELECT_V2: (condition, where true, where not)."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, op.inputs[:1], ("int8",))
        problems += quantised_problems(graph, (*op.inputs[1:], *op.outputs), ("int8", "int16"))
        condition, *sides, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        if len({t.element for t in (*sides, y)}) != 1:
            problems.append("the two sides and the result have different element types")
        if op.kind == "SELECT" and condition.size not in (1, y.size):
            problems.append(f"a condition of shape {condition.shape} for {y.shape}; use SELECT_V2 (tf.where)")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        condition, yes, no = broadcast(graph, op, values)
        return [np.where(condition != 0, yes, no).astype(graph.tensors[op.outputs[0]].element)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return Expression(f"{operands[0]} ? {operands[1]} : {operands[2]}")


class Logic(ElementWise):
    """`function` of truth values; `text` is the same in C."""

    def __init__(self, function: Callable[..., Array], text: str) -> None:
        self.function, self.text = function, text

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return quantised_problems(graph, (*op.inputs, *op.outputs), ("int8",))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        return [self.function(*(v != 0 for v in broadcast(graph, op, values))).astype(np.int8)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return Expression(self.text.format(*operands))


COMPARISONS: dict[str, Comparison] = {
    "EQUAL": Comparison(np.equal, "==", ("int8", "int16")),
    "GREATER": Comparison(np.greater, ">", ("int8",)),
    "GREATER_EQUAL": Comparison(np.greater_equal, ">=", ("int8",)),
    "LESS": Comparison(np.less, "<", ("int8",)),
    "LESS_EQUAL": Comparison(np.less_equal, "<=", ("int8",)),
    "NOT_EQUAL": Comparison(np.not_equal, "!=", ("int8", "int16")),
}
LOGIC: dict[str, Logic] = {
    "LOGICAL_AND": Logic(np.logical_and, "{0} & {1}"),
    "LOGICAL_NOT": Logic(np.logical_not, "!{0}"),
    "LOGICAL_OR": Logic(np.logical_or, "{0} | {1}"),
}
