"""Unary arithmetic: ABS, NEG, RELU and its relatives, QUANTIZE between scales, CAST to int16, RSQRT of int8."""

import functools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number
from tinyloc.codegen.arithmetic.overflow_checks import reach, scale_problems
from tinyloc.codegen.arithmetic.scalar import clamped, offset, scaled
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, Parts, clamp, quantised_problems


class Rescale(ElementWise):
    """y = clamp(zy + round2(f(x - zx) * sx / sy)) with f the identity (QUANTIZE, RELU...) or the magnitude (ABS).

    `low` and `high` are the real bounds of the output, None for those of its element type.
    """

    def __init__(self, low: float | None = None, high: float | None = None, magnitude: bool = False) -> None:
        self.low, self.high, self.magnitude = low, high, magnitude

    def _factor(self, graph: Graph, op: Operator) -> tuple[int, int]:
        x, y = (np.float32(graph.tensors[t].scale) for t in (op.inputs[0], op.outputs[0]))
        if op.kind == "QUANTIZE":
            return fixedpoint.quantise_multiplier(float(x) / float(y))
        return fixedpoint.quantise_multiplier(float(x / y))

    def _bounds(self, graph: Graph, op: Operator) -> tuple[int, int]:
        y = graph.tensors[op.outputs[0]]
        low, high = RANGE[y.element]

        def quantise(value: float) -> int:
            return y.zero_point + fixedpoint.round_half_away(float(np.float32(value) / np.float32(y.scale)))

        return (
            low if self.low is None else max(low, quantise(self.low)),
            high if self.high is None else min(high, quantise(self.high)),
        )

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, op.inputs, ("int8", "int16"))
        results = ("int8", "int16", "int32") if op.kind == "QUANTIZE" else ("int8", "int16")
        problems += quantised_problems(graph, op.outputs, results)
        if not problems:
            x, y = (graph.tensors[t] for t in (op.inputs[0], op.outputs[0]))
            problems = scale_problems([x.scale / y.scale], reach(x))
            if y.element == "int32" and y.zero_point:
                problems.append(f"int32 tensor {y.name} has zero point {y.zero_point}: only 0 is supported")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        centred = x.astype(np.int64) - tx.zero_point
        if self.magnitude:
            centred = np.abs(centred)
        result = fixedpoint.scale_twice_rounded(centred, *self._factor(graph, op)) + ty.zero_point
        return [clamp(result, *self._bounds(graph, op), ty.element)]

    def parts(self, graph: Graph, op: Operator) -> Parts | None:
        """The operand at the output's scale; where both scales are one, as data may have it, nothing is scaled."""
        if not in_data_mode():
            return None
        factor, centred = self._factor(graph, op), self._centred(graph, op, "{}")
        return Parts(f"{number(int(factor == (1 << 30, 1)))} != 0", (centred,), (scaled(centred, *factor),))

    def _centred(self, graph: Graph, op: Operator, operand: str) -> str:
        tx = graph.tensors[op.inputs[0]]
        centred = offset(operand, -tx.zero_point, tx.element)
        return f"tl_abs({centred})" if self.magnitude else centred

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        ty = graph.tensors[op.outputs[0]]
        limited = self.low is not None or self.high is not None
        if in_data_mode():
            rescaled = operands[0]  # by `parts`
        else:
            rescaled = scaled(self._centred(graph, op, operands[0]), *self._factor(graph, op))
        return Expression(clamped(rescaled, ty.zero_point, *self._bounds(graph, op), limited=limited))


class Cast(ElementWise):
    """y = x, the integers as they are: int8 becomes int16 where the widths of a file meet (LiteRT's QUANTIZE does not).

    Scale and zero point do not enter; that both sides stand for the same values is checked.
    """

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        x, y = (graph.tensors[t] for t in (op.inputs[0], op.outputs[0]))
        if (x.element, y.element) != ("int8", "int16"):
            return [f"CAST of {x.name} from {x.element} to {y.element}; only int8 to int16 is"]
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if not problems and (np.float32(x.scale), x.zero_point) != (np.float32(y.scale), 0):
            problems.append(f"CAST of {x.name} changes its values: both sides need one scale, and the zero point 0")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        return [x.astype(np.int16)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return Expression(f"(int32_t){operands[0]}")


class Neg(ElementWise):
    """y = -x on the raw integers, as LiteRT's kernel does: it knows no zero point, and the lowest value stays as it
    is."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if not problems:
            tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
            if (np.float32(tx.scale), tx.zero_point) != (np.float32(ty.scale), -ty.zero_point):
                problems.append(
                    f"NEG of {tx.name} means -real only when scales are equal and zero points opposite;"
                    " write 0 - x (SUB) or x * -1 (MUL)"
                )
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        return [np.negative(x)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return Expression(f"({graph.tensors[op.outputs[0]].element}_t)-{operands[0]}")


def _inverse_root(value: int) -> tuple[int, int]:
    """(multiplier, shift) of 1 / sqrt(value) in TFLite's fixed point (GetInvSqrtQuantizedMultiplierExp)."""
    if value <= 1:
        return 2**31 - 1, 0
    shift = 11
    x = value
    while x >= 1 << 29:
        x //= 4
        shift += 1
    headroom = 31 - x.bit_length()
    pairs = headroom // 2 - 1
    shift -= pairs
    x <<= 2 * pairs

    def high(a: int, b: int) -> int:
        return (a * b + (1 << 30)) >> 31

    def scale_up(a: int, exponent: int) -> int:
        return max(-(2**31), min(2**31 - 1, a << exponent))

    half_input = ((x >> 1) + 1) >> 1  # 3 integer bits: half of x, rounded
    half_three = (1 << 28) + (1 << 27)
    estimate = 1 << 28
    for _ in range(5):
        cube = scale_up(high(high(estimate, estimate), estimate), 6)
        estimate = scale_up(high(half_three, estimate) - high(half_input, cube), 3)
    estimate = high(estimate, 1518500250)
    if shift < 0:
        estimate <<= -shift
        shift = 0
    return estimate, -shift


@functools.cache
def _rsqrt_table(x_scale: float, x_zero: int, y_scale: float, y_zero: int) -> npt.NDArray[np.int8]:
    """Output for each input -128..127, in that order."""
    factor = 1.0 / (float(np.sqrt(np.float32(x_scale))) * float(np.float32(y_scale)))
    multiplier, shift = fixedpoint.quantise_multiplier(factor)
    table = np.full(256, 127, dtype=np.int8)
    for q in range(x_zero + 1, 128):
        root, root_shift = _inverse_root(q - x_zero)
        data = fixedpoint.scale_twice_rounded(np.array([1]), root, root_shift + 20)
        scaled_data = fixedpoint.scale_twice_rounded(data, multiplier, shift - 20)
        table[q + 128] = np.clip(scaled_data + y_zero, -128, 127)[0]
    return table


class Rsqrt8(ElementWise):
    """RSQRT of int8; a value of zero gives the largest output. Becomes a table, so no C of its own."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return quantised_problems(graph, (*op.inputs, *op.outputs), ("int8",))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        table = _rsqrt_table(tx.scale, tx.zero_point, ty.scale, ty.zero_point)
        return [table[x.astype(np.int64) + 128]]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        raise AssertionError("RSQRT of int8 is folded into a table before code is generated")
