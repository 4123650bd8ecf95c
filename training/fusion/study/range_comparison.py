"""Simulated range errors beside the measured ones: results/fusion/ranges.json, its table and its plot."""

from pathlib import Path

import numpy as np
from pydantic import BaseModel

from tinyloc.files import write_whole
from tinyloc.training.fusion.recordings.measure import measure
from tinyloc.training.fusion.simulation.range_errors import KINDS, LEVELS, load_errors
from tinyloc.training.fusion.study.field_walks import TEST, Sizes, simulated


class RangeRow(BaseModel):
    """One kind of path: quantiles at LEVELS of range less distance in m."""

    kind: str
    source: str
    real_ranges: int
    real_m: list[float]
    lasting: float
    simulated_ranges: int
    simulated_m: list[float]
    """With the delay of the walls, which the simulator adds by geometry, and the calibration error of anchors."""


class RangeRecord(BaseModel):
    """All kinds, and in which share of the test buildings' ranges each occurs."""

    rows: list[RangeRow]
    share: dict[str, float]


def run_ranges(data: Path, out: Path) -> RangeRecord:
    """Measure the recordings anew, simulate the test buildings, and write both side by side."""
    real = measure(data)
    walks = simulated(TEST, Sizes().test_buildings, Sizes(), load_errors())
    errors, kinds = [], []
    for one in walks:
        walk = one.walk
        assert walk.obstacles is not None
        away = walk.ranges_m - np.linalg.norm(walk.truth_m[:, None] - walk.anchors_m[None], axis=2)
        errors.append(away.ravel())
        kinds.append(walk.obstacles.ravel())
    error, kind = np.concatenate(errors), np.concatenate(kinds)
    rows = []
    for index, name in enumerate(KINDS):
        here = error[(kind == index) & np.isfinite(error)]
        rows.append(
            RangeRow(
                kind=name, source=real.kinds[name].source, real_ranges=real.kinds[name].ranges,
                real_m=list(real.kinds[name].quantiles_m), lasting=real.kinds[name].lasting,
                simulated_ranges=len(here), simulated_m=[round(float(v), 3) for v in np.quantile(here, LEVELS)],
            )
        )  # fmt: skip
    record = RangeRecord(rows=rows, share={n: round(float((kind == k).mean()), 3) for k, n in enumerate(KINDS)})
    out.mkdir(parents=True, exist_ok=True)
    write_whole(out / "ranges.json", record.model_dump_json(indent=1) + "\n")
    return record


def range_table(record: RangeRecord) -> str:
    """Markdown: quantiles of both, kind by kind."""
    shown = (3, 6, 9, 10)
    names = " | ".join(f"{100 * LEVELS[n]:g} %" for n in shown)
    lines = [
        "### Range errors, real and simulated",
        "",
        "Range less distance in m. Simulated: 40 walks of the test buildings, with the delay of walls and calibration.",
        "",
        f"| between tag and anchor | | ranges | {names} | alike after 1 s |",
        "|---|---|---:|" + "---:|" * (len(shown) + 1),
    ]
    for row in record.rows:
        for whose, count, values, last in (
            (f"real: {row.source}", row.real_ranges, row.real_m, f"{row.lasting:.2f}"),
            (f"simulated, {100 * record.share[row.kind]:.0f} % of ranges", row.simulated_ranges, row.simulated_m, ""),
        ):
            cells = " | ".join(f"{values[n]:+.2f}" for n in shown)
            lines.append(f"| {row.kind} | {whose} | {count:,} | {cells} | {last} |")
    return "\n".join(lines) + "\n"


def draw_ranges(record: RangeRecord, path: Path) -> None:
    """Draw the distributions of both into an SVG file."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyloc"
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 2, figsize=(7.2, 5.0), sharey=True)
    for place, row in zip(axes.ravel(), record.rows, strict=True):
        place.plot(row.real_m, 100 * np.array(LEVELS), label="real")
        place.plot(row.simulated_m, 100 * np.array(LEVELS), "--", label="simulated")
        place.set(title=row.kind, xlim=(row.real_m[2] - 0.3, row.real_m[10] + 0.5), xlabel="range less distance, m")
        place.grid(alpha=0.3)
    axes[0, 0].legend(fontsize=7)
    axes[0, 0].set_ylabel("share of ranges, %")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)
