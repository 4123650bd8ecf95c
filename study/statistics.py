"""Intervals over seeds and over the test set, and paired comparisons that may say "no difference".

Decisions of one recording are not independent: the bootstrap draws whole recordings, or blocks of a long one, with
replacement, and seeds too. It works on counts of (true, decided) pairs per unit, so that thousands of draws are quick.
Source: Efron and Tibshirani, An Introduction to the Bootstrap, chapters 8 and 13.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int16]
DRAWS = 2000
LEVEL = 0.95
FEW_RECORDINGS = 8
"""With fewer recordings their blocks are drawn."""
BLOCKS = 20
"""Of a test set with few recordings, about."""
SEED = 14


@dataclass(frozen=True)
class Interval:
    """A figure and where it lies in 95 of 100 draws."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Answers:
    """What one model decided in one test set: D decisions."""

    label: Integers
    decision: Integers
    unit: Integers
    """Number of the recording or block, from 0."""


def units(recording: npt.NDArray[np.integer]) -> Integers:  # type: ignore[type-arg]
    """Unit (D,) of each decision, given its recording (D,) in order: the recording, or a block where there are few."""
    recordings = np.unique(recording, return_inverse=True)[1]
    if recordings.max(initial=0) + 1 >= FEW_RECORDINGS:
        return recordings.astype(np.int16)
    block = max(1, len(recordings) // BLOCKS)
    found, last = np.zeros(len(recordings), np.int16), 0
    for number in range(recordings.max(initial=0) + 1):
        at = np.flatnonzero(recordings == number)
        blocks = np.minimum(np.arange(len(at)) // block, max(0, len(at) // block - 1))  # the rest joins the last
        found[at] = last + blocks
        last += int(blocks.max(initial=0)) + 1
    return found


def _tables(answers: Answers, classes: int) -> npt.NDArray[np.float64]:
    """(U, C, C) counts of [unit][true][decided]; the label -1 is the last class."""
    table = np.zeros((int(answers.unit.max(initial=0)) + 1, classes, classes))
    np.add.at(table, (answers.unit, answers.label, answers.decision), 1)
    return table


def _classes(*several: Answers) -> int:
    """Decided and true ones, and one more for the label -1."""
    return 2 + max(int(max(one.label.max(initial=0), one.decision.max(initial=0))) for one in several)


def _macro_f1(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """(..., C, C) -> (...): the mean F1 of the classes that are true or decided somewhere, as metrics.macro_f1."""
    hits = np.diagonal(table, axis1=-2, axis2=-1)
    both = table.sum(-1) + table.sum(-2)
    present = both > 0
    f1 = np.where(present, 2 * hits / np.maximum(both, 1e-12), 0.0)
    return f1.sum(-1) / np.maximum(present.sum(-1), 1)


def _accuracy(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.trace(table, axis1=-2, axis2=-1) / np.maximum(table.sum((-2, -1)), 1)


FIGURES = {"macro F1": _macro_f1, "accuracy": _accuracy}


def _weights(draws: int, count: int, generator: np.random.Generator) -> npt.NDArray[np.float64]:
    """(draws, count): how often each of `count` is drawn."""
    return generator.multinomial(count, np.full(count, 1 / count), size=draws).astype(np.float64)


def interval(runs: Sequence[Answers], figure: str = "macro F1", draws: int = DRAWS) -> Interval:
    """The mean over runs of a figure, with its interval over seeds and over the test set.

    Args:
        runs: one for each seed. Runs on the same test set share the drawn units.
        figure: a key of FIGURES.
        draws: of the bootstrap.
    """
    value, drawn = _drawn(runs, figure, draws)
    return _interval(value, drawn)


def difference(
    first: Sequence[Answers], second: Sequence[Answers], figure: str = "macro F1", draws: int = DRAWS
) -> Interval:
    """First minus second, paired: the same seeds and the same units are drawn for both.

    Raises:
        ValueError: the two have not the same number of runs, or their test sets differ.
    """
    if len(first) != len(second):
        raise ValueError("a paired comparison needs the same seeds of both")
    for one, other in zip(first, second, strict=True):
        if not (np.array_equal(one.label, other.label) and np.array_equal(one.unit, other.unit)):
            raise ValueError("a paired comparison needs the same test set for both")
    value, drawn = _drawn(first, figure, draws)
    other_value, other_drawn = _drawn(second, figure, draws)
    return _interval(value - other_value, drawn - other_drawn)


def verdict(found: Interval) -> str:
    """ "first", "second", or "no difference" when the interval holds 0."""
    return "first" if found.low > 0 else "second" if found.high < 0 else "no difference"


def _interval(value: float, drawn: npt.NDArray[np.float64]) -> Interval:
    low, high = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(value), float(low), float(high))


def _drawn(runs: Sequence[Answers], figure: str, draws: int) -> tuple[float, npt.NDArray[np.float64]]:
    """The mean over the runs, and that of each draw. The same shapes draw the same units: so pairs stay pairs."""
    measure, classes = FIGURES[figure], _classes(*runs)
    generator = np.random.default_rng(SEED)
    seeds = _weights(draws, len(runs), generator) if len(runs) > 1 else np.ones((draws, 1))
    shared: dict[bytes, npt.NDArray[np.float64]] = {}
    values, columns = [], []
    for run in runs:
        table = _tables(run, classes)
        values.append(float(measure(table.sum(0))))
        same = run.label.tobytes() + run.unit.tobytes()  # seeds with an environment of their own draw on their own
        if same not in shared:
            shared[same] = _weights(draws, len(table), generator)
        flat = shared[same] @ table.reshape(len(table), -1)
        columns.append(measure(flat.reshape(draws, classes, classes)))
    return float(np.mean(values)), (seeds * np.stack(columns, 1)).sum(1) / seeds.sum(1)
