"""What a search found: the Pareto front as table, JSON and page, why the others were dropped, and the chosen recipe."""

import html
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna

from tinyloc.escape import markdown_text
from tinyloc.files import write_whole
from tinyloc.study.search import space
from tinyloc.study.search.cost import UNITS, Cost
from tinyloc.study.search.run import record_of
from tinyloc.study.search.settings import Objective, Search
from tinyloc.study.search.trial import TrialRecord
from tinyloc.study.tables import table

BEATEN = "another is as good and costs no more"
WIDTH, HEIGHT, EDGE = 640, 360, 50
"""Of the plot on the page, in CSS pixels."""


@dataclass(frozen=True)
class Candidate:
    """A trial that has ended."""

    number: int
    parameters: Mapping[str, Any]
    record: TrialRecord

    def values(self, objectives: Sequence[Objective]) -> tuple[float, ...]:
        """Smaller is better in each."""
        cost, quality = self.record.cost, self.record.quality
        assert cost is not None and quality is not None
        return tuple(-quality if name == "quality" else float(getattr(cost, name)) for name in objectives)


def candidates(study: optuna.Study) -> list[Candidate]:
    """All trials that have ended, in the order in which they were proposed."""
    return [
        Candidate(one.number, one.params, record_of(one))
        for one in study.get_trials(deepcopy=False)
        if one.state.is_finished()
    ]


def front(found: Sequence[Candidate], objectives: Sequence[Objective]) -> list[Candidate]:
    """Those within the budget that no other beats in one objective without losing in another, best quality first."""
    done = [one for one in found if one.record.status == "done"]
    values = {one.number: one.values(objectives) for one in done}

    def beaten(one: Candidate) -> bool:
        mine = values[one.number]
        return any(
            all(a <= b for a, b in zip(theirs, mine, strict=True)) and (theirs != mine or number < one.number)
            for number, theirs in values.items()
            if number != one.number
        )

    kept = [one for one in done if not beaten(one)]
    return sorted(kept, key=lambda one: values[one.number][objectives.index("quality")])


def hypervolume(points: Sequence[tuple[float, float]], corner: tuple[float, float]) -> float:
    """Area between a corner and the points that are below it in both coordinates; smaller is better in each."""
    area, edge = 0.0, corner[1]
    for x, y in sorted(points):
        if x < corner[0] and y < edge:
            area += (corner[0] - x) * (edge - y)
            edge = y
    return area


def spared(found: Sequence[Candidate]) -> int:
    """Trials that were never trained, because compiling showed that they do not fit."""
    return sum(one.record.status == "too large" and one.record.cost is None for one in found)


def as_json(search: Search, found: Sequence[Candidate]) -> dict[str, Any]:
    """Everything that the page and the table show."""
    best = {one.number for one in front(found, search.objectives)}
    return {
        "format": "tinyloc-search",
        "search": search.model_dump(mode="json"),
        "counts": dict(Counter(one.record.status for one in found)),
        "spared": spared(found),
        "trials": [
            {
                "trial": one.number,
                "front": one.number in best,
                "parameters": {key: _shown(search, key, value) for key, value in one.parameters.items()},
                **one.record.model_dump(mode="json"),
            }
            for one in found
        ],
    }


def _shown(search: Search, key: str, value: Any) -> Any:
    return json.loads(value) if isinstance(search.space[key], list) else value


def markdown(search: Search, found: Sequence[Candidate], limits: Mapping[str, float]) -> str:
    """The page as text."""
    best = front(found, search.objectives)
    shown = {one.number for one in best}
    counts = Counter(one.record.status for one in found)
    within = ", ".join(f"{name} {limit:,.0f} {UNITS[name]}" for name, limit in limits.items())
    lines = [
        f"# Search {search.name}",
        "",
        f"{len(found)} of {search.trials} trials on {search.board} within {within}; sampler {search.sampler}, seed "
        f"{search.seed}. Quality is that of the generated C on the **validation** split: the test file was not looked "
        "at. Flash, RAM and cycles are of the whole image in the emulator, without wait states.",
        "",
        f"{counts['done']} trained to the end, {counts['behind']} ended at a rung, {counts['too large']} too large "
        f"({spared(found)} of them never trained: compiling spared {spared(found) / max(1, len(found)):.0%} of the "
        f"trials), {counts['failed']} failed.",
        "",
        "## Pareto front",
        "",
        *_table(search, best),
        "",
        "## Dropped",
        "",
        *(f"- trial {one.number}: {one.record.status}: {markdown_text(one.record.why or BEATEN)}"
          for one in found if one.number not in shown),
    ]  # fmt: skip
    return "\n".join(lines).rstrip() + "\n"


