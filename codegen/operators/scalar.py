"""C text of the scalar steps that element-wise operators share. The functions are in firmware/kernels/tl_fixed.h."""


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


def clamped(text: str, zero_point: int, low: int, high: int) -> str:
    """text + zero_point within bounds."""
    moved = text if zero_point == 0 else f"{text} {'+' if zero_point > 0 else '-'} {abs(zero_point)}"
    if (low, high) == (-128, 127):
        return f"tl_sat8({moved})"
    if (low, high) == (-32768, 32767):
        return f"tl_sat16({moved})"
    return f"tl_clamp({moved}, {low}, {high})"
