"""The decisions in the order of time: true class, decided class and margin; and what leaving out unsure ones brings."""

import itertools
from dataclasses import dataclass

import numpy as np

from tinyloc.device.evaluation.evaluation_record import Evaluation, Timeline

SHOWN = 400
"""Decisions of one strip."""
STRIPS = 3
"""Strips that are drawn; the rest is counted."""
TONES = 7
CURVE = 60
"""Points of the confidence curve."""


@dataclass(frozen=True)
class Run:
    """Decisions in a row with one class; places in percent of the strip."""

    left: float
    width: float
    tone: int
    title: str


@dataclass(frozen=True)
class Strip:
    """A stretch of one recording."""

    title: str
    true: list[Run]
    decided: list[Run]
    wrong: list[tuple[float, float]]
    """(left, width) in percent of runs of wrong decisions."""
    margin: list[tuple[float, float]]
    """x and y in percent; y from the bottom."""


@dataclass(frozen=True)
class TimelineFigure:
    """Strips, and the confidence curve."""

    strips: list[Strip]
    left_out: int
    """Decisions that are not drawn."""
    classes: list[tuple[int, str]]
    """Tone and name of the classes that occur, commonest first; those beyond the tones share the last."""
    largest_margin: str
    curve: list[tuple[float, float]]
    """Share of decisions left out and accuracy of the others, both in percent."""
    floor: float
    """Accuracy in percent at the bottom of the curve's axis."""


def confidence_curve(right: list[bool], margin: list[float]) -> list[tuple[float, float]]:
    """Accuracy of the decisions that are left when the least certain are called unknown.

    Args:
        right: whether each decision is.
        margin: of each; ties are left out in the order of time.

    Returns:
        (share left out, accuracy of the others) in percent, from none left out to almost all.
    """
    order = np.argsort(np.asarray(margin), kind="stable")
    hits = np.asarray(right, float)[order]
    kept = hits[::-1].cumsum()[::-1] / np.arange(len(hits), 0, -1)  # accuracy when the first i are left out
    places = np.unique(np.linspace(0, 0.95 * (len(hits) - 1), CURVE).astype(int))
    return [(100 * int(i) / len(hits), 100 * float(kept[i])) for i in places]


def timeline_figure(evaluation: Evaluation) -> TimelineFigure | None:
    """Of an evaluation; None where it has no decisions in order, or they are of golden scans."""
    found = evaluation.timeline
    if found is None or evaluation.golden or not found.label:
        return None
    counts = np.bincount([max(label, 0) for label in found.label], minlength=len(evaluation.classes))
    order = [int(i) for i in np.argsort(-counts, kind="stable") if counts[i]]
    tone = {index: min(place, TONES - 1) for place, index in enumerate(order)}
    stretches = _stretches(found)
    largest = max(found.margin, default=0.0) or 1.0
    strips = [_strip(evaluation, found, rows, tone, largest) for rows in stretches[:STRIPS]]
    right = [a == b for a, b in zip(found.label, found.decided, strict=True)]
    curve = confidence_curve(right, found.margin)
    return TimelineFigure(
        strips=strips,
        left_out=sum(map(len, stretches[STRIPS:])),
        classes=[(place, evaluation.classes[i]) for place, i in enumerate(order[:TONES])],
        largest_margin=f"{largest:.3g}",
        curve=curve,
        floor=max(0.0, 10 * np.floor(min(y for _, y in curve) / 10 - 1)),
    )


def _stretches(found: Timeline) -> list[range]:
    edges = [0, *(np.flatnonzero(np.diff(found.recording)) + 1).tolist(), len(found.label)]
    parts = []
    for low, high in itertools.pairwise(edges):
        parts += [range(at, min(at + SHOWN, high)) for at in range(low, high, SHOWN)]
    return sorted(parts, key=lambda part: -len(part)) if len(edges) > STRIPS + 1 else parts


def _strip(evaluation: Evaluation, found: Timeline, rows: range, tone: dict[int, int], largest: float) -> Strip:
    step = 100 / len(rows)

    def runs(values: list[int], what: str) -> list[Run]:
        made, start = [], 0
        for place in range(1, len(rows) + 1):
            if place == len(rows) or values[place] != values[start]:
                index = values[start]
                known = 0 <= index < len(evaluation.classes)
                name = evaluation.classes[index] if known else "none"
                title = f"{what} {name}, decisions {rows.start + start} to {rows.start + place - 1}"
                made.append(Run(start * step, (place - start) * step, tone.get(index, TONES - 1), title))
                start = place
        return made

    true, decided = ([line[i] for i in rows] for line in (found.label, found.decided))
    differs = [int(a != b) for a, b in zip(true, decided, strict=True)]
    wrong = [(run.left, run.width) for run, bad in zip(runs(differs, ""), _heads(differs), strict=True) if bad]
    margin = [((k + 0.5) * step, 100 * found.margin[i] / largest) for k, i in enumerate(rows)]
    title = (
        f"Recording {found.recording[rows.start]}, {len(rows):,} decisions from sample {found.sample[rows.start]:,} on"
    )
    return Strip(title, runs(true, "true:"), runs(decided, "decided:"), wrong, margin)


def _heads(values: list[int]) -> list[int]:
    """The value of each run."""
    return [v for k, v in enumerate(values) if k == 0 or v != values[k - 1]]
