"""LEAKY_RELU and PRELU: x where it is positive, alpha * x elsewhere; each side with its own factor, rounded twice."""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.overflow_checks import reach, scale_problems
from tinyloc.codegen.arithmetic.scalar import clamped, offset, scaled
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, broadcast, clamp, quantised_problems


def _identity(graph: Graph, op: Operator) -> tuple[int, int]:
    x, y = (np.float32(graph.tensors[t].scale) for t in (op.inputs[0], op.outputs[0]))
    return fixedpoint.quantise_multiplier(float(x / y))


class LeakyRelu(ElementWise):
    """Attribute: `alpha`."""

    @staticmethod
    def _leak(graph: Graph, op: Operator) -> tuple[int, int]:
        x, y = (np.float32(graph.tensors[t].scale) for t in (op.inputs[0], op.outputs[0]))
        return fixedpoint.quantise_multiplier(float(x * np.float32(op.attributes["alpha"]) / y))

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if not op.attributes["alpha"] >= 0:
            problems.append(f"alpha is {op.attributes['alpha']}; only slopes of at least 0 are supported")
        if not problems:
            x, y = (graph.tensors[t] for t in (op.inputs[0], op.outputs[0]))
            problems = scale_problems([max(1.0, op.attributes["alpha"]) * x.scale / y.scale], reach(x))
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        centred = x.astype(np.int64) - tx.zero_point
        above = fixedpoint.scale_twice_rounded(centred, *_identity(graph, op))
        below = fixedpoint.scale_twice_rounded(centred, *self._leak(graph, op))
        return [clamp(np.where(centred >= 0, above, below) + ty.zero_point, *RANGE[ty.element], ty.element)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        centred = offset(operands[0], -tx.zero_point)
        above, below = scaled(centred, *_identity(graph, op)), scaled(centred, *self._leak(graph, op))
        chosen = f"({operands[0]} >= {tx.zero_point} ? {above} : {below})"
        return Expression(clamped(chosen, ty.zero_point, *RANGE[ty.element]))


class Prelu(ElementWise):
    """The second operand is alpha, int8, one a channel as a rule."""

    @staticmethod
    def _leak(graph: Graph, op: Operator) -> tuple[int, int]:
        x, alpha, y = (np.float32(graph.tensors[t].scale) for t in (*op.inputs, op.outputs[0]))
        return fixedpoint.quantise_multiplier(float(x * alpha / y))

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        problems += quantised_problems(graph, op.inputs[1:], ("int8",))
        if not problems:
            x, alpha, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
            problems = scale_problems([x.scale / y.scale], reach(x))
            problems += scale_problems([x.scale * alpha.scale / y.scale], reach(x) * reach(alpha))
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, alpha = broadcast(graph, op, values)
        tx, ta, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        centred = x - tx.zero_point
        above = fixedpoint.scale_twice_rounded(centred, *_identity(graph, op))
        below = fixedpoint.scale_twice_rounded(centred * (alpha - ta.zero_point), *self._leak(graph, op))
        return [clamp(np.where(centred >= 0, above, below) + ty.zero_point, *RANGE[ty.element], ty.element)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        tx, ta, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        centred = offset(operands[0], -tx.zero_point)
        above = scaled(centred, *_identity(graph, op))
        below = scaled(f"{centred} * {offset(operands[1], -ta.zero_point)}", *self._leak(graph, op))
        chosen = f"({operands[0]} >= {tx.zero_point} ? {above} : {below})"
        return Expression(clamped(chosen, ty.zero_point, *RANGE[ty.element]))
