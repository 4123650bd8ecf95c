"""What a localiser may take and must reach: the board's limits, the recipe's, and those of the command line."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import ValidationError

from tinyloc.boards import Board
from tinyloc.bundle.schema import QUALITY_GATES, Budget
from tinyloc.device.evaluation.evaluation_record import BudgetLine, Energy, Quality
from tinyloc.errors import UserError
from tinyloc.strict import problems as problems_of


class RequirementError(UserError):
    """Requirements that cannot be read, or that these data cannot answer."""


@dataclass(frozen=True)
class Gate:
    """One key of `Budget`."""

    line: str
    """Name of the budget line."""
    unit: str
    short: str
    """Name on the command line."""
    at_least: bool = False


GATES: dict[str, Gate] = {
    "flash_bytes": Gate("flash", "B", "flash"),
    "ram_bytes": Gate("ram", "B", "ram"),
    "latency_ms": Gate("latency", "ms", "latency"),
    "macro_f1_min": Gate("macro F1", "", "macro_f1", at_least=True),
    "accuracy_min": Gate("accuracy", "", "accuracy", at_least=True),
    "mean_error_m_max": Gate("mean error", "m", "mean_error"),
    "p90_error_m_max": Gate("P90 error", "m", "p90_error"),
    "floor_hit_min": Gate("floor hit", "", "floor_hit", at_least=True),
    "energy_uj_max": Gate("energy", "uJ", "energy"),
    "current_ua_max": Gate("current", "uA", "current"),
}
BOARD_LIMITS = ("flash_bytes", "ram_bytes", "latency_ms")
SIZES = {"K": 1024, "KB": 1024, "M": 1024**2, "MB": 1024**2, "B": 1, "": 1}


def parse_requirements(text: str) -> Budget:
    """Read figures of the command line, such as `ram=16K,flash=64K,macro_f1=0.75`.

    Raises:
        RequirementError: unknown names, or values that are none; everything at once.
    """
    keys = {gate.short: key for key, gate in GATES.items()} | {key: key for key in GATES}
    found: dict[str, float] = {}
    problems = []
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        key = keys.get(name)
        if not equals or key is None:
            problems.append(
                f"{part!r}: write NAME=VALUE with one of {', '.join(gate.short for gate in GATES.values())}"
            )
        elif key in found:
            problems.append(f"{name} stands twice")
        else:
            number = _number(value, key.endswith("_bytes"))
            if number is None:
                problems.append(f"{part!r}: {value!r} is no number{' of bytes' if key.endswith('_bytes') else ''}")
            else:
                found[key] = number
    if not problems and not found:
        problems.append("nothing is required; write NAME=VALUE, such as macro_f1=0.75")
    if problems:
        raise RequirementError("; ".join(problems))
    whole = {key: int(value) if key.endswith("_bytes") else value for key, value in found.items()}
    try:
        return Budget.model_validate(whole)
    except ValidationError as error:
        raise RequirementError(f"{text}: {'; '.join(problems_of(error))}") from error


def _number(text: str, of_bytes: bool) -> float | None:
    digits = text.rstrip("KMBkmb") if of_bytes else text
    suffix = text[len(digits) :].upper()
    try:
        return float(digits) * SIZES[suffix]
    except (ValueError, KeyError):
        return None


def joined(first: Budget, second: Budget) -> Budget:
    """Both, the second where both say something."""
    return Budget(**{**first.model_dump(), **second.model_dump(exclude_none=True)})


def average_microamp(energy: Energy | None, rate_hz: float) -> float | None:
    """Sleep current and inferences at a sample rate; None where the board has no figures."""
    if energy is None or not energy.volts or energy.sleep_microamp is None:
        return None
    return energy.sleep_microamp + energy.microjoule * rate_hz / energy.volts


def used_figures(
    flash_bytes: int, ram_bytes: int, latency_ms: float | None, quality: Quality, energy: Energy | None, rate_hz: float
) -> dict[str, float | None]:
    """What each key of `Budget` is held against; None where it was not measured."""
    errors = quality.errors_m or {}
    return {
        "flash_bytes": flash_bytes,
        "ram_bytes": ram_bytes,
        "latency_ms": latency_ms,
        "macro_f1_min": quality.macro_f1,
        "accuracy_min": quality.accuracy,
        "mean_error_m_max": errors.get("mean"),
        "p90_error_m_max": errors.get("p90"),
        "floor_hit_min": quality.floor_hit,
        "energy_uj_max": None if energy is None else energy.microjoule,
        "current_ua_max": average_microamp(energy, rate_hz),
    }


def budget_lines(
    board: Board, recipe: Mapping[str, float], required: Mapping[str, float], used: Mapping[str, float | None]
) -> list[BudgetLine]:
    """Every limit and gate that is set, with what was used.

    Args:
        board: its limits of flash, RAM and latency hold unless the command line names others.
        recipe: keys of `Budget`; limits of bytes and latency count where they are lower.
        required: the same, of the command line.
        used: as `used_figures` gives it. A limit of the board or the recipe without a figure is left out.
    """
    lines = []
    for key, gate in GATES.items():
        amount, limits = used.get(key), []
        if key in required:
            limits.append((float(required[key]), "command line"))
        elif key in BOARD_LIMITS:
            limits.append((float(getattr(board.budget, key)), "board"))
        if key in recipe:
            limits.append((float(recipe[key]), "recipe"))
        if amount is None or not limits:
            continue
        limit, source = (max if gate.at_least else min)(limits, key=lambda pair: pair[0])
        lines.append(
            BudgetLine(name=gate.line, used=amount, limit=limit, unit=gate.unit, source=source, at_least=gate.at_least)
        )
    return lines


def unanswerable(required: Mapping[str, float], golden: bool, used: Mapping[str, float | None]) -> list[str]:
    """What the command line asks for and this evaluation cannot say."""
    problems = [
        f"{GATES[key].short} is asked for, but the samples are golden scans: made up, without quality"
        for key in required
        if golden and key in QUALITY_GATES
    ]
    return problems + [
        f"{GATES[key].short} is asked for and was not measured: the data or the board have no such figure"
        for key in required
        if used.get(key) is None and not (golden and key in QUALITY_GATES)
    ]
