"""C text of the scalar steps that element-wise operators share. The functions are in firmware/kernels/tl_fixed.h."""

import re

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number, require

Bounds = tuple[int, int]


def offset(operand: str, amount: int, element: str = "int8") -> str:
    """operand + amount, in brackets; the operand itself when the amount is zero, as it always is of int16."""
    if in_data_mode() and element == "int8":
        return f"({operand} + {number(amount)})"
    if amount == 0:
        return operand
    return f"({operand} {'+' if amount > 0 else '-'} {abs(amount)})"


def scaled(text: str, multiplier: int, shift: int, bound: int = 1 << 30) -> str:
    """text * factor, rounded twice. `bound` is the largest magnitude that text can have, 2**30 if unknown."""
    if in_data_mode():
        return f"tl_scale({text}, {number(multiplier)}, {number(shift)})"
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
    if in_data_mode():
        return _product_of_data(a, b, multiplier, shift)
    if shift > 0 and max(-low, high) << shift >= 1 << 31:
        return f"tl_scale_up({plain}, {multiplier}, {shift})"  # loses upper bits, a factor of 1 too
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


def _product_of_data(a: tuple[str, Bounds], b: tuple[str, Bounds], multiplier: int, shift: int) -> str:
    """a * b * factor of operands of 16 bits at most, whose product is at most 2**30; a factor below 1/2."""
    if multiplier == 0:
        shift = -1
    require(-30 <= shift < 0, f"a product is scaled by {multiplier * 2.0 ** (shift - 31):.3g}; it must be below 1/2")
    less, exact = fixedpoint.scale_twice_rounded(np.array([(1 << 30) - 1, 1 << 30]), multiplier, shift)
    wide = max(x * y for x in a[1] for y in b[1]) >= 1 << 30
    require(not wide or less == exact, f"2**30 and the number before it are scaled to {exact} and {less}, not to one")
    twice = "tl_twice_saturated" if wide else "tl_twice"
    return _halved(f"{twice}({a[0]}, {b[0]})", multiplier, -shift)


def _halved(twice: str, multiplier: int, shift: int) -> str:
    """Half of `twice`, a text, times a factor that is data; 1 <= shift <= 30."""
    return f"tl_scale_halved({twice}, {number(multiplier)}, {number(1 << (shift - 1))}, {number(shift)})"


def scaled_doubled(twice: str, plain: str, multiplier: int, shift: int) -> str:
    """x * factor, rounded twice, -2**30 <= x < 2**30; `twice` is the text of 2 * x, `plain` that of x."""
    if in_data_mode():
        require(-30 <= shift < 0 or multiplier == 0, f"a sum is scaled by {multiplier * 2.0 ** (shift - 31):.3g}")
        return _halved(twice, multiplier, -shift if multiplier else 1)
    if -30 <= shift < 0:
        return f"tl_scale_doubled({twice}, {multiplier}, {-shift}, 0)"
    return scaled(plain, multiplier, shift, (1 << 30) - 1)


def clamped(text: str, zero_point: int, low: int, high: int, limited: bool = False) -> str:
    """text + zero_point within bounds; `limited`: they are other than those of the element type."""
    if in_data_mode():
        moved = text if low < -128 and zero_point == 0 else f"{text} + {number(zero_point)}"  # int16 has none
        return _clamped_data(moved, low, high, limited)
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


_TYPES = {(-128, 127): "tl_sat8({})", (-32768, 32767): "tl_sat16({})", (-(2**31), 2**31 - 1): "{}"}


def _clamped_data(moved: str, low: int, high: int, limited: bool) -> str:
    if limited:
        return f"tl_clamp({moved}, {number(low)}, {number(high)})"
    require((low, high) in _TYPES, f"bounds {low} and {high} without an activation")
    return _TYPES[low, high].format(moved)
