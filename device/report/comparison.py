"""One page that compares evaluations: models x boards x arithmetics x back ends."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.report.numbers import grouped, microjoules, score, size
from tinyloc.device.report.page import environment
from tinyloc.device.report.summary import latency_ms
from tinyloc.device.report.verdict import headline

MARGIN = 1.12
NEAR = 6.0
"""Percent of an axis: labels of dots that are nearer than this on both axes would overlap."""
LIMIT_WIDTH = 17.0
"""Percent of the horizontal axis that the label of a limit takes."""


@dataclass(frozen=True)
class Quantity:
    """What a model costs, one of the horizontal axes."""

    title: str
    value: Callable[[Evaluation], float | None]
    text: Callable[[float], str]
    budget: str = ""
    """Name of the budget line that limits it, "" for none."""


QUANTITIES = (
    Quantity("flash, whole image", lambda e: e.flash.total, size, "flash"),
    Quantity("RAM, total", lambda e: e.ram.total, size, "ram"),
    Quantity("cycles per sample", lambda e: e.cycles.median if e.cycles else None, grouped),
    Quantity("energy per sample", lambda e: e.energy.microjoule if e.energy else None, microjoules),
)


@dataclass(frozen=True)
class Dot:
    x: float  # percent of the axis
    y: float  # percent from the bottom
    number: int  # row of the table, from 1
    label: str  # "" where the label of another dot names this one, too
    best: bool  # no other of the same data is at least as good and costs less
    title: str


@dataclass(frozen=True)
class Plot:
    """Macro F1 against one quantity."""

    title: str
    dots: list[Dot]
    limits: list[tuple[float, str]]
    beyond: str  # limits that lie beyond the axis
    largest: str
    scale: list[tuple[float, str]]


@dataclass(frozen=True)
class Row:
    number: int
    evaluation: Evaluation
    latency: float | None
    headline: str
    page: str = ""
    """Address of its own page, "" where there is none."""
    deltas: dict[str, str] = field(default_factory=dict)
    """Change of macro F1, flash, RAM and cycles against the first row of the same samples and board."""
    flash_share: float = 0.0
    """Percent of the largest flash of the page."""
    ram_share: float = 0.0


def pareto(points: Sequence[tuple[float, float]]) -> list[bool]:
    """For (cost, score) pairs: whether no other point costs no more and scores no less, being better in one."""
    return [not any(c <= cost and s >= value and (c < cost or s > value) for c, s in points) for cost, value in points]


def numbers(rows: Sequence[int]) -> str:
    """Write sorted numbers in short: 1, 2, 3, 7 -> "1–3, 7"."""
    runs: list[list[int]] = []
    for number in rows:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    shown = [f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs]
    return ", ".join(shown)


def joined_labels(places: Sequence[tuple[int, float, float]]) -> dict[int, str]:
    """Join the labels of dots that lie together.

    Args:
        places: number, x and y in percent of the axes, of each dot.

    Returns:
        The label of each dot by its number. The rightmost dot of a group names all of the group, the others are "".
    """
    groups: list[list[tuple[int, float, float]]] = []
    for place in places:
        _, x, y = place
        near = (g for g in groups if any(abs(x - other) < NEAR and abs(y - above) < NEAR for _, other, above in g))
        group = next(near, None)
        if group is None:
            groups.append([place])
        else:
            group.append(place)
    labels = {number: "" for number, _, _ in places}
    for group in groups:
        named, _, _ = max(group, key=lambda place: place[1])
        labels[named] = numbers(sorted(number for number, _, _ in group))
    return labels


def joined_limits(limits: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Join the labels of limits that lie together: the last of a group names all of the group, the others are ""."""
    joined: list[tuple[float, str]] = []
    for x, text in limits:
        if joined and x - joined[-1][0] < LIMIT_WIDTH:
            before, label = joined[-1]
            joined[-1] = (before, "")
            text = f"{label}, {text}"
        joined.append((x, text))
    return joined


def _limits(quantity: Quantity, rows: Sequence[Row]) -> list[float]:
    """Give the limits that the evaluations were held to, each once."""
    return sorted({line.limit for row in rows for line in row.evaluation.budget if line.name == quantity.budget})


