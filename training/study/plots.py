"""Pareto plots of a study: macro F1 against flash, RAM, cycles and energy, as SVG that is the same each time."""

from collections.abc import Sequence
from pathlib import Path

from tinyloc.training.study.record import CellRecord
from tinyloc.training.study.summary import Row, rows
from tinyloc.training.study.tables import BUDGETS_KB

AXES = (("flash_bytes", "flash, KB", 1024.0), ("ram_bytes", "RAM, KB", 1024.0), ("cycles", "cycles a sample", 1.0),
        ("energy_uj", "energy a sample, µJ", 1.0))  # fmt: skip
MARKERS = {"mamba": "o", "mdcsa": "s", "mlp": "^", "lstm": "D", "gru": "v"}
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f")


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points (cost, quality) that no other beats in both, cheapest first."""
    order = sorted(range(len(points)), key=lambda index: (points[index][0], -points[index][1]))
    front, best = [], float("-inf")
    for index in order:
        if points[index][1] > best:
            front.append(index)
            best = points[index][1]
    return front


def draw(records: Sequence[CellRecord], board: str, out: Path) -> list[Path]:
    """One SVG a data set: four panels for that board. Returns the files; none for data without an image of it."""
    written = []
    found = [row for row in rows(records) if board in row.boards]
    for data in sorted({row.data for row in found}):
        path = out / f"pareto-{data}-{board}.svg"
        _figure([row for row in found if row.data == data], data, board, path)
        written.append(path)
    return written


def _figure(found: list[Row], data: str, board: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyloc"  # the same ids each time
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(10, 7.5), sharey=True)
    kinds = sorted({(row.training, row.form) for row in found})
    for panel, (name, title, unit) in zip(panels.flat, AXES, strict=True):
        points = [(getattr(row.boards[board], name) / unit, row.macro_f1.mean) for row in found]
        for row, (cost, quality) in zip(found, points, strict=True):
            colour = COLOURS[kinds.index((row.training, row.form)) % len(COLOURS)]
            panel.errorbar(
                cost, quality, yerr=row.macro_f1.deviation or None, fmt=MARKERS.get(row.architecture, "x"),
                color=colour, markersize=5, capsize=2, elinewidth=0.8,
            )  # fmt: skip
        front = pareto(points)
        panel.step([points[i][0] for i in front], [points[i][1] for i in front], where="post", color="0.6", lw=0.8)
        for index in front:
            panel.annotate(found[index].model, points[index], fontsize=6, xytext=(3, 3), textcoords="offset points")
        if unit == 1024.0:
            _limits(panel, max(cost for cost, _ in points))
        panel.set_xlabel(title)
        panel.set_xlim(left=0)
    for panel in panels[:, 0]:
        panel.set_ylabel("macro F1")
    marks = [
        pyplot.Line2D([], [], color=COLOURS[i % len(COLOURS)], marker="o", ls="", label=f"{training}, {form}")
        for i, (training, form) in enumerate(kinds)
    ]
    marks += [
        pyplot.Line2D([], [], color="0.3", marker=MARKERS.get(name, "x"), ls="", label=name)
        for name in sorted({row.architecture for row in found})
    ]
    figure.legend(handles=marks, loc="lower center", ncol=4, fontsize=7)
    figure.suptitle(f"{data} on {board}: mean over seeds, bars are the standard deviation")
    figure.tight_layout(rect=(0, 0.07, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _limits(panel: object, largest: float) -> None:
    """The 20, 32 and 64 KB lines that lie within or just beyond the points."""
    for limit in BUDGETS_KB:
        if limit <= 1.6 * largest or limit == BUDGETS_KB[0]:
            panel.axvline(limit, color="0.5", lw=0.7, ls="--")  # type: ignore[attr-defined]
            panel.text(limit, 0.01, f"{limit} KB", rotation=90, fontsize=6, transform=panel.get_xaxis_transform())  # type: ignore[attr-defined]
