"""Pareto plots of a study: macro F1 against flash, RAM, cycles and energy, as SVG that is the same each time."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tinyloc.study.record import CellRecord
from tinyloc.study.summary import Row, rows
from tinyloc.study.tables import BASELINE, BUDGETS_KB

KIB = 1024.0
AXES = (("flash_bytes", "flash, KB", KIB), ("ram_bytes", "RAM, KB", KIB), ("cycles", "cycles per sample", 1.0),
        ("energy_uj", "energy per sample, µJ", 1.0))  # fmt: skip
MARKERS = {"mamba": "o", "mdcsa": "s", "mlp": "^", "lstm": "D", "gru": "v"}
FILLED = "int8"
"""This form's marks are filled, the others' hollow."""
LEAST_SPAN = 0.02
"""Of macro F1 on the axis, so that a difference of nothing looks like one."""
COLOURS = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#8c564b", "#17becf", "#7f7f7f", "#e377c2",
           "#bcbd22", "#000000", "#aec7e8")  # fmt: skip
LEGEND_COLUMNS = 8


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
    """One SVG for each set of samples: four panels for that board. Returns the files; none without an image of it.

    Entries of [data] that differ in the recipe only share a plot, named after the data set.
    """
    written = []
    found = [row for row in rows(records) if board in row.boards]
    for source in dict.fromkeys(row.source for row in found):
        shown = [row for row in found if row.source == source]
        entries = {row.data for row in shown}
        name = shown[0].data if len(entries) == 1 else shown[0].data_set
        path = out / f"pareto-{name}-{board}.svg"
        _figure(shown, name + (" (simulated)" if shown[0].simulated else ""), board, path)
        written.append(path)
    return written


def _label(row: Row, found: Sequence[Row]) -> str:
    """What tells the row's model from the others of the plot."""
    several = len({other.data for other in found}) > 1, len({other.model for other in found}) > 1
    return ", ".join(name for name, tells in zip((row.data, row.model), several, strict=True) if tells) or row.model


def _figure(found: list[Row], data: str, board: str, path: Path) -> None:
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "tinyloc"  # the same ids each time
    matplotlib.rcParams["svg.fonttype"] = "none"  # text stays text
    from matplotlib import pyplot

    figure, panels = pyplot.subplots(2, 2, figsize=(11, 8.5), sharey=True)
    trainings = sorted({row.training for row in found}, key=lambda training: (training != BASELINE, training))
    colours = {training: COLOURS[at % len(COLOURS)] for at, training in enumerate(trainings)}
    for panel, (name, title, unit) in zip(panels.flat, AXES, strict=True):
        points = [(getattr(row.boards[board], name) / unit, row.macro_f1.mean) for row in found]
        for row, (cost, quality) in zip(found, points, strict=True):
            colour = colours[row.training]
            panel.errorbar(
                cost, quality, yerr=row.macro_f1.deviation or None, fmt=MARKERS.get(row.architecture, "x"),
                color=colour, mfc=colour if row.form == FILLED else "white", markersize=6, capsize=2, elinewidth=0.8,
            )  # fmt: skip
        front = pareto(points)
        panel.step([points[i][0] for i in front], [points[i][1] for i in front], where="post", color="0.6", lw=0.8)
        costs = [cost for cost, _ in points]
        if unit == KIB:
            _memory(panel, costs)
        else:
            panel.set_xlim(0, 1.08 * max(costs))
        _name_front(panel, [(points[index], _label(found[index], found)) for index in front])
        panel.set_xlabel(title)
    low, high = (edge(row.macro_f1.mean + side * row.macro_f1.deviation for row in found)
                 for edge, side in ((min, -1), (max, 1)))  # fmt: skip
    spare = max(0.1 * (high - low), (LEAST_SPAN - (high - low)) / 2)
    panels[0, 0].set_ylim(low - spare, high + spare)
    for panel in panels[:, 0]:
        panel.set_ylabel("macro F1")
    marks = [pyplot.Line2D([], [], color=colours[name], marker="o", ls="", label=name) for name in trainings]
    marks += [
        pyplot.Line2D([], [], color="0.3", marker="o", mfc="0.3" if form == FILLED else "white", ls="", label=form)
        for form in sorted({row.form for row in found}, reverse=True)
    ]
    marks += [
        pyplot.Line2D([], [], color="0.3", marker=MARKERS.get(architecture, "x"), ls="", label=architecture)
        for architecture in sorted({row.architecture for row in found})
    ]
    figure.legend(handles=marks, loc="lower center", ncol=min(len(marks), LEGEND_COLUMNS), fontsize=9)
    figure.suptitle(f"{data} on {board}: mean over seeds; bars: standard deviation")
    lines = -(-len(marks) // LEGEND_COLUMNS)
    figure.tight_layout(rect=(0, 0.025 + 0.025 * lines, 1, 1))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, metadata={"Date": None})
    pyplot.close(figure)


def _name_front(panel: Any, front: Sequence[tuple[tuple[float, float], str]]) -> None:
    """Each model of the front once, at its best point, on the side with more room."""
    places = {label: point for point, label in front}  # the last is the best
    low, high = panel.get_xlim()
    middle = math.sqrt(low * high) if panel.get_xscale() == "log" else (low + high) / 2
    for label, point in places.items():
        left = point[0] > middle
        panel.annotate(label, point, fontsize=8, xytext=(-5 if left else 5, 5), textcoords="offset points",
                       ha="right" if left else "left")  # fmt: skip


def _memory(panel: Any, costs: Sequence[float]) -> None:
    """KB on a logarithmic axis that shows every limit, however small the models are; a line at each."""
    panel.set_xscale("log", base=2)
    panel.set_xlim(0.8 * min(costs), 1.1 * max(*costs, *BUDGETS_KB))
    panel.xaxis.set_major_formatter(lambda kilobytes, _: f"{kilobytes:g}")
    for limit in BUDGETS_KB:
        panel.axvline(limit, color="0.5", lw=0.7, ls="--")
        panel.text(limit, 0.01, f"{limit} KB", rotation=90, fontsize=8, ha="right",
                   transform=panel.get_xaxis_transform())  # fmt: skip
