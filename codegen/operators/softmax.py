"""SOFTMAX over the last axis. TFLite: reference_ops::Softmax and SoftmaxInt16.

int8: exp of the difference to the row's maximum in 0.31 fixed point, summed in 12.19, times the reciprocal of the sum
by three Newton steps. The difference has 256 values at most, so that the device reads the exponentials from a table
computed here. int16: two tables of 513 samples, exp on [-10, 0] and 1 / (1 + x) on [0, 1], linear between.
"""

import functools
import math
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number
from tinyloc.codegen.arithmetic.lookup_tables import look_up_int16
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.layer_code import Array, Constant, FormCost, Lowered
from tinyloc.codegen.operators.base import KernelRule, is_small, quantised_problems, shape_problems

Int64s = npt.NDArray[np.int64]
INTEGER_BITS = 5  # of the scaled difference
FEW_VALUES, EXP_BYTES = 12, 400
"""Exponentials of int8 are computed for so few values, where a table of more bytes would be needed: code of about that
size, 150 cycles a value on a Cortex-M4. That is the head of a classifier; the weights of an attention, in
every step of a stream, are worth their tables."""
LOWEST, HIGHEST = -(2**31), 2**31 - 1


def _fixed(value: float) -> int:
    """value in 0.31 fixed point."""
    return min(fixedpoint.round_half_away(value * 2**31), HIGHEST)


def _times(a: Int64s, b: int | Int64s) -> Int64s:
    return fixedpoint.doubling_high_multiply(a, b)


def _shifted_left(a: Int64s, bits: int) -> Int64s:
    return np.clip(a << bits, LOWEST, HIGHEST)


def exp_of_negative(a: Int64s) -> Int64s:
    """exp(a) in 0.31 of a <= 0 in 5.26: a Taylor series around -1/8 for the part below 1/4, a factor a bit above it.

    gemmlowp: exp_on_negative_values.
    """
    quarter = 1 << 24
    fraction = (a & (quarter - 1)) - quarter
    x = _shifted_left(fraction, INTEGER_BITS) + (1 << 28)
    x2 = _times(x, x)
    x3, x4 = _times(x2, x), _times(x2, x2)
    tail = _times(fixedpoint.rounding_shift_right(x4, 2) + x3, _fixed(1 / 3)) + x2
    around = _fixed(math.exp(-0.125))
    result = around + _times(x + fixedpoint.rounding_shift_right(tail, 1), around)
    remainder = fraction - a
    for exponent in range(-2, INTEGER_BITS):
        factor = _fixed(math.exp(-(2.0**exponent)))
        result = np.where(remainder >> (26 + exponent) & 1, _times(result, factor), result)
    return np.where(a == 0, HIGHEST, result)


def reciprocal_of_one_and(a: Int64s) -> Int64s:
    """1 / (1 + a) in 0.31 of 0 <= a < 1 in 0.31. gemmlowp: one_over_one_plus_x_for_x_in_0_1."""
    half = (a + HIGHEST + 1) >> 1
    x = fixedpoint.round_half_away(48 / 17 * 2**29) + _times(half, fixedpoint.round_half_away(-32 / 17 * 2**29))
    for _ in range(3):
        x = x + _shifted_left(_times(x, (1 << 29) - _times(half, x)), 2)
    return _shifted_left(x, 1)


def difference_scaling(x: Tensor, beta: float) -> tuple[int, int, int]:
    """(multiplier, left shift, largest difference that counts) of int8. TFLite: PreprocessSoftmaxScaling."""
    real = min(beta * float(np.float32(x.scale)) * (1 << (31 - INTEGER_BITS)), HIGHEST * 1.0)
    multiplier, shift = fixedpoint.quantise_multiplier(real)
    return multiplier, shift, math.floor(((1 << INTEGER_BITS) - 1) * (1 << (31 - INTEGER_BITS)) / (1 << shift))


def exp_scaling(x: Tensor, beta: float) -> tuple[int, int, int]:
    """(multiplier, shift) that bring a difference to 5.26, and how many differences TFLite counts, at most 256."""
    multiplier, shift, radius = difference_scaling(x, beta)
    return multiplier, shift, min(radius, 255) + 1


