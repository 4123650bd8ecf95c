"""Fixed-point arithmetic as TFLite defines it, on NumPy arrays: the slow, plain reference of
firmware/kernels/tl_fixed.h.

A real factor is a pair (multiplier, shift): factor = multiplier * 2**(shift - 31), 2**30 <= multiplier < 2**31.
"""

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer[Any]]
Int64s = npt.NDArray[np.int64]


def round_half_away(value: float) -> int:
    """The nearest integer, halves away from zero (C's round)."""
    return math.floor(abs(value) + 0.5) * (1 if value >= 0 else -1)


@functools.cache
def quantise_multiplier(factor: float) -> tuple[int, int]:
    """(multiplier, shift) of a non-negative factor; (0, 0) below 2**-32. TFLite: QuantizeMultiplier."""
    if factor == 0.0:
        return 0, 0
    mantissa, shift = math.frexp(factor)
    multiplier = round_half_away(mantissa * (1 << 31))
    if multiplier == 1 << 31:
        multiplier //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return multiplier, shift


def rounding_shift_right(x: Int64s, shift: int | Int64s) -> Int64s:
    """x / 2**shift, halves away from zero. gemmlowp: RoundingDivideByPOT."""
    mask = (np.int64(1) << shift) - 1
    remainder = x & mask
    threshold = (mask >> 1) + (x < 0)
    return (x >> shift) + (remainder > threshold)


def doubling_high_multiply(x: Int64s, multiplier: int | Int64s) -> Int64s:
    """Rounded high half of 2 * x * multiplier for 32-bit x. gemmlowp: SaturatingRoundingDoublingHighMul."""
    # gemmlowp nudges by 2**30 or 1 - 2**30 and divides towards zero, which is floor(x * multiplier / 2**31 + 1/2)
    return (x * multiplier + (1 << 30)) >> 31


def scale_twice_rounded(x: Ints, multiplier: int | Int64s, shift: int | Int64s) -> Int64s:
    """x * factor with two roundings, x of 32 bits. TFLite: MultiplyByQuantizedMultiplier(int32).

    x * 2**shift keeps its lower 32 bits, as in LiteRT.
    """
    left, right = np.maximum(shift, 0), np.maximum(-shift, 0)
    shifted = (x.astype(np.int64) << left).astype(np.int32).astype(np.int64)
    return rounding_shift_right(doubling_high_multiply(shifted, multiplier), right)


def reduced_multiplier(multiplier: int) -> int:
    """The 16-bit multiplier that TFLite uses on 64-bit accumulators."""
    return (multiplier + (1 << 15)) >> 16 if multiplier < 0x7FFF0000 else 0x7FFF


def scale_wide(x: Ints, reduced: int | Int64s, shift: int | Int64s) -> Int64s:
    """floor(x * reduced / 2**shift + 1/2), x of 48 bits. TFLite: MultiplyByQuantizedMultiplier(int64)."""
    return (x.astype(np.int64) * reduced + (np.int64(1) << (shift - np.int64(1)))) >> shift


def scale_once_rounded(x: Ints, factor: float | npt.NDArray[np.float64]) -> Int64s:
    """round(x * factor) in double precision, halves away from zero. TFLite: reference FULLY_CONNECTED."""
    product = x.astype(np.float64) * factor
    return (np.sign(product) * np.floor(np.abs(product) + 0.5)).astype(np.int64)
