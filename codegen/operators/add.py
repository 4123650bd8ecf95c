"""ADD and SUB: both inputs shifted left, brought to twice the larger scale, added, brought to the output's scale.

Each of the three scalings is rounded twice. TFLite: add.cc, sub.cc, general (not power-of-two) scales. Every value on
the way lies in -2**30 .. 2**30 - 1: 16 bits << 15, 9 bits << 20, and sums of two halves of those.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.activation import activation_problems, activation_range
from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number, require
from tinyloc.codegen.arithmetic.scalar import clamped, offset, scaled_doubled
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, Parts, broadcast, clamp, quantised_problems


@dataclass(frozen=True)
class Factors:
    """(multiplier, shift) pairs; both operands are shifted left by `left_shift` before."""

    left_shift: int
    a: tuple[int, int]
    b: tuple[int, int]
    output: tuple[int, int]


def factors(graph: Graph, op: Operator) -> Factors:
    """TFLite's scaling of both operands and of their sum."""
    ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
    left_shift = 15 if ty.element == "int16" else 20
    twice = 2.0 * max(float(np.float32(ta.scale)), float(np.float32(tb.scale)))
    return Factors(
        left_shift,
        fixedpoint.quantise_multiplier(float(np.float32(ta.scale)) / twice),
        fixedpoint.quantise_multiplier(float(np.float32(tb.scale)) / twice),
        fixedpoint.quantise_multiplier(twice / (float(1 << left_shift) * float(np.float32(ty.scale)))),
    )


def _powers_of_two(graph: Graph, op: Operator) -> bool:
    """Whether TFLite would take its older int16 kernel, which shifts. TFLite: CheckedLog2."""
    tensors = [graph.tensors[t] for t in (*op.inputs, op.outputs[0])]
    logs = np.log2([t.scale for t in tensors])
    return tensors[0].element == "int16" and bool(np.all(np.abs(logs - np.round(logs)) < 1e-3))


class Add(ElementWise):
    """`sign` is +1 for ADD, -1 for SUB."""

    def __init__(self, sign: int) -> None:
        self.sign = sign

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16")) + activation_problems(op)
        if not problems and factors(graph, op).output[1] > 0:
            problems.append("the scale of the output is too small for the sum; calibrate again")
        if not problems and op.attributes.get("powers_of_two") and _powers_of_two(graph, op):
            problems.append(
                "int16 scales that are all powers of two, with pot_scale_int16 set: TFLite takes another kernel there;"
                " convert again with a current converter, which clears the option"
            )
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        a, b = broadcast(graph, op, values)
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        f = factors(graph, op)
        left = fixedpoint.scale_twice_rounded((a - ta.zero_point) << f.left_shift, *f.a)
        right = fixedpoint.scale_twice_rounded((b - tb.zero_point) << f.left_shift, *f.b)
        total = fixedpoint.scale_twice_rounded(left + self.sign * right, *f.output) + ty.zero_point
        return [clamp(total, *activation_range(ty, op.attributes.get("activation", 0)), ty.element)]

    def parts(self, graph: Graph, op: Operator) -> Parts | None:
        """Twice each operand where it is data which has the larger scale, and is only shifted.

        The other is scaled; where both scales are the same, 2**31 - 1 and a shift by 1 halve it exactly: its lowest
        bits are zeros.
        """
        if not in_data_mode():
            return None
        f, zeros = factors(graph, op), [graph.tensors[t].zero_point for t in op.inputs]
        swap = f.a == (1 << 30, 0)  # else b is the larger
        small, (multiplier, shift) = (1, f.b) if swap else (0, f.a)
        if (multiplier, shift) == (1 << 30, 0):
            multiplier, shift = 2**31 - 1, -1
        shift = shift if multiplier else -1
        require(-30 <= shift < 0, f"an operand is scaled by {multiplier * 2.0 ** (shift - 31):.3g}")
        bits = f.left_shift
        factor = f"{number(multiplier)}, {number(1 << (-shift - 1))}, {number(-shift)}"
        scaled = f"tl_scaled_of_data({{}}, {number(-zeros[small] * (2 << bits))}, {factor}, {bits})"
        shifted = f"tl_shifted_of_data({{}}, {number(-zeros[1 - small] * (1 << bits))}, {bits})"
        return Parts(f"{number(int(swap))} != 0", (shifted, scaled), (scaled, shifted))

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        f = factors(graph, op)
        activation = op.attributes.get("activation", 0)
        if in_data_mode():  # the operands are those of `parts`
            total = scaled_doubled(f"{operands[0]} {'+' if self.sign > 0 else '-'} {operands[1]}", "", *f.output)
            return Expression(clamped(total, ty.zero_point, *activation_range(ty, activation), activation != 0))
        left = _doubled_operand(offset(operands[0], -ta.zero_point), f.left_shift, f.a)
        right = _doubled_operand(offset(operands[1], -tb.zero_point), f.left_shift, f.b)
        twice = f"{left} {'+' if self.sign > 0 else '-'} {right}"
        total = scaled_doubled(twice, f"({twice}) / 2", *f.output)
        return Expression(clamped(total, ty.zero_point, *activation_range(ty, activation)))


def _doubled_operand(text: str, left_shift: int, factor: tuple[int, int]) -> str:
    """2 * (text << left_shift) * factor; the operand of the larger scale is halved, which is exact."""
    if factor == (1 << 30, 0):
        return f"{text} * {1 << left_shift}"
    multiplied = scaled_doubled(f"{text} * {2 << left_shift}", f"{text} * {1 << left_shift}", *factor)
    return f"2 * {multiplied}"
