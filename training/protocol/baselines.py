"""The simple methods on a data set, and how a model stands beside them.

Settings are chosen on validation by what was fitted on training; the final method is fitted on training and validation,
as a user would. Decisions of windows are those of the mean votes of their samples.
"""

import itertools
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.comparison import Baseline, Comparison, Protocol
from tinyloc.bundle.schema import Window
from tinyloc.training.data.dataset import UNSEEN, DataSet
from tinyloc.training.data.digest import digest
from tinyloc.training.preprocess import fit
from tinyloc.training.protocol import neighbours, trees
from tinyloc.training.protocol.bootstrap import differences, intervals
from tinyloc.training.protocol.figures import Decisions, figures, judged
from tinyloc.training.protocol.units import Units, units_of
from tinyloc.training.protocol.votes import Split, Votes, both, split_of
from tinyloc.training.windows import due, true_labels, true_positions, windows

NEIGHBOURS, TREES, COMMONEST = "nearest neighbours", "extra trees", "commonest class"
KEPT = 4
"""Data sets whose baselines a process remembers: the seeds of a study ask for the same ones."""


@dataclass(frozen=True)
class Method:
    """A fitted baseline and its decisions on the test set."""

    name: str
    settings: str
    data_bytes: int
    found: Decisions


@dataclass(frozen=True)
class Truth:
    """The D decisions that are due in a test split."""

    sample: npt.NDArray[np.int64]
    label: npt.NDArray[np.int32]
    position_m: npt.NDArray[np.float32]
    unit: npt.NDArray[np.int32]
    units: Units


def truth_of(data_set: DataSet, window: Window) -> Truth:
    """Find the decisions that are due in the test split, recording by recording."""
    units = units_of(data_set.test)
    offsets = np.cumsum([0, *map(len, data_set.test)])
    at = [start + due(len(one), window.steps, window.hop) for start, one in zip(offsets, data_set.test, strict=False)]
    sample = np.concatenate(at)
    return Truth(
        sample,
        np.concatenate([true_labels(one.label, window) for one in data_set.test]),
        np.concatenate([true_positions(one.position_m, window) for one in data_set.test]),
        np.unique(units.of[sample], return_inverse=True)[1].reshape(-1).astype(np.int32),
        units,
    )


def compare(
    data_set: DataSet, hold_samples: int, window: Window, positions: bool, model: Decisions | None
) -> Comparison:
    """Compute the baselines of a data set's test split.

    Args:
        data_set: with the access points that the model has.
        hold_samples: forward fill of the model.
        window: when decisions are due.
        positions: a decision is a position: metres choose the settings, not macro F1.
        model: the model's own decisions, to be compared; in the order of `truth_of`.
    """
    truth = truth_of(data_set, window)
    baselines = [
        Baseline(
            name=method.name,
            settings=method.settings,
            data_bytes=method.data_bytes,
            figures=figures(method.found),
            intervals=intervals(method.found, truth.unit),
            differences={} if model is None else differences(model, method.found, truth.unit),
        )
        for method in methods(data_set, hold_samples, window, positions)
    ]
    return Comparison(
        protocol=protocol_of(data_set),
        unit=truth.units.kind,
        units=int(truth.unit.max()) + 1,
        positions=positions,
        baselines=baselines,
    )


def protocol_of(data_set: DataSet) -> Protocol:
    """Versions of the rules that a data set's figures are made by."""
    return Protocol(simulator=data_set.simulator)


def decisions_of(
    data_set: DataSet, truth: Truth, decision: npt.NDArray[np.int32], decided_m: npt.NDArray[np.floating[Any]] | None
) -> Decisions:
    """Judge decisions (D,) at places (D, 3); without places, at those of the classes."""
    centres = data_set.class_position_m
    place = decided_m if decided_m is not None else (None if centres is None else centres[decision])
    floors = data_set.class_floors()
    return judged(truth.label, decision, place, truth.position_m, floors, data_set.site().floors)


def methods(data_set: DataSet, hold_samples: int, window: Window, positions: bool) -> tuple[Method, ...]:
    """Tune and fit every baseline, and ask it about the test split."""
    return _methods(_Key(data_set, hold_samples, window, positions))


class _Key:
    """Equal for equal data and settings, so that a process computes the baselines of a data set once."""

    def __init__(self, data_set: DataSet, hold_samples: int, window: Window, positions: bool) -> None:
        self.arguments = (data_set, hold_samples, window, positions)
        self.key = (digest(data_set), hold_samples, window.model_dump_json(), positions)

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.key == other.key


@lru_cache(maxsize=KEPT)
def _methods(key: _Key) -> tuple[Method, ...]:
    data_set, hold_samples, window, positions = key.arguments
    preprocessing = fit(data_set.train, data_set.access_points, hold_samples=hold_samples)
    train = split_of(data_set.train, data_set, preprocessing).known()
    validation = split_of(data_set.validation, data_set, preprocessing).known()
    test = split_of(data_set.test, data_set, preprocessing)
    truth = truth_of(data_set, window)
    lengths = [len(one) for one in data_set.test]
    if not len(validation):
        validation = train
    fitted = both(train, validation)

    def decided(votes: Votes) -> Decisions:
        scores, place = _windowed(votes.scores, lengths, window), _windowed(votes.position_m, lengths, window)
        known = not np.isnan(place).all()
        return decisions_of(data_set, truth, scores.argmax(axis=1).astype(np.int32), place if known else None)

    near = neighbours.tuned(train, validation, preprocessing, positions)
    kept = f"; {neighbours.MOST_STORED:,} of {len(fitted):,} scans" if len(fitted) > neighbours.MOST_STORED else ""
    forest = trees.fit(fitted, trees.tuned(train, validation, preprocessing, positions), preprocessing, positions)
    return (
        Method(
            NEIGHBOURS,
            near.text() + kept,
            neighbours.data_bytes(fitted, positions),
            decided(neighbours.ask(near, fitted, test, preprocessing)),
        ),
        Method(
            TREES,
            forest.text() + kept,
            trees.data_bytes(forest, len(data_set.access_points), len(data_set.classes)),
            decided(trees.ask(forest, test, preprocessing)),
        ),
        Method(COMMONEST, "the same answer for every scan", 0, decided(_commonest(fitted, test, positions))),
    )


def _commonest(fitted: Split, test: Split, positions: bool) -> Votes:
    """The class with most scans; where positions count, the median place."""
    scores = np.zeros((len(test), test.classes), np.float32)
    most = int(np.bincount(fitted.label[fitted.label != UNSEEN]).argmax())
    scores[:, most] = 1.0
    if positions:
        place = np.nanmedian(fitted.position_m, axis=0)
    else:
        place = np.full(3, np.nan) if test.class_position_m is None else test.class_position_m[most]
    return Votes(scores, np.tile(place.astype(np.float64), (len(test), 1)))


def _windowed(values: npt.NDArray[np.floating[Any]], lengths: list[int], window: Window) -> npt.NDArray[np.float64]:
    """(N, K) of single scans -> (D, K) means over the samples that each due decision looks at."""
    edges = np.cumsum([0, *lengths])
    parts = [values[start:end] for start, end in itertools.pairwise(edges)]
    return np.concatenate([windows(part, window.steps, window.hop).mean(axis=1) for part in parts]).astype(np.float64)