def _table(search: Search, chosen: Sequence[Candidate]) -> list[str]:
    quality = "quality (macro F1, or negative mean error in m)"
    head = ["trial", quality, "flash, B", "RAM, B", "cycles", "µJ", *search.space]
    lines = []
    for one in chosen:
        cost = one.record.cost
        assert cost is not None and one.record.quality is not None
        lines.append(
            [str(one.number), f"{one.record.quality:.4f}", *_cells(cost),
             *(markdown_text(json.dumps(_shown(search, key, one.parameters.get(key)))) for key in search.space)]
        )  # fmt: skip
    return table(head, lines)


def _cells(cost: Cost) -> list[str]:
    return [f"{cost.flash:,}", f"{cost.ram:,}", f"{cost.cycles:,.0f}", f"{cost.energy:.2f}"]


def page(search: Search, found: Sequence[Candidate], limits: Mapping[str, float]) -> str:
    """One HTML file without anything from elsewhere: a plot of quality against each cost among the objectives."""
    best = {one.number for one in front(found, search.objectives)}
    done = [one for one in found if one.record.status == "done"]
    plots = "".join(_plot(done, best, name, limits.get(name)) for name in search.objectives if name != "quality")
    text = html.escape(markdown(search, found, limits))
    return (
        f"<!doctype html><html lang=en><meta charset=utf-8><title>Search {html.escape(search.name)}</title>"
        "<style>body{font:15px sans-serif;margin:2em}pre{white-space:pre-wrap}</style>"
        f"<h1>Search {html.escape(search.name)}</h1>{plots}<pre>{text}</pre></html>\n"
    )


def _plot(done: Sequence[Candidate], best: set[int], cost: str, limit: float | None) -> str:
    """Quality against a cost as SVG; the front is filled, the limit is a line."""
    points = [(float(getattr(one.record.cost, cost)), float(one.record.quality or 0.0), one.number) for one in done]
    if not points:
        return ""
    right = max([x for x, _, _ in points] + ([limit] if limit and limit < 4 * max(x for x, _, _ in points) else []))
    low, high = min(y for _, y, _ in points), max(y for _, y, _ in points)
    span = max(high - low, 1e-6)

    def place(x: float, y: float) -> tuple[float, float]:
        across = EDGE + (WIDTH - 2 * EDGE) * x / right
        return across, HEIGHT - EDGE - (HEIGHT - 2 * EDGE) * (y - low) / span

    marks = []
    for x, y, number in points:
        across, down = place(x, y)
        fill = "#1f77b4" if number in best else "none"
        marks.append(
            f'<circle cx="{across:.1f}" cy="{down:.1f}" r="5" fill="{fill}" stroke="#1f77b4"><title>trial {number}: '
            f"{y:.4f}, {x:,.0f} {UNITS[cost]}</title></circle>"
        )
    if limit and limit <= right:
        across, _ = place(limit, low)
        marks.append(f'<line x1="{across:.1f}" x2="{across:.1f}" y1="{EDGE}" y2="{HEIGHT - EDGE}" stroke="#888" '
                     'stroke-dasharray="4"/>')  # fmt: skip
    labels = (
        f'<text x="{WIDTH / 2}" y="{HEIGHT - 10}" text-anchor="middle">{cost}, {UNITS[cost]} (0 to {right:,.0f})</text>'
        f'<text x="10" y="20">quality on validation ({low:.3f} to {high:.3f})</text>'
    )
    wide, tall = WIDTH - 2 * EDGE, HEIGHT - 2 * EDGE
    frame = f'<rect x="{EDGE}" y="{EDGE}" width="{wide}" height="{tall}" fill="none" stroke="#ccc"/>'
    return f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}">{frame}{"".join(marks)}{labels}</svg>'


def write(
    search: Search, base: Mapping[str, Any], study: optuna.Study, limits: Mapping[str, float], place: Path
) -> Path | None:
    """Write table.md, search.json, page.html and, when something fits, recipe.toml.

    Returns:
        The recipe of the best quality within the budget, to be trained as any other; None when there is none.
    """
    found = candidates(study)
    write_whole(place / "table.md", markdown(search, found, limits))
    write_whole(place / "search.json", json.dumps(as_json(search, found), indent=1) + "\n")
    write_whole(place / "page.html", page(search, found, limits))
    best = front(found, search.objectives)
    if not best:
        return None
    write_whole(place / "recipe.toml", space.recipe_text(search, base, best[0].parameters))
    return place / "recipe.toml"
