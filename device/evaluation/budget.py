"""What a localiser may take: the board's limits, and the recipe's where they are lower."""

from collections.abc import Mapping

from tinyloc.boards import Board
from tinyloc.device.evaluation.evaluation_record import BudgetLine


def budget_lines(
    board: Board, recipe: Mapping[str, float], flash_bytes: int, ram_bytes: int, latency_ms: float | None
) -> list[BudgetLine]:
    """Flash, RAM and latency against the lower limit of board and recipe (keys flash_bytes, ram_bytes, latency_ms).

    The latency line is left out when no cycles were counted.
    """
    used = (("flash", "flash_bytes", flash_bytes, "B"), ("ram", "ram_bytes", ram_bytes, "B"),
            ("latency", "latency_ms", latency_ms, "ms"))  # fmt: skip
    lines = []
    for name, key, amount, unit in used:
        if amount is None:
            continue
        limit, source = float(getattr(board.budget, key)), "board"
        if key in recipe and recipe[key] < limit:
            limit, source = float(recipe[key]), "recipe"
        lines.append(BudgetLine(name=name, used=amount, limit=limit, unit=unit, source=source))
    return lines
