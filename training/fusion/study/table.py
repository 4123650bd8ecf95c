"""Tables and figures from the JSON of the study; nothing is computed anew."""

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.study.field import FieldRecord
from tinyloc.training.fusion.study.field_table import field_table, forecast_table
from tinyloc.training.fusion.study.forecasts import ForecastRecord
from tinyloc.training.fusion.study.range_comparison import RangeRecord, draw_ranges, range_table
from tinyloc.training.fusion.study.real import RealRecord
from tinyloc.training.fusion.study.record import METHODS, StudyRecord
from tinyloc.training.fusion.study.variants import VariantRecord, variant_table

_GOALS = {"max steered / fixed": 0.50, "steered / steered_undistilled": 0.80, "steered / gated": 1.0}
GOALS = {"corridor": {"steered / fixed": 0.50, **_GOALS}, "loop": {"steered / fixed": 0.37, **_GOALS}}
"""Ratios that were asked for."""
PUBLISHED = {
    "corridor": {"fixed": (0.90, 1.80), "adaptive_undistilled": (0.60, 1.45), "adaptive": (0.45, 0.85)},
    "loop": {"fixed": (1.34, 4.05), "adaptive_undistilled": (0.63, 2.50), "adaptive": (0.49, 1.97)},
}
"""RMSE and greatest error in metres of KD-EKF (arXiv 2603.18027), on other walks in other places."""


def load_records(results: Path) -> tuple[list[StudyRecord], RealRecord | None]:
    """What `tinyloc fusion run` wrote. Raises FusionError when there is nothing."""
    sites = [results / f"{name}.json" for name in ("corridor", "loop")]
    try:
        records = [
            StudyRecord.model_validate_json(path.read_text(encoding="utf-8")) for path in sites if path.is_file()
        ]
        real = results / "real.json"
        recordings = RealRecord.model_validate_json(real.read_text(encoding="utf-8")) if real.is_file() else None
    except ValueError as error:
        raise FusionError(f"{results}: not results of this version ({error}); run `tinyloc fusion run` again") from None
    if not records and recordings is None:
        raise FusionError(f"{results}: no results here; make them with `tinyloc fusion run`")
    return records, recordings


def site_table(record: StudyRecord) -> str:
    """Markdown of one simulated site: errors in metres with 95 % intervals, then the ratios against the goals."""
    lines = [
        f"### {record.site}: {record.title}",
        "",
        f"{record.settings.test_walks} walks; metres, mean over walks [95 % interval by the bootstrap].",
        "",
        "| method | mean | RMSE | max | max after 3 s | published RMSE, max |",
        "|---|---|---|---|---|---|",
    ]
    for method, score in record.scores.items():
        there = PUBLISHED.get(record.site, {}).get(method)
        cells = [f"{v.mean:.2f} [{v.low:.2f}, {v.high:.2f}]" for v in (score.mean, score.rmse, score.maximum)]
        settled = score.settled
        cells.append(f"{settled.mean:.2f} [{settled.low:.2f}, {settled.high:.2f}]" if settled else "")
        known = f"{there[0]:.2f}, {there[1]:.2f}" if there else ""
        lines.append(f"| {METHODS[method]} | {' | '.join(cells)} | {known} |")
    lines += ["", "| ratio | reached | goal | |", "|---|---|---|---|"]
    goals = GOALS.get(record.site, {})
    for name, value in record.ratios.items():
        goal = goals.get(name)
        verdict = "" if goal is None else ("reached" if value.mean <= goal else "not reached")
        shown = "" if goal is None else f"{goal:.2f}"
        lines.append(f"| {name} | {value.mean:.2f} [{value.low:.2f}, {value.high:.2f}] | {shown} | {verdict} |")
    if record.off_route:
        lines += ["", "Along a route that no student was trained on:", ""]
        lines += ["| method | RMSE | max | / fixed |", "|---|---|---|---|"]
        base = record.off_route["fixed"].rmse.mean
        for method, score in record.off_route.items():
            cells = [f"{v.mean:.2f} [{v.low:.2f}, {v.high:.2f}]" for v in (score.rmse, score.maximum)]
            lines.append(f"| {METHODS[method]} | {' | '.join(cells)} | {score.rmse.mean / base:.2f} |")
    forecasts = ", ".join(f"{name} {value:.3f}" for name, value in record.forecast_rmse_m.items())
    lines += [
        "",
        f"Next position, one epoch ahead, RMSE in m: {forecasts}. Student {record.student_bytes} bytes, teacher "
        f"{record.teacher_parameters} parameters.",
    ]
    return "\n".join(lines) + "\n"


