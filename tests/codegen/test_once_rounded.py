"""Rounding once, in double precision, done in integers: the proof that both are equal, and what it rests on."""

from fractions import Fraction

import numpy as np
import pytest

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.requantise import Requantisation, apply_once, first_multiple_within


@pytest.mark.parametrize("modulus", [1, 2, 7, 64, 97, 360])
def test_the_first_multiple_is_the_first(modulus: int) -> None:
    chance = np.random.default_rng(modulus)
    for _ in range(60):
        step = int(chance.integers(0, 2 * modulus))
        low, high = sorted(int(v) for v in chance.integers(0, modulus, 2))
        slow = next((n for n in range(modulus) if low <= n * step % modulus <= high), None)
        assert first_multiple_within(step, modulus, low, high) == slow


def edges(factor: float, bound: int, reach: int) -> np.ndarray:  # type: ignore[type-arg]
    """Sums around every half that the output can meet, by exact rational arithmetic."""
    halves = [int(Fraction(2 * k + 1, 2) / Fraction(factor)) for k in range(0, reach, max(1, reach // 3000))]
    around = {s + d for s in halves for d in (-1, 0, 1, 2)} | {0, 1, bound}
    sums = np.array([s for s in around if 0 <= s <= bound], dtype=np.int64)
    return np.concatenate([sums, -sums])


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_device_and_double_precision_agree_near_halves(element: str) -> None:
    """Random factors, and those of few bits, whose products meet halves exactly."""
    chance = np.random.default_rng(5)
    low, high = (-128, 127) if element == "int8" else (-32768, 32767)
    factors = [float(np.exp(chance.uniform(np.log(1e-7), np.log(0.24)))) for _ in range(25)]
    factors += [2.0**-3, 2.0**-9, 3 * 2.0**-12, 2.0**-24, 0.125 + 2.0**-30, 0.2499999, float(np.float32(1e-3))]
    for factor in factors:
        r = Requantisation("once", (factor,), 0, low, high, element)
        bound = min(2**31 - 1, int(4 * high / factor))
        ((multiplier, shift),) = r.once_factors(bound)
        sums = edges(factor, bound, 2 * high)
        wanted = np.clip(fixedpoint.scale_once_rounded(sums, factor), low, high)
        assert np.array_equal(np.clip(apply_once(sums, multiplier, shift), low, high), wanted), factor


def test_a_half_within_reach_is_compared_step_by_step() -> None:
    """3 * 2**-12 meets halves: TFLite rounds them away from zero, the plain multiplier upwards."""
    r = Requantisation("once", (3 * 2.0**-12,), 0, -32768, 32767, "int16")
    ((multiplier, _),) = r.once_factors(1 << 25)
    mantissa_alone = 3 << 60
    assert multiplier != mantissa_alone
