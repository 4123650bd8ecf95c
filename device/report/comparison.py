"""One page that compares evaluations: models x boards x arithmetics x back ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.numbers import grouped, microjoules, score, size
from tinyloc.device.report.page import environment
from tinyloc.device.report.summary import latency_ms
from tinyloc.device.report.verdict import headline

LIMITS = (20 * 1024, 32 * 1024, 64 * 1024)
"""Bytes; the parts' and the study's sizes, drawn where a quantity is memory."""
MARGIN = 1.12


@dataclass(frozen=True)
class Quantity:
    """What a model costs, one of the horizontal axes."""

    title: str
    value: Callable[[Evaluation], float | None]
    text: Callable[[float], str]
    limits: tuple[int, ...] = ()


QUANTITIES = (
    Quantity("flash, whole image", lambda e: e.flash.total, size, LIMITS),
    Quantity("RAM, total", lambda e: e.ram.total, size, LIMITS),
    Quantity("cycles per sample", lambda e: e.cycles.median if e.cycles else None, grouped),
    Quantity("energy per sample", lambda e: e.energy.microjoule if e.energy else None, microjoules),
)


@dataclass(frozen=True)
class Dot:
    x: float  # percent of the axis
    y: float  # percent from the bottom
    number: int  # row of the table, from 1
    best: bool  # no other of the same data is at least as good and costs less
    title: str


@dataclass(frozen=True)
class Plot:
    """Macro F1 against one quantity."""

    title: str
    dots: list[Dot]
    limits: list[tuple[float, str]]
    largest: str
    scale: list[tuple[float, str]]


@dataclass(frozen=True)
class Row:
    number: int
    evaluation: Evaluation
    latency: float | None
    headline: str


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For (cost, score) pairs: whether no other point costs no more and scores no less, being better in one."""
    return [not any(c <= cost and s >= value and (c < cost or s > value) for c, s in points) for cost, value in points]


def _plot(quantity: Quantity, rows: Sequence[Row]) -> Plot | None:
    known = [(row, cost) for row in rows if (cost := quantity.value(row.evaluation)) is not None]
    if not known:
        return None
    best: dict[int, bool] = {}
    for data in {row.evaluation.data for row, _ in known}:
        same = [(row, cost) for row, cost in known if row.evaluation.data == data]
        front = pareto([(cost, row.evaluation.device.macro_f1) for row, cost in same])
        best |= {row.number: mark for (row, _), mark in zip(same, front, strict=True)}
    largest = max(cost for _, cost in known) * MARGIN
    scores = [row.evaluation.device.macro_f1 for row, _ in known]
    bottom, top = max(0.0, min(scores) - 0.05), min(1.0, max(scores) + 0.05)
    dots = [
        Dot(
            x=100 * cost / largest,
            y=100 * (row.evaluation.device.macro_f1 - bottom) / (top - bottom),
            number=row.number,
            best=best[row.number],
            title=f"{row.evaluation.name}, {row.evaluation.arithmetic}, {row.evaluation.board}: "
            f"{score(row.evaluation.device.macro_f1)}, {quantity.text(cost)}",
        )
        for row, cost in known
    ]
    limits = [(100 * limit / largest, size(limit)) for limit in quantity.limits if limit < largest]
    scale = [(25.0 * step, score(bottom + (top - bottom) * step / 4)) for step in range(5)]
    return Plot(quantity.title, dots, limits, quantity.text(largest), scale)


def render_comparison(evaluations: Sequence[Evaluation]) -> str:
    """The page as one HTML document, rows by data set, then model, board, arithmetic, back end."""
    order = sorted(evaluations, key=lambda e: (e.data, e.name, e.board, e.arithmetic, e.backend))
    rows = [Row(place, e, latency_ms(e), headline(e)) for place, e in enumerate(order, 1)]
    plots = [plot for quantity in QUANTITIES if (plot := _plot(quantity, rows)) is not None]
    return environment().get_template("comparison.html.j2").render(rows=rows, plots=plots)
