"""How a model stands beside simple methods, in words: no more than was measured."""

from tinyloc.bundle.comparison import Baseline, Comparison
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.numbers import grouped, metres, score, size

FIGURE_NAMES = {
    "macro_f1": "macro F1",
    "accuracy": "accuracy",
    "floor_hit": "floor",
    "building_hit": "building",
    "error_mean_m": "mean error",
    "error_p50_m": "P50",
    "error_p75_m": "P75",
    "error_p90_m": "P90",
    "evaal_m": "EvAAL",
}
BASELINE_COLUMNS = tuple(FIGURE_NAMES)
INTERVALS = {True: ("error_mean_m", "error_p50_m", "error_p75_m", "error_p90_m"), False: ("macro_f1", "accuracy")}
"""Figures whose intervals are told, by whether a decision is a position."""
MAIN = {True: "error_mean_m", False: "macro_f1"}


def figure_text(name: str, value: float) -> str:
    """A figure by its name: metres with their unit, shares to three digits."""
    return metres(value) if name.endswith("_m") else score(value)


def interval_lines(evaluation: Evaluation) -> list[str]:
    """Say the intervals of the device's figures; nothing where what was taken together is not known."""
    found = evaluation.device.intervals
    if not found:
        return []
    errors = evaluation.device.errors_m
    positions = evaluation.comparison.positions if evaluation.comparison else errors is not None
    names = [name for name in INTERVALS[positions] if name in found]
    shown = [f"{FIGURE_NAMES[name]} {' to '.join(figure_text(name, end) for end in found[name])}" for name in names]
    by = ""
    if evaluation.comparison is not None:
        by = f" (bootstrap over {grouped(evaluation.comparison.units)} {_plural(evaluation.comparison.unit)})"
    return [f"95 % intervals{by}: {', '.join(shown)}."]


def coverage_lines(evaluation: Evaluation) -> list[str]:
    """Say how many decisions are answered, and how good those are; nothing where every sample gets an answer."""
    found = evaluation.coverage
    if found is None:
        return []
    good = ""
    if found.accuracy is not None and found.macro_f1 is not None:
        good = f", accuracy {score(found.accuracy)} and macro F1 {score(found.macro_f1)} among them"
    lines = [
        f'{100 * found.answered:.1f} % of the decisions are answered{good}; the others are "unknown". Accuracy over '
        f'all counts the class that an "unknown" hides. {grouped(found.silent)} samples hear nothing.'
    ]
    if found.mismatches:
        lines.append(f'Device and host disagree on {grouped(found.mismatches)} "unknown" answers.')
    return lines


def standing(comparison: Comparison) -> list[str]:
    """Compare the float model with each method that learns, in a sentence each, and name the versions of the rules."""
    lines = [line for each in comparison.baselines if each.data_bytes and (line := _beside(each, comparison))]
    versions = comparison.protocol
    simulator = "" if versions.simulator is None else f", simulator {versions.simulator}"
    return [*lines, f"Rules: evaluation {versions.evaluation}, splits {versions.splits}{simulator}."]


def _beside(baseline: Baseline, comparison: Comparison) -> str:
    name = MAIN[comparison.positions]
    found = baseline.differences.get(name)
    if found is None:
        return ""
    ends = f"95 % interval {_signed(name, found.low)} to {_signed(name, found.high)}"
    what = f"{baseline.name} ({baseline.settings}), {size(baseline.data_bytes)} of data"
    if not found.clear:
        return f"No clear difference in {FIGURE_NAMES[name]} between the float model and {what} ({ends})."
    better = (found.mean < 0) == comparison.positions
    verb = "ahead of" if better else "BEHIND"
    return f"The float model is {verb} {what}: {FIGURE_NAMES[name]} {_signed(name, found.mean)} ({ends})."


def _signed(name: str, value: float) -> str:
    return f"{value:+.2f} m" if name.endswith("_m") else f"{value:+.3f}"


def _plural(unit: str) -> str:
    return f"{unit}es" if unit == "stretch" else f"{unit}s"
