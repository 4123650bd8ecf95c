"""LOG_SOFTMAX of int8 over the last axis: x - max - log(sum of exp(x - max)). LiteRT and TFLM: LogSoftmaxQuantized.

Exponentials and their sum are those of softmax.py: 0.31, and 12.19 for the sum. The logarithm is 5.26: the sum is a
power of two, in quarters of an octave, times a rest near 1, whose logarithm is a quotient of polynomials.
"""

import math
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, quantised_problems, shape_problems
from tinyloc.codegen.operators.softmax import (
    FEW_VALUES,
    HIGHEST,
    INTEGER_BITS,
    LOWEST,
    Int64s,
    difference_scaling,
    exp_scaling,
    exp_table,
    reciprocal_of_one_and,
)

OUTPUT_SCALE, OUTPUT_ZERO = 16 / 256, 127
LONGEST_ROW = 4095
"""Values whose exponentials 12 bits before the point hold."""
SUM_BITS, WORK_BITS = 12, 6
"""Integer bits of the sum, and of the logarithm while it is computed."""
LOG_2, HALF_ROOT, QUARTER_ROOT = 1488522236, 1518500250, 1805811301
"""log 2, 2**-1/2 and 2**-1/4 in 0.31."""
ALPHA_N, ALPHA_D, ALPHA_I, ALPHA_F = 117049297, 127690142, 1057819769, 638450708
"""Coefficients of the quotient in 0.31."""
QUARTER = 1 << (31 - WORK_BITS - 2)


def _times(a: Int64s, b: int | Int64s) -> Int64s:
    return fixedpoint.doubling_high_multiply(a, b)


def _saturated(a: Int64s) -> Int64s:
    return np.clip(a, LOWEST, HIGHEST)


def _leading_zeros(a: Int64s) -> Int64s:
    return 32 - np.frompyfunc(lambda v: int(v).bit_length(), 1, 1)(a).astype(np.int64)


def log_of_sum(total: Int64s) -> Int64s:
    """log of a sum in 12.19, in 5.26. TFLite: log_x_for_x_greater_than_or_equal_to_1_impl."""
    zeros = _leading_zeros(total)
    rest = _saturated(_times(total << (zeros - 1), HALF_ROOT) << 1)
    octaves = _saturated((SUM_BITS - zeros) << (31 - WORK_BITS)) + QUARTER
    headroom = _leading_zeros(_times(total, HALF_ROOT)) - 1
    other_rest = _saturated(total << headroom)
    other_octaves = _saturated((SUM_BITS - headroom) << (31 - WORK_BITS)) - QUARTER
    r, octaves = np.minimum(rest, other_rest), np.maximum(octaves, other_octaves)
    p = (r + QUARTER_ROOT + 1) >> 1  # of positive values
    q = (r - QUARTER_ROOT) * 2
    square = _times(q, q)
    numerator = _times(q, r) + _times(_times(q, square), ALPHA_N)
    denominator = _times(p, ALPHA_I + q + _times(square, ALPHA_D)) + _times(q, ALPHA_F)
    quotient = _times(fixedpoint.rounding_shift_right(numerator, WORK_BITS), reciprocal_of_one_and(denominator))
    return _saturated((_times(octaves, LOG_2) + quotient) << 1)


def _back_scaling(x: Tensor) -> tuple[int, int]:
    """(multiplier, shift) from 5.26 to differences of the input. TFLite: PreprocessLogSoftmaxScalingExp."""
    multiplier, shift, _ = difference_scaling(x, 1.0)
    return fixedpoint.quantise_multiplier(math.ldexp(1.0, 31 - shift) / multiplier)


class LogSoftmax(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8",))
        if problems:
            return problems
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if y.scale != OUTPUT_SCALE or y.zero_point != OUTPUT_ZERO:
            problems.append(
                f"the output's scale is {y.scale}, zero point {y.zero_point}; TFLite asks for "
                f"{OUTPUT_SCALE}, {OUTPUT_ZERO}"
            )
        if not x.shape or x.shape[-1] > LONGEST_ROW:
            problems.append(f"rows of shape {x.shape}: one axis of at most {LONGEST_ROW} values is needed")
        if difference_scaling(x, 1.0)[1] < 2:
            problems.append(f"the input's scale {x.scale} is too small")
        return problems + shape_problems(graph, op.outputs[0], x.shape)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        x = graph.tensors[op.inputs[0]]
        rows = values[0].astype(np.int64).reshape(-1, values[0].shape[-1])
        difference = rows - rows.max(axis=1, keepdims=True)
        known = exp_table(x, 1.0)
        table = np.zeros(256, np.int64)
        table[: len(known)] = known
        total = fixedpoint.rounding_shift_right(table[-difference], 12).sum(axis=1, keepdims=True)
        log = log_of_sum(total)
        multiplier, shift, radius = difference_scaling(x, 1.0)
        lowest = np.maximum(-radius - 1, fixedpoint.scale_twice_rounded(log + LOWEST, *_back_scaling(x)))
        scaled = _times(difference << shift, multiplier)
        result = fixedpoint.rounding_shift_right(scaled - log, 31 - INTEGER_BITS - 4) + OUTPUT_ZERO
        clipped = np.where(difference > lowest, np.clip(result, -128, 127), -128)
        return [clipped.astype(np.int8).reshape(values[0].shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        depth = x.shape[-1]
        multiplier, shift, entries = exp_scaling(x, 1.0)
        radius, (back, back_shift) = difference_scaling(x, 1.0)[2], _back_scaling(x)
        table = "NULL"
        constants: tuple[Constant, ...] = ()
        if x.size > FEW_VALUES:
            values, comment = exp_table(x, 1.0), f"exp(-difference) in 0.31: [{entries}]"
            constants = (Constant(f"{prefix}exp_function", "int32_t", values, comment),)
            table = constants[0].name
        exponentials = f"(tl_exponentials_t){{{table}, {entries}, {multiplier}, {shift}}}"
        scaling = f"{-min(radius, 1 << 30) - 1}, {back}, {-back_shift}"
        call = f"tl_log_softmax_s8(x0, {x.size // depth}, {depth}, {exponentials}, {scaling}, y);"
        return Lowered((call,), constants, ("tl_log_softmax.h",))
