"""Scales that the kernels cannot honour: a value that leaves 32 bits on its way to the output."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.graph import RANGE, Tensor


def reach(x: Tensor) -> int:
    """Return the largest |q - zero point| that a tensor's element type allows."""
    low, high = RANGE[x.element]
    return max(high - x.zero_point, x.zero_point - low)


def scale_problems(factors: Sequence[float], bounds: int | npt.NDArray[np.int64], wide: bool = False) -> list[str]:
    """What stands against scaling values of magnitudes up to `bounds` (one a factor, or one for all) by these factors.

    Two roundings shift a value left before they multiply; `wide` (int16 sums) has 48 bits and shifts afterwards.
    """
    each = np.broadcast_to(factors, max(len(factors), np.size(bounds))).tolist()
    for factor, bound in zip(each, np.broadcast_to(bounds, len(each)).tolist(), strict=True):
        _, shift = fixedpoint.quantise_multiplier(factor)
        if wide:
            fits = bound < 2**47 and shift < 8 and bound * factor < 2**31
        else:
            fits = bound << max(shift, 0) < 2**31
        if not fits:
            return [
                f"values up to {bound} are scaled by {factor:.3g}, which overflows 32 bits; calibrate the model again"
            ]
    return []


def wrapping_problems(factor: float, y: Tensor) -> list[str]:
    """What stands against scaling a product of one element each by a factor.

    Beyond 32 bits the upper bits of what is shifted left are lost, as in LiteRT; only the zero point must not be added
    to such a value.
    """
    _, shift = fixedpoint.quantise_multiplier(factor)
    limit = 30 if y.zero_point == 0 else 14  # |product| <= 2**16 of int8
    if shift <= limit:
        return []
    return [f"values are scaled by {factor:.3g}, which overflows 32 bits; calibrate the model again"]
