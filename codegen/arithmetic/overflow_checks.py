"""Scales that the kernels cannot honour: a value that leaves 32 bits on its way to the output."""

from collections.abc import Sequence

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.graph import RANGE, Tensor


def reach(x: Tensor) -> int:
    """Return the largest |q - zero point| that a tensor's element type allows."""
    low, high = RANGE[x.element]
    return max(high - x.zero_point, x.zero_point - low)


def scale_problems(factors: Sequence[float], bound: int, wide: bool = False) -> list[str]:
    """What stands against scaling values of magnitudes up to `bound` by these factors.

    Two roundings shift a value left before they multiply; `wide` (int16 sums) has 48 bits and shifts afterwards.
    """
    largest = max(factors)
    _, shift = fixedpoint.quantise_multiplier(largest)
    if wide:
        fits = bound < 2**47 and shift < 8 and bound * largest < 2**31
    else:
        fits = bound << max(shift, 0) < 2**31
    if fits:
        return []
    return [f"values up to {bound} are scaled by {largest:.3g}, which overflows 32 bits; calibrate the model again"]
