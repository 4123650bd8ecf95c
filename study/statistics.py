"""Intervals over seeds and over the test set, and paired comparisons that may say "no difference".

Draws whole units (training/protocol/units.py) and seeds, both with replacement: the figures are the protocol's.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.training.protocol.bootstrap import DRAWS, HIGH, LOW, SEED, draws
from tinyloc.training.protocol.figures import Decisions, figures, weighted

Integers = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Interval:
    """A figure and the 95 % interval of its draws."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Answers:
    """What one model decided in one test set."""

    found: Decisions
    unit: Integers
    """(D,) from 0."""


def interval(runs: Sequence[Answers], figure: str = "macro_f1") -> Interval:
    """The mean over runs of a figure, with its interval over seeds and over the test set.

    Args:
        runs: one for each seed. Runs on the same test set share the drawn units.
        figure: a name of training/protocol/figures.py.
    """
    return _interval(*_drawn(runs, figure))


def difference(first: Sequence[Answers], second: Sequence[Answers], figure: str = "macro_f1") -> Interval:
    """First minus second, paired: the same seeds and the same units are drawn for both.

    Raises:
        ValueError: the two have not the same number of runs, or their test sets differ.
    """
    if len(first) != len(second):
        raise ValueError("a paired comparison needs the same seeds of both")
    for one, other in zip(first, second, strict=True):
        if not (np.array_equal(one.found.label, other.found.label) and np.array_equal(one.unit, other.unit)):
            raise ValueError("a paired comparison needs the same test set for both")
    value, drawn = _drawn(first, figure)
    other_value, other_drawn = _drawn(second, figure)
    return _interval(value - other_value, drawn - other_drawn)


def verdict(found: Interval) -> str:
    """ "first", "second", or "no difference" when the interval holds 0."""
    return "first" if found.low > 0 else "second" if found.high < 0 else "no difference"


def _interval(value: float, drawn: npt.NDArray[np.float64]) -> Interval:
    low, high = np.nanpercentile(drawn, [LOW, HIGH])
    return Interval(float(value), float(low), float(high))


def _drawn(runs: Sequence[Answers], figure: str) -> tuple[float, npt.NDArray[np.float64]]:
    """The mean over the runs, and that of each draw. Runs of equal shapes draw the same: so pairs stay pairs."""
    values = [figures(run.found)[figure] for run in runs]
    columns = [weighted(run.found, draws(int(run.unit.max()) + 1), run.unit)[figure] for run in runs]
    generator = np.random.default_rng(SEED + 1)
    seeds = generator.multinomial(len(runs), np.full(len(runs), 1 / len(runs)), DRAWS)
    return float(np.mean(values)), (seeds * np.stack(columns, 1)).sum(1) / len(runs)