@functools.cache
def exp_table(x: Tensor, beta: float) -> npt.NDArray[np.int32]:
    """exp(-d * scale * beta) in 0.31, for d = 0, 1, ... as far as TFLite counts differences."""
    multiplier, shift, entries = exp_scaling(x, beta)
    differences = -np.arange(entries, dtype=np.int64)
    return exp_of_negative(_times(differences << shift, multiplier)).astype(np.int32)


def _samples(function: Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]], low: float, high: float) -> Array:
    """513 samples of a function on low..high with outputs in units of 2 / 65535. TFLite: LUTPopulateInt16 in double."""

    def scaled(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return function(x) * (65536 / (2.0 / 65535 * 32767 - 2.0 / 65535 * -32768))

    def rounded(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return np.sign(x) * np.floor(np.abs(x) + 0.5)

    step = (high - low) / 512
    at, following = low + np.arange(512) * step, low + np.arange(1, 513) * step
    sample = rounded(scaled(at))
    middle = rounded(scaled(at + step / 2))
    bias = rounded((rounded((scaled(following) + sample) / 2) - middle) / 2)
    last = rounded(scaled(np.array([high])))
    return np.clip(np.concatenate([sample - bias, last]), -32768, 32767).astype(np.int16)


@functools.cache
def int16_tables() -> tuple[Array, Array]:
    """(exp on [-10, 0], 1 / (1 + x) on [0, 1])."""
    return (
        _samples(np.exp, 10.0 / 65535 * (-32768 - 32767), 0.0),
        _samples(lambda x: 1.0 / (1.0 + x), 0.0, 1.0 / 65535 * (32767 + 32768)),
    )


class Softmax(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if problems:
            return problems
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        scale, zero = (1 / 256, -128) if y.element == "int8" else (1 / 32768, 0)
        if x.element != y.element:
            problems.append(f"from {x.element} to {y.element}: only equal types are supported")
        if abs(y.scale - scale) > 0.001 * scale or y.zero_point != zero:
            problems.append(
                f"the output's scale is {y.scale}, zero point {y.zero_point}; TFLite requires {scale}, {zero}"
            )
        if not op.attributes["beta"] > 0:
            problems.append(f"beta is {op.attributes['beta']}")
        if x.shape and x.shape[-1] > 2048:
            problems.append(f"{x.shape[-1]} values per row: the sum may overflow above 2048")
        return problems + shape_problems(graph, op.outputs[0], x.shape)

    @staticmethod
    def _rescale(x: Tensor, beta: float) -> tuple[int, int]:
        """From the input's differences to units of 10 / 65535; the product is in single precision there."""
        return fixedpoint.quantise_multiplier(float(np.float32(x.scale) * np.float32(beta)) / (10.0 / 65535.0))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        x = graph.tensors[op.inputs[0]]
        rows = values[0].astype(np.int64).reshape(-1, values[0].shape[-1])
        difference = rows.max(axis=1, keepdims=True) - rows
        run = self._int8 if x.element == "int8" else self._int16
        return [run(x, op.attributes["beta"], difference).astype(x.element).reshape(values[0].shape)]

    @staticmethod
    def _int8(x: Tensor, beta: float, difference: Int64s) -> Int64s:
        table = np.zeros(256, np.int64)
        known = exp_table(x, beta)
        table[: len(known)] = known
        exponentials = table[difference]
        total = fixedpoint.rounding_shift_right(exponentials, 12).sum(axis=1, keepdims=True)
        # leading zeros of a 32-bit number
        headroom = 32 - np.frompyfunc(lambda v: int(v).bit_length(), 1, 1)(total).astype(np.int64)
        scale = reciprocal_of_one_and((total << headroom) - (1 << 31))
        result = fixedpoint.rounding_shift_right(_times(scale, exponentials), 12 - headroom + 31 - 8) - 128
        return np.where(difference < len(known), np.clip(result, -128, 127), -128)

    def _int16(self, x: Tensor, beta: float, difference: Int64s) -> Int64s:
        exponential, reciprocal = int16_tables()
        scaled = fixedpoint.scale_twice_rounded(-difference, *self._rescale(x, beta)) + 32767
        exponentials = look_up_int16(np.clip(scaled, -32768, 32767), exponential).astype(np.int64)
        total = exponentials.sum(axis=1, keepdims=True)
        headroom = 32 - np.frompyfunc(lambda v: int(v).bit_length(), 1, 1)(total).astype(np.int64)
        shifted = ((total << (headroom - 1)) + (1 << 13)) >> 14
        inverse = look_up_int16(np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767), reciprocal).astype(np.int64)
        shift = 31 - headroom
        return np.clip((exponentials * inverse + (np.int64(1) << (shift - 1))) >> shift, 0, 32767)

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        x, beta = graph.tensors[op.inputs[0]], op.attributes["beta"]
        if in_data_mode() or x.element != "int8" or _computes(x, beta) or exp_scaling(x, beta)[1] < 0:
            return None
        table = 4 * exp_scaling(x, beta)[2]
        return FormCost("softmax_s8", x.size, table), FormCost("softmax_few_s8", x.size)

    def scratch(self, graph: Graph, op: Operator) -> int:
        """The exponentials of a row where they are computed."""
        x, beta = graph.tensors[op.inputs[0]], op.attributes["beta"]
        few = x.element == "int8" and (is_small(op) or _computes(x, beta))
        return 4 * x.shape[-1] if few else 0

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        depth = x.shape[-1]
        rows = x.size // depth
        if x.element == "int8":
            return _lower_int8(x, op.attributes["beta"], rows, depth, prefix, is_small(op))
        exponential, reciprocal = int16_tables()
        tables = (
            Constant("tl_softmax_exp", "int16_t", exponential, "exp on [-10, 0]: [513]"),
            Constant("tl_softmax_reciprocal", "int16_t", reciprocal, "1 / (1 + x) on [0, 1]: [513]"),
        )
        multiplier, shift = self._rescale(x, op.attributes["beta"])
        scaling = f"{number(multiplier)}, {number(shift)}"
        call = f"tl_softmax_s16(x0, {rows}, {depth}, {scaling}, tl_softmax_exp, tl_softmax_reciprocal, y);"
        return Lowered((call,), tables, ("tl_softmax.h",))


def _computes(x: Tensor, beta: float) -> bool:
    """Whether a row of so few values is worth no table."""
    _, shift, entries = exp_scaling(x, beta)
    return x.size <= FEW_VALUES and 4 * entries > EXP_BYTES and shift >= 0


def _lower_int8(x: Tensor, beta: float, rows: int, depth: int, prefix: str, small: bool) -> Lowered:
    multiplier, shift, entries = exp_scaling(x, beta)
    if in_data_mode():  # how many differences count hangs on the scale
        table = Constant(f"{prefix}_exp", "int32_t", np.zeros(256, np.int32), "exp(-difference) in 0.31: [256]")
        table.values[:entries] = exp_table(x, beta)
        call = f"tl_softmax_s8(x0, {rows}, {depth}, {table.name}, {number(entries)}, y);"
        return Lowered((call,), (table,), ("tl_softmax.h",))
    if small or _computes(x, beta):
        scratch = "(int32_t *)(void *)scratch"
        call = f"tl_softmax_few_s8(x0, {rows}, {depth}, {entries}, {multiplier}, {shift}, {scratch}, y);"
        paid = f"computes its exponentials: {rows * depth} values do not pay for a table of {4 * entries} bytes"
        return Lowered((call,), (), ("tl_softmax.h",), 0, "" if small else paid)
    table = Constant(f"{prefix}_exp", "int32_t", exp_table(x, beta), f"exp(-difference) in 0.31: [{entries}]")
    call = f"tl_softmax_s8(x0, {rows}, {depth}, {table.name}, {entries}, y);"
    return Lowered((call,), (table,), ("tl_softmax.h",))
