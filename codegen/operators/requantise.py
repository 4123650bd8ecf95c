"""How accumulators become outputs, for operators that sum products. Arrays of one entry a channel.

Three roundings occur in LiteRT's reference kernels, and a claim of byte equality names which:
`once` (FULLY_CONNECTED with 32-bit sums: round(sum * factor) in double precision), `wide` (64-bit sums of int16
operators: a 16-bit multiplier, one rounding), `twice` (everything else).

On the device `once` is floor(sum * multiplier / 2**shift + 1/2) in 64 bits. That it equals the double-precision form for
every sum that can occur is proved at compile time by `prove_once`: both are steps in the sum, so it is enough to compare
them on either side of each step.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinyloc.codegen import fixedpoint
from tinyloc.codegen.graph import RANGE, Tensor

Rounding = Literal["once", "twice", "wide"]
Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Requantisation:
    """round(sum * factor[channel]) + zero_point, within low..high."""

    rounding: Rounding
    factor: tuple[float, ...]  # a channel, or one for all
    zero_point: int
    low: int
    high: int
    element: str

    def reference(self, sums: Int64s) -> npt.NDArray[np.integer]:  # type: ignore[type-arg]
        """sums: (..., channels) -> outputs of the same shape."""
        result = np.empty_like(sums)
        for channel in range(sums.shape[-1]):
            factor = self.factor[channel if len(self.factor) > 1 else 0]
            x = sums[..., channel]
            if self.rounding == "once":
                result[..., channel] = fixedpoint.scale_once_rounded(x, factor)
            elif self.rounding == "wide":
                result[..., channel] = fixedpoint.scale_wide(x, *fixedpoint.quantise_multiplier(factor))
            else:
                result[..., channel] = fixedpoint.scale_twice_rounded(x, *fixedpoint.quantise_multiplier(factor))
        return np.clip(result + self.zero_point, self.low, self.high).astype(self.element)

    def device(self, bound: int) -> tuple[list[int], list[int]]:
        """(multipliers, shifts) for tl_requantise: floor(sum * multiplier / 2**shift + 1/2), `once` and `wide`.

        `bound` is the largest magnitude of a sum. Raises ArithmeticError where the result would not be exact.
        """
        multipliers, shifts = [], []
        for factor in self.factor:
            multiplier, shift = fixedpoint.quantise_multiplier(factor)
            if self.rounding == "wide":
                multiplier, total = fixedpoint.reduced_multiplier(multiplier), 15 - shift
            else:
                multiplier, total = prove_once(factor, multiplier, 31 - shift, bound, self)
            multipliers.append(multiplier)
            shifts.append(total)
        return multipliers, shifts


def prove_once(factor: float, multiplier: int, shift: int, bound: int, r: Requantisation) -> tuple[int, int]:
    """A (multiplier, shift) near the given one whose results equal round(sum * factor) for all |sum| <= bound."""
    if multiplier == 0:
        return 0, 1
    low, high = r.low - r.zero_point, r.high - r.zero_point
    # sums around every place where the double-precision result goes from v - 1 to v
    steps = np.ceil((np.arange(low, high + 2, dtype=np.float64) - 0.5) / factor)
    around = (steps[:, None] + np.arange(-2, 3)).astype(np.float64)
    sums = np.unique(np.clip(around, -bound, bound)).astype(np.int64)
    wanted = np.clip(fixedpoint.scale_once_rounded(sums, factor), low, high)
    for nudge in (0, 1, -1, 2, -2):
        got = (sums * (multiplier + nudge) + (1 << (shift - 1))) >> shift
        if np.array_equal(np.clip(got, low, high), wanted):
            return multiplier + nudge, shift
    raise ArithmeticError(f"the factor {factor!r} cannot be applied exactly to sums up to {bound}")


def sum_bound(weights: Int64s, bias: Int64s | None, x: Tensor) -> int:
    """Largest magnitude of sum_k w[c, k] * (x[k] - zx) + bias[c] over all inputs and channels; weights (C, K)."""
    low, high = RANGE[x.element]
    reach = max(high - x.zero_point, x.zero_point - low)
    worst = np.abs(weights).sum(axis=1) * reach
    if bias is not None:
        worst = worst + np.abs(bias)
    return int(worst.max())
