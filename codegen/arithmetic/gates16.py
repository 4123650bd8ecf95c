"""Sigmoid and tanh of int16 as LSTM kernels compute them: exp by a Taylor series and a reciprocal by Newton steps.

TFLite: PortableApplySigmoid and PortableApplyTanh, gemmlowp's logistic and tanh on 16-bit fixed point. Not the tables
of logistic16.py: the two differ in the last bits. A function has 65536 inputs, so that the reference is an array.
"""

import functools
import math

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.fixedpoint import rounding_shift_right

Int64s = npt.NDArray[np.int64]
Int16s = npt.NDArray[np.int16]
ONE = 32767
GATE_BITS = 3
"""Integer bits of a gate's sum: Q3.12."""
CELL_BITS = range(7)
"""Integer bits that TFLite's tanh of a cell state knows."""


def _fixed(value: float, integer_bits: int = 0) -> int:
    """A constant: rounded in 32 bits, then to 16."""
    wide = math.floor(value * 2 ** (31 - integer_bits) + 0.5)
    return int(rounding_shift_right(np.int64(wide), 16))  # type: ignore[arg-type]


def _times(a: Int64s, b: Int64s | int) -> Int64s:
    """gemmlowp: SaturatingRoundingDoublingHighMul(int16)."""
    return (a * b + (1 << 14)) >> 15


def _narrow(a: Int64s) -> Int64s:
    """As an int16 that wraps."""
    return a.astype(np.int16).astype(np.int64)


def _shifted_left(a: Int64s, bits: int) -> Int64s:
    return np.clip(a << bits, -32768, 32767)


def exp_of_negative(a: Int64s, integer_bits: int) -> Int64s:
    """exp(a) in 0.15 of a <= 0 with so many integer bits. gemmlowp: exp_on_negative_values."""
    quarter = 1 << (15 - integer_bits - 2)
    fraction = (a & (quarter - 1)) - quarter
    x = _shifted_left(fraction, integer_bits) + (1 << 12)
    x2 = _times(x, x)
    x3, x4 = _times(x2, x), _times(x2, x2)
    tail = rounding_shift_right(_times(rounding_shift_right(x4, 2) + x3, _fixed(1 / 3)) + x2, 1)
    around = _fixed(math.exp(-0.125))
    result = np.minimum(around + _times(x + tail, around), ONE)
    remainder = fraction - a
    for exponent in range(-2, min(integer_bits, 5)):
        factor = _fixed(math.exp(-(2.0**exponent)))
        result = np.where(remainder >> (15 - integer_bits + exponent) & 1, _times(result, factor), result)
    if integer_bits > 5:
        result = np.where(a < -(32 << (15 - integer_bits)), 0, result)
    return np.where(a == 0, ONE, result)


def _reciprocal_of_one_and(a: Int64s) -> Int64s:
    """2 / (1 + a) in 2.13 of 0 <= a <= 1 in 0.15, by three Newton steps."""
    half = (a + ONE + 1) >> 1
    x = _fixed(48 / 17, 2) + _times(half, -_fixed(32 / 17, 2))
    for _ in range(3):
        x = _narrow(x + _shifted_left(_times(x, (1 << 13) - _times(half, x)), 2))
    return x


def _all_inputs() -> Int64s:
    return np.arange(-32768, 32768, dtype=np.int64)


@functools.cache
def sigmoid() -> Int16s:
    """sigmoid of every int16 in 3.12, in 0.15; index input + 32768."""
    a = _all_inputs()
    positive = _shifted_left(_reciprocal_of_one_and(exp_of_negative(-np.abs(a), GATE_BITS)), 1)
    return np.where(a == 0, 1 << 14, np.where(a > 0, positive, ONE - positive)).astype(np.int16)


@functools.cache
def tanh(integer_bits: int) -> Int16s:
    """tanh of every int16 with so many integer bits, in 0.15; index input + 32768."""
    a = _all_inputs()
    doubled = exp_of_negative(-np.abs(a), integer_bits + 1)  # the same integer with one bit more is twice the value
    magnitude = _shifted_left(_reciprocal_of_one_and(doubled) - (1 << 13), 2)
    return (np.sign(a) * magnitude).astype(np.int16)


def look_up(values: npt.NDArray[np.integer], function: Int16s) -> Int64s:  # type: ignore[type-arg]
    """Look up a function of int16 values.

    Args:
        values: -32768..32767, any shape.
        function: its 65,536 values, from -32768 on.
    """
    return function[values.astype(np.int64) + 32768].astype(np.int64)
