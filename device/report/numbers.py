"""Numbers and names as text, the same in the terminal and on the page."""

import re
from collections import Counter
from collections.abc import Sequence


def grouped(value: float) -> str:
    """12345.6 -> "12,346"; values below 100 keep one decimal unless they are whole."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:,.1f}"


def size(count: float) -> str:
    """Bytes below 1 KB, else KB (1024 bytes) with one decimal."""
    return f"{count:,.0f} B" if count < 1024 else f"{count / 1024:,.1f} KB"


def share(part: float, whole: float) -> float:
    """Percentage of `whole`, 0 for an empty whole."""
    return 100.0 * part / whole if whole else 0.0


def score(value: float) -> str:
    """A metric between 0 and 1, to a tenth of a percentage point."""
    return f"{value:.3f}"


def metres(value: float) -> str:
    return f"{value:.1f} m" if value >= 9.95 else f"{value:.2f} m"


def milliseconds(value: float) -> str:
    return f"{value:#.3g} ms" if value < 99.95 else f"{value:,.0f} ms"


def microjoules(value: float) -> str:
    return f"{value:#.3g} µJ" if value < 99.95 else f"{value:,.0f} µJ"


def measured(value: float, unit: str) -> str:
    """A figure of a budget line with its unit."""
    match unit:
        case "B" | "bytes":
            return size(value)
        case "ms":
            return milliseconds(value)
        case "":
            return score(value)
        case "m":
            return metres(value)
        case "uJ":
            return microjoules(value)
        case "uA":
            return f"{value:#.3g} µA" if value < 99.95 else f"{value:,.0f} µA"
        case _:
            return f"{grouped(value)} {unit}"


def operators_in_short(operators: Sequence[str]) -> str:
    """What a layer stands for: one operator with its place, or the kinds of many with their counts.

    ["MUL #3 a/Mul", "ADD #4 a/Add", "MUL #5 a/Mul_1"] -> "MUL ×2, ADD"; ["MUL #3 a/Mul"] -> "MUL a/Mul".
    """
    if len(operators) == 1:
        return re.sub(r" #\d+", "", operators[0])
    kinds = Counter(operator.split(" ")[0] for operator in operators)
    return ", ".join(f"{kind} ×{count}" if count > 1 else kind for kind, count in kinds.items())
