"""C text of the scalar steps that element-wise operators share. The functions are in firmware/kernels/tl_fixed.h."""

import re

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint

Bounds = tuple[int, int]


def offset(operand: str, amount: int) -> str:
    """operand + amount, in brackets; the operand itself when the amount is zero."""
    if amount == 0:
        return operand
    return f"({operand} {'+' if amount > 0 else '-'} {abs(amount)})"


def scaled(text: str, multiplier: int, shift: int, bound: int = 1 << 30) -> str:
    """text * factor, rounded twice. `bound` is the largest magnitude that text can have, 2**30 if unknown."""
    if (multiplier, shift) == (1 << 30, 1):
        return text  # exactly 1
    if shift > 0:
        return f"tl_scale_up({text}, {multiplier}, {shift})"
    if bound > 1 << 30 or shift < -30:
        return f"tl_scale_down_sum({text}, {multiplier}, {-shift})"
    kind = "tl_scale_down_narrow" if bound < 1 << 30 else "tl_scale_down"
    return f"{kind}({text}, {multiplier}, {-shift})"


def scaled_product(a: tuple[str, Bounds], b: tuple[str, Bounds], multiplier: int, shift: int) -> str:
    """a * b * factor, rounded twice; of each operand the text and its least and greatest value."""
    products = [x * y for x in a[1] for y in b[1]]
    low, high = min(products), max(products)
    plain = f"{a[0]} * {b[0]}"
    if shift >= 0 or shift < -30 or low < -(1 << 30) or high > 1 << 30:
        return scaled(plain, multiplier, shift, max(-low, high))
    if high < 1 << 30:
        sign = 1 if low >= 0 else -1 if high <= 0 else 0
        return f"tl_scale_doubled(tl_twice({a[0]}, {b[0]}), {multiplier}, {-shift}, {sign})"
    top = np.array([(1 << 30) - 1, 1 << 30])
    less, exact = fixedpoint.scale_twice_rounded(top, multiplier, shift)
    if less == exact:
        return f"tl_scale_doubled(tl_twice_saturated({a[0]}, {b[0]}), {multiplier}, {-shift}, 0)"
    return scaled(plain, multiplier, shift)


def scaled_doubled(twice: str, plain: str, multiplier: int, shift: int) -> str:
    """x * factor, rounded twice, -2**30 <= x < 2**30; `twice` is the text of 2 * x, `plain` that of x."""
    if -30 <= shift < 0:
        return f"tl_scale_doubled({twice}, {multiplier}, {-shift}, 0)"
    return scaled(plain, multiplier, shift, (1 << 30) - 1)


def clamped(text: str, zero_point: int, low: int, high: int) -> str:
    """text + zero_point within bounds."""
    moved = text if zero_point == 0 else f"{text} {'+' if zero_point > 0 else '-'} {abs(zero_point)}"
    doubled = re.fullmatch(r"tl_scale_doubled\((.*), (\d+), (\d+), (-?\d)\)", moved)
    if doubled is not None and (low, high) in ((-128, 127), (-32768, 32767)):
        twice, multiplier, shift, sign = doubled.groups()
        bits = 8 if low == -128 else 16
        return f"TL_SATURATE({bits}, tl_unshifted({twice}, {multiplier}, {shift}, {sign}), {shift})"
    if (low, high) == (-128, 127):
        return f"tl_sat8({moved})"
    if (low, high) == (-32768, 32767):
        return f"tl_sat16({moved})"
    if (low, high) == (-(2**31), 2**31 - 1):
        return moved
    return f"tl_clamp({moved}, {low}, {high})"
