"""How accumulators become outputs, for operators that sum products. Arrays of one entry a channel.

Three roundings occur in LiteRT's reference kernels, and a claim of byte equality names which:
`once` (FULLY_CONNECTED: round(sum * factor) in double precision, halves away from zero), `wide` (64-bit sums of int16
operators: a 16-bit multiplier, halves upwards), `twice` (everything else).

On the device `once` is done in integers: `short`, floor(sum * M / 2**S + 1/2) with M of 31 bits, or, where that is not
exact, `long` with M of 62 or 63 bits. That the result equals the double-precision form for every sum that can occur is
proved at compile time. A long M is the factor itself, without error; the forms differ only for a sum whose product lies
within double precision's rounding of a half, and a search of the kind of Euclid's algorithm finds the first such sum.
There is rarely one within reach. Where there is one, and for a short M, both forms are compared on either side of each
step that they make; an M that is a trifle too large sends halves away from zero.
"""

import functools
import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number, require
from tinyloc.codegen.graph import RANGE, Tensor
from tinyloc.codegen.layer_code import Constant

Rounding = Literal["once", "twice", "wide"]
Int64s = npt.NDArray[np.int64]

SHORT_BITS, LONG_BITS = 31, 62
DOUBLE_BITS = 53


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
        if self.rounding == "once":
            result = fixedpoint.scale_once_rounded(sums, self._factors)
        elif self.rounding == "wide":
            result = fixedpoint.scale_wide(sums, *self._multipliers)
        else:
            result = fixedpoint.scale_twice_rounded(sums, *self._multipliers)
        return np.clip(result + self.zero_point, self.low, self.high).astype(self.element)

    @functools.cached_property
    def _factors(self) -> npt.NDArray[np.float64]:
        return np.array(self.factor)

    @functools.cached_property
    def _multipliers(self) -> tuple[Int64s, Int64s]:
        pairs = self.wide_factors() if self.rounding == "wide" else self.twice_factors()
        return np.array([m for m, _ in pairs], dtype=np.int64), np.array([s for _, s in pairs], dtype=np.int64)

    def twice_factors(self) -> list[tuple[int, int]]:
        """TFLite's (multiplier, shift) a channel for tl_scale_up and tl_scale_down."""
        return [fixedpoint.quantise_multiplier(factor) for factor in self.factor]

    def wide_factors(self) -> list[tuple[int, int]]:
        """(16-bit multiplier, shift) a channel for tl_requantise_wide."""
        return [(fixedpoint.reduced_multiplier(multiplier), 15 - shift) for multiplier, shift in self.twice_factors()]

    def once_factors(self, bounds: int | Int64s) -> list[tuple[int, int]]:
        """(M, S) a channel, exact for all sums up to its bound: M of 31 bits if that does for all channels, else of 62.

        bounds: one a channel, or one for all. Raises ArithmeticError where neither is exact.
        """
        limits = np.broadcast_to(bounds, len(self.factor)) if len(self.factor) > 1 else np.array([np.max(bounds)])
        # 31 bits are rarely enough for the 65536 steps of an int16 output
        for bits in (SHORT_BITS, LONG_BITS) if self.element == "int8" else (LONG_BITS, SHORT_BITS):
            factors = [
                _exact(factor, bits, int(bound), self) for factor, bound in zip(self.factor, limits, strict=True)
            ]
            if all(factor is not None for factor in factors):
                return [factor for factor in factors if factor is not None]
        raise ArithmeticError(
            f"a factor near {self.factor[0]!r} cannot be applied exactly to sums up to {int(limits.max())}"
        )


def is_long(factors: list[tuple[int, int]]) -> bool:
    """Whether these factors need tl_requantise_long."""
    return max(multiplier for multiplier, _ in factors) >= 1 << SHORT_BITS


def _halves(multiplier: Int64s | int) -> tuple[Int64s, Int64s]:
    """(upper, lower) of a long multiplier, upper * 2**32 + lower, lower signed."""
    whole = np.asarray(multiplier, dtype=np.int64)
    upper = (whole + (1 << 31)) >> 32
    return upper, whole - (upper << 32)