def _samples(evaluation: Evaluation) -> tuple[str, str]:
    """Data set and kind of its samples: only scores on the same samples compare."""
    return evaluation.data, evaluation.samples_from


def _plot(quantity: Quantity, rows: Sequence[Row]) -> Plot | None:
    known = [(row, cost) for row in rows if (cost := quantity.value(row.evaluation)) is not None]
    if not known:
        return None
    best: dict[int, bool] = {}
    for samples in {_samples(row.evaluation) for row, _ in known}:
        same = [(row, cost) for row, cost in known if _samples(row.evaluation) == samples]
        front = pareto([(cost, row.evaluation.device.macro_f1) for row, cost in same])
        best |= {row.number: mark for (row, _), mark in zip(same, front, strict=True)}
    largest = max(cost for _, cost in known) * MARGIN
    scores = [row.evaluation.device.macro_f1 for row, _ in known]
    bottom, top = max(0.0, min(scores) - 0.05), min(1.0, max(scores) + 0.05)
    places = {
        row.number: (100 * cost / largest, 100 * (row.evaluation.device.macro_f1 - bottom) / (top - bottom))
        for row, cost in known
    }
    labels = joined_labels([(number, x, y) for number, (x, y) in places.items()])
    dots = [
        Dot(
            x=places[row.number][0],
            y=places[row.number][1],
            number=row.number,
            label=labels[row.number],
            best=best[row.number],
            title=f"{row.evaluation.name}, {row.evaluation.arithmetic}, {row.evaluation.board}: "
            f"{score(row.evaluation.device.macro_f1)}, {quantity.text(cost)}",
        )
        for row, cost in known
    ]
    every = _limits(quantity, rows)
    limits = joined_limits([(100 * limit / largest, size(limit)) for limit in every if limit <= largest])
    beyond = ", ".join(size(limit) for limit in every if limit > largest)
    scale = [(25.0 * step, score(bottom + (top - bottom) * step / 4)) for step in range(5)]
    return Plot(quantity.title, dots, limits, beyond, quantity.text(largest), scale)


def _deltas(evaluation: Evaluation, first: Evaluation) -> dict[str, str]:
    """Signed changes against the first row of a group; none of the first row itself."""
    if evaluation is first:
        return {}
    f1 = evaluation.device.macro_f1 - first.device.macro_f1
    found = {"macro_f1": f"{f1:+.3f}"}
    for name, now, then in (
        ("flash", evaluation.flash.total, first.flash.total),
        ("ram", evaluation.ram.total, first.ram.total),
        ("cycles", evaluation.cycles and evaluation.cycles.median, first.cycles and first.cycles.median),
    ):
        if now and then:
            found[name] = f"{100 * (now / then - 1):+.0f} %"
    return found


def render_comparison(evaluations: Sequence[Evaluation], pages: Sequence[str] = ()) -> str:
    """The page as one HTML document, rows by data set, then model, board, arithmetic, back end.

    Args:
        evaluations: rows of the page.
        pages: relative address of each one's own page, in the same order; none without.
    """
    page_of = {id(each): page for each, page in zip(evaluations, pages, strict=False)}
    order = sorted(evaluations, key=lambda e: (*_samples(e), e.name, e.board, e.arithmetic, e.backend))
    first: dict[tuple[str, str, str], Evaluation] = {}
    for each in order:
        first.setdefault((*_samples(each), each.board), each)
    flash, ram = max(e.flash.total for e in order), max(e.ram.total for e in order)
    rows = [
        Row(
            place, e, latency_ms(e), headline(e), page_of.get(id(e), ""),
            _deltas(e, first[(*_samples(e), e.board)]), 100 * e.flash.total / flash, 100 * e.ram.total / ram,
        )
        for place, e in enumerate(order, 1)
    ]  # fmt: skip
    plots = [plot for quantity in QUANTITIES if (plot := _plot(quantity, rows)) is not None]
    return (
        environment()
        .get_template("comparison.html.j2")
        .render(rows=rows, plots=plots, golden=any(e.golden for e in order))
    )
