"""Markdown of the field study and of the forecasts, from their records; nothing is computed anew but ratios."""

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.scores import RESAMPLES, Interval
from tinyloc.training.fusion.study.field import FieldRecord, WalkRow
from tinyloc.training.fusion.study.forecasts import ForecastRecord

Floats = npt.NDArray[np.float64]
METHODS = {
    "gated": "innovation gate",
    "robust": "robust fixes, no student",
    "steered": "student without the gate",
    "guarded": "guarded",
}
GOAL_BLOCKED, GOAL_LARGEST, GOAL_FREE, GOAL_SETTING = 0.80, 0.75, 1.02, 0.60
LEAST_WALKS = 3
PUBLISHED = {"language model, 8B": 0.31, "language model, 1B, undistilled": 1.87, "the same, distilled": 1.23}
"""ATE RMSE in m as KD-EKF (arXiv 2603.18027) has them, on its own walks."""


def ratios(walks: list[WalkRow], method: str, largest: bool = False, rival: str = "fixed") -> Floats:
    """(walks, seeds) of a method's error over the rival's on the same walk."""
    rows = []
    for walk in walks:
        values = walk.maximum if largest else walk.rmse
        rows.append(np.array(values[method]) / np.array(values[rival]))
    return np.array(rows)


def over_walks_and_seeds(values: Floats) -> Interval:
    """Mean of (walks, seeds) with the 95 % interval of a bootstrap that draws walks and seeds."""
    generator = np.random.default_rng(0)
    walks, seeds = values.shape
    means = [
        values[np.ix_(generator.integers(0, walks, walks), generator.integers(0, seeds, seeds))].mean()
        for _ in range(RESAMPLES)
    ]
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(mean=round(float(values.mean()), 3), low=round(float(low), 3), high=round(float(high), 3))


def verdict(value: Interval) -> str:
    """Whether a ratio is beyond its interval."""
    return "better" if value.high < 1.0 else ("worse" if value.low > 1.0 else "no difference")


def field_table(record: FieldRecord) -> str:
    """Markdown of the groups: ratios to the fixed filter, and the goals."""
    seeds = len(record.settings.seeds)
    lines = [
        "### Guarded filter: people, buildings and routes that are new",
        "",
        f"{seeds} network seeds; ratio to the fixed filter of the same walk, mean over walks and seeds [95 %, walks and"
        " seeds drawn]; the fixed filter is tuned on the training walks, the gate on the validation walks.",
        "",
        "| walks | data | which | count | fixed, RMSE | robust | no gate | guarded | largest error | 95th percentile |",
        "|---|---|---|---:|---:|---:|---:|---|---|---:|",
    ]
    for group in record.groups:
        for blocked in (True, False):
            walks = [walk for walk in group.walks if walk.blocked == blocked]
            if len(walks) < LEAST_WALKS:
                continue
            fixed = float(np.mean([walk.rmse["fixed"][0] for walk in walks]))
            guarded = over_walks_and_seeds(ratios(walks, "guarded"))
            largest = over_walks_and_seeds(ratios(walks, "guarded", largest=True))
            top = float(np.quantile(ratios(walks, "guarded").mean(axis=1), 0.95))
            others = [float(ratios(walks, method).mean()) for method in ("robust", "steered")]
            which = "blocked" if blocked else "free"
            lines.append(
                f"| {group.name} | {group.kind} | {which} | {len(walks)} | {fixed:.2f} m | {others[0]:.2f} "
                f"| {others[1]:.2f} | {_shown(guarded)}, {verdict(guarded)} | {_shown(largest)} | {top:.3f} |"
            )
    lines += ["", *(f"- {group.name}: {group.what}" for group in record.groups), ""]
    lines += ["| goal | asked | reached | |", "|---|---:|---:|---|"]
    for name, asked, value in goals(record):
        lines.append(f"| {name} | {asked:.2f} | {value:.3f} | {'reached' if value <= asked else 'not reached'} |")
    few = [walk for group in record.groups if group.name == "new-buildings" for walk in group.walks]
    taught = over_walks_and_seeds(ratios(few, "guarded_few_distilled", rival="guarded_few"))
    plenty = over_walks_and_seeds(ratios(few, "guarded", rival="robust"))
    lines += [
        "",
        f"Truth of {record.settings.few_walks} walks only, new buildings: distilled / undistilled {_shown(taught)}, "
        f"{verdict(taught)}{'' if taught.mean <= GOAL_BLOCKED else ': distillation is not worth it here'}.",
        f"Student and gate against robust fixes alone, new buildings: {_shown(plenty)}, {verdict(plenty)}.",
        "",
        "Next position, one epoch ahead, new buildings, RMSE in m: "
        + ", ".join(f"{name} {np.mean(values):.3f}" for name, values in record.forecast_rmse_m.items())
        + f". Student {record.student_bytes} bytes.",
    ]
    return "\n".join(lines) + "\n"


def goals(record: FieldRecord) -> list[tuple[str, float, float]]:
    """Name, what was asked, what was reached."""
    found: list[tuple[str, float, float]] = []
    for group in record.groups:
        blocked = [walk for walk in group.walks if walk.blocked]
        free = [walk for walk in group.walks if not walk.blocked]
        if group.name.endswith("-detour") or group.name.endswith("-usual"):
            found.append((f"{group.name}, RMSE", GOAL_SETTING, float(ratios(group.walks, "guarded").mean())))
            continue
        if len(blocked) >= LEAST_WALKS:
            found.append((f"{group.name}, blocked, RMSE", GOAL_BLOCKED, float(ratios(blocked, "guarded").mean())))
            largest = float(ratios(blocked, "guarded", largest=True).mean())
            found.append((f"{group.name}, blocked, largest error", GOAL_LARGEST, largest))
        if len(free) >= LEAST_WALKS:
            top = float(np.quantile(ratios(free, "guarded").mean(axis=1), 0.95))
            found.append((f"{group.name}, free, 95th percentile of walks", GOAL_FREE, top))
    return found


def forecast_table(record: ForecastRecord) -> str:
    """Markdown of teachers and students."""
    lines = [
        "### Teachers and students: ATE RMSE of the next position (simulated)",
        "",
        f"Windows of eleven positions a second apart, 6,000 of 11 trajectories and 1,000 of 11 others; "
        f"{len(record.settings.seeds)} seeds, mean ± standard deviation in m. Published: "
        + ", ".join(f"{name} {value:.2f} m" for name, value in PUBLISHED.items())
        + " (other walks).",
        "",
        "| teacher | parameters | windows | read / mute / too far | ATE RMSE | rivals on the same windows |",
        "|---|---:|---:|---|---:|---|",
    ]
    for row in record.teachers:
        counts = " / ".join(str(row.outcomes.get(key, 0)) for key in ("said", "mute", "far"))
        same = ", ".join(f"{name} {value:.2f}" for name, value in row.same_windows_m.items())
        lines.append(f"| {row.name} | {row.parameters:,} | {row.windows} | {counts} | {_spread(row.ate_m)} | {same} |")
    lines += [
        "",
        f"| student of {record.student_parameters:,} parameters: teacher | loss | truth of walks | ATE RMSE |",
        "|---|---|---:|---:|",
    ]
    for student in record.students:
        lines.append(f"| {student.teacher} | {student.loss} | {student.truth_walks} | {_spread(student.ate_m)} |")
    return "\n".join(lines) + "\n"


def _shown(value: Interval) -> str:
    return f"{value.mean:.2f} [{value.low:.2f}, {value.high:.2f}]"


def _spread(values: list[float]) -> str:
    return f"{np.mean(values):.3f}" + (f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else "")