def apply_once(sums: Int64s, multiplier: int, shift: int) -> Int64s:
    """What the device computes: floor(sum * M / 2**S + 1/2), in two halves when M is long."""
    if multiplier < 1 << SHORT_BITS:
        return (sums * multiplier + (1 << (shift - 1))) >> shift
    upper, lower = _halves(multiplier)
    top = sums * upper + ((sums * lower) >> 32)
    return (top + (1 << (shift - 33))) >> (shift - 32)


def first_multiple_within(step: int, modulus: int, low: int, high: int) -> int | None:
    """The least n >= 0 with low <= n * step mod modulus <= high, or None; 0 <= low <= high < modulus."""
    step %= modulus
    if low == 0:
        return 0
    if step == 0:
        return None
    n = -(-low // step)
    if n * step <= high:
        return n
    # no multiple of step lies between: how often must the modulus be passed until one does?
    passes = first_multiple_within(modulus % step, step, -high % step, -low % step)
    return None if passes is None else -(-(low + modulus * passes) // step)


def _near_half(factor: float, bound: int, r: Requantisation) -> bool:
    """Whether for some |sum| <= bound, sum * factor is so near a half that double precision may round it otherwise."""
    mantissa, exponent = math.frexp(factor)
    step, modulus = int(math.ldexp(mantissa, DOUBLE_BITS)), 1 << (DOUBLE_BITS - exponent)
    reach = max(abs(r.low - r.zero_point), abs(r.high - r.zero_point)) + 1
    error = (reach << 3) * modulus // (1 << DOUBLE_BITS) + 1
    n = first_multiple_within(step, modulus, modulus // 2 - error, modulus // 2 + error)
    return n is not None and n <= min(bound, int(reach / factor) + 1)


def _sums_near_steps(factor: float, bound: int, r: Requantisation) -> Int64s:
    """Sums on either side of every place where round(sum * factor) changes within the output's range."""
    low, high = r.low - r.zero_point, r.high - r.zero_point
    if factor == 0.0:
        return np.zeros(1, np.int64)
    # beyond the bound there is nothing to prove
    first, last = max(low, int(-bound * factor) - 1), min(high, int(bound * factor) + 1)
    steps = np.ceil((np.arange(first, last + 2, dtype=np.float64) - 0.5) / factor).astype(np.int64)
    return np.concatenate([np.clip(steps + near, -bound, bound) for near in (-1, 0, 1)])


@functools.cache
def _exact(factor: float, bits: int, bound: int, r: Requantisation) -> tuple[int, int] | None:
    """(M, S) of that many bits whose results equal round(sum * factor) for all |sum| <= bound, else None."""
    if factor == 0.0:
        return 0, 1
    mantissa, exponent = math.frexp(factor)
    if bits == LONG_BITS and exponent == -2:
        bits += 1  # so that the shift is not negative
    multiplier, shift = int(math.ldexp(mantissa, bits)), bits - exponent
    if not (1 <= shift <= 62 if bits == SHORT_BITS else 65 <= shift <= 95):
        return None
    if bits > SHORT_BITS and int(_halves(multiplier)[0]) >= 1 << 31:
        return None
    if bits > SHORT_BITS and not _near_half(factor, bound, r):
        return multiplier, shift
    sums = _sums_near_steps(factor, bound, r)
    low, high = r.low - r.zero_point, r.high - r.zero_point
    wanted = np.clip(fixedpoint.scale_once_rounded(sums, factor), low, high)
    for nudge in (0, 1, 2, 3, -1, -2):
        if multiplier + nudge < 1 << bits and np.array_equal(
            np.clip(apply_once(sums, multiplier + nudge, shift), low, high), wanted
        ):
            return multiplier + nudge, shift
    return None


def sum_bounds(weights: Int64s, bias: Int64s | None, x: Tensor) -> Int64s:
    """Largest magnitude of sum_k w[c, k] * (x[k] - zx) + bias[c] over all inputs, a channel; weights (C, K)."""
    low, high = RANGE[x.element]
    reach = max(high - x.zero_point, x.zero_point - low)
    worst: Int64s = np.abs(weights).sum(axis=1) * reach
    return worst if bias is None else worst + np.abs(bias)


def sum_bound(weights: Int64s, bias: Int64s | None, x: Tensor) -> int:
    """The same over all channels."""
    return int(sum_bounds(weights, bias, x).max())


def constant_rows(weights: Int64s, bias: Int64s | None, x: Tensor, r: Requantisation) -> npt.NDArray[np.bool_]:
    """(C,): rows whose output is the same for every input, behind padding too; weights (C, K)."""
    low, high = (limit - x.zero_point for limit in RANGE[x.element])
    positive, negative = np.maximum(weights, 0).sum(axis=1), np.minimum(weights, 0).sum(axis=1)
    start = np.zeros(len(weights), np.int64) if bias is None else bias
    least = r.reference(start + positive * low + negative * high)
    same: npt.NDArray[np.bool_] = least == r.reference(start + positive * high + negative * low)
    return same


def scaling(
    prefix: str, factors: list[tuple[int, int]], r: Requantisation, limited: bool = False
) -> tuple[str, tuple[Constant, ...]]:
    """A statement that declares the layer's tl_scaling_t `scaling`, and the arrays that it names.

    limited: by an activation that is no plain RELU of int8, whose zero point is the lowest value; in data mode it
    decides, with the element type, which kind the layer is of.
    """
    multipliers = np.array([multiplier for multiplier, _ in factors], dtype=np.int64)
    shifts = np.array([shift for _, shift in factors])
    size = f"[{len(factors)}]"
    kind, low_name = "TL_SHORT", "NULL"
    lower: tuple[Constant, ...] = ()
    if r.rounding != "once":
        kind = "TL_ANY"  # a convolution, which reads multiplier and shift in its own way
    elif is_long(factors):
        kind, low_name = "TL_LONG", f"{prefix}_multiplier_low"
        multipliers, lowers = _halves(multipliers)
        lower = (Constant(low_name, "int32_t", lowers, f"{size}, lower 32 bits"),)
        shifts = shifts - 65
        kind = "TL_HALF" if (r.low, r.high, r.zero_point) == (-32768, 32767, 0) else kind
    elif shifts.min() >= 33:
        shifts = shifts - 33
        kind = "TL_BYTE" if (r.low, r.high) == (-128, 127) else kind
    else:
        kind, shifts = "TL_ANY", shifts - 1
    if in_data_mode():
        fixed = ("TL_LONG" if limited else "TL_HALF") if r.element == "int16" else "TL_SHORT" if limited else "TL_BYTE"
        alike = {"TL_SHORT": ("TL_BYTE",), "TL_LONG": ("TL_HALF",)}
        wrong = (
            f"its factors and bounds {r.low} to {r.high} need the form {kind}, an updatable program has {fixed}; "
            "factors of weights of 4 bits are often too large: export 8 bits, or build without --updatable"
        )
        require(kind == fixed or kind in alike.get(fixed, ()), wrong)
        kind = fixed
    constants = (
        Constant(f"{prefix}_multiplier", "int32_t", multipliers, size),
        *lower,
        Constant(f"{prefix}_shift", "int8_t", shifts, size),
    )
    plain = kind in ("TL_BYTE", "TL_HALF")  # forms that have their bounds, and of int16 no zero point
    fields = {
        "kind": kind,
        "multiplier": f"{prefix}_multiplier",
        "multiplier_low": low_name,
        "shift": f"{prefix}_shift",
        "per_channel": int(len(factors) > 1),
        "zero_point": r.zero_point if kind == "TL_HALF" else number(r.zero_point),
        "low": r.low if plain else number(r.low),
        "high": r.high if plain else number(r.high),
    }
    lines = "\n".join(f"    .{name} = {value}," for name, value in fields.items())
    return f"static const tl_scaling_t scaling = {{\n{lines}\n}};", constants