def real_table(record: RealRecord) -> str:
    """Markdown of the real recordings."""
    methods = ("uwb", "fixed", "gated", "adaptive", "variance", "steered")
    lines = [
        "### Real recordings",
        "",
        "RMSE in metres; set and trained on the simulated room alone. * a person blocks one anchor.",
        "",
        f"| recording | epochs | {' | '.join(methods)} | adaptive / fixed | steered / fixed |",
        "|---|---|" + "---|" * (len(methods) + 2),
    ]
    for row in record.rows:
        cells = " | ".join(f"{row.rmse[m]:.3f}" for m in methods)
        fixed = row.rmse["fixed"]
        name = f"{row.name}{' *' if row.blocked else ''}"
        lines.append(
            f"| {name} | {row.epochs} | {cells} "
            f"| {row.rmse['adaptive'] / fixed:.2f} | {row.rmse['steered'] / fixed:.2f} |"
        )
    for title, chosen in (
        ("blocked", [r for r in record.rows if r.blocked]),
        ("not blocked", [r for r in record.rows if not r.blocked]),
    ):
        lines.append("")
        for method in ("adaptive", "variance", "steered"):
            ratios = [r.rmse[method] / r.rmse["fixed"] for r in chosen]
            worse = sum(ratio > 1.02 for ratio in ratios)
            lines.append(
                f"- {title}, {method} / fixed: mean {sum(ratios) / len(ratios):.3f}, worst {max(ratios):.3f}; "
                f"{worse} of {len(ratios)} worse by more than 2 %."
            )
    return "\n".join(lines) + "\n"


def load_field(results: Path) -> tuple[FieldRecord | None, ForecastRecord | None, RangeRecord | None]:
    """The field study, the forecasts, the range errors, where they were made. Raises FusionError."""
    names: dict[str, type[BaseModel]] = {"field": FieldRecord, "forecasts": ForecastRecord, "ranges": RangeRecord}
    found: dict[str, Any] = {}
    for name, kind in names.items():
        path = results / f"{name}.json"
        try:
            content = path.read_text(encoding="utf-8") if path.is_file() else None
            found[name] = None if content is None else kind.model_validate_json(content)
        except ValueError as error:
            raise FusionError(
                f"{path}: not results of this version ({error}); run `tinyloc fusion run` again"
            ) from None
    return found["field"], found["forecasts"], found["ranges"]


def tables(results: Path) -> str:
    """All tables as Markdown."""
    field, forecasts, ranges = load_field(results)
    parts = [field_table(field)] if field is not None else []
    parts += [forecast_table(forecasts)] if forecasts is not None else []
    parts += [range_table(ranges)] if ranges is not None else []
    try:
        records, real = load_records(results)
    except FusionError:
        if not parts:
            raise
        records, real = [], None
    parts += [site_table(record) for record in records]
    variants = results / "variants.json"
    if variants.is_file():
        parts.append(variant_table(VariantRecord.model_validate_json(variants.read_text(encoding="utf-8"))))
    if real is not None:
        parts.append(real_table(real))
    return "\n".join(parts)


def draw(results: Path, out: Path) -> list[Path]:
    """SVG files in `out`: distributions of the errors of each site, and its first test walk as the filters saw it."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyloc"
    from matplotlib import pyplot

    from tinyloc.training.fusion.filters.batch import prepare
    from tinyloc.training.fusion.filters.tuning import track
    from tinyloc.training.fusion.simulation.simulate import simulate
    from tinyloc.training.fusion.simulation.sites import site
    from tinyloc.training.fusion.students.student_files import load_student
    from tinyloc.training.fusion.study.record import TEST_SEED

    records, _ = load_records(results)
    written = []
    out.mkdir(parents=True, exist_ok=True)
    levels = [*range(5, 100, 5), 99]
    for record in records:
        figure, axes = pyplot.subplots(figsize=(6.4, 4.0))
        for method in ("uwb", "fixed", "gated", "adaptive", "variance", "steered", "particle"):
            if method in record.scores:
                axes.plot(record.scores[method].quantiles_m, levels, label=METHODS[method])
        axes.set(xlabel="error, m", ylabel="share of epochs, %", title=record.title, xlim=(0, 5))
        axes.grid(alpha=0.3)
        axes.legend(fontsize=7, loc="lower right")
        path = out / f"{record.site}-errors.svg"
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
        written.append(path)
        place, student = site(record.site), load_student(results / f"{record.site}-student.json")
        batch = prepare([simulate(place, TEST_SEED)])
        figure, axes = pyplot.subplots(figsize=(6.4, 4.4))
        for wall in place.walls:
            axes.plot((wall.x0, wall.x1), (wall.y0, wall.y1), color="black", linewidth=1.5)
        axes.plot(*place.anchors.T, "^", color="black", label="anchors")
        axes.plot(*batch.fix_m[0][batch.fixed[0]].T, ".", color="0.75", markersize=3, label=METHODS["uwb"])
        axes.plot(*batch.truth_m[0].T, color="tab:green", linewidth=2, label="truth")
        for method in ("fixed", "adaptive", "steered"):
            found = track(batch, record.tuned[method], student)
            axes.plot(*found.position_m[0].T, linewidth=1, label=METHODS[method])
        low, high = place.anchors.min(axis=0) - 4, batch.truth_m[0].max(axis=0) + 4
        axes.set(xlabel="x, m", ylabel="y, m", xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
        axes.legend(fontsize=6, loc="upper left")
        path = out / f"{record.site}-walk.svg"
        figure.savefig(path, metadata={"Date": None})
        pyplot.close(figure)
        written.append(path)
    ranges = load_field(results)[2]
    if ranges is not None:
        draw_ranges(ranges, out / "ranges.svg")
        written.append(out / "ranges.svg")
    return written
