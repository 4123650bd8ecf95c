"""The k nearest training scans, tuned by the validation split: hard to beat on small surveys, and dear in bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.protocol.votes import Split, Votes, merit

Metric = Literal["euclidean", "cityblock", "braycurtis"]
METRICS: dict[Metric, str] = {"euclidean": "Euclid", "cityblock": "Manhattan", "braycurtis": "Sorensen"}
EXPONENTS = (1.0, 2.0)
COUNTS = (1, 3, 5, 7, 11, 15, 21)
WEIGHTS = (False, True)
MOST_TUNED = 500
"""Validation scans, evenly spread, that the choice looks at."""
MOST_STORED = 20_000
"""Training scans, evenly spread, that are kept; the settings say so when there are more."""
DIGITS = 12
"""Distances are rounded so: equal scans are equally far, whatever the order of the sums."""
LEAST_DISTANCE = 1e-6

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """One way to count neighbours."""

    exponent: float
    """Power of the scaled reading."""
    metric: Metric
    count: int
    by_distance: bool
    """Near ones count more, by the inverse of their distance."""

    def text(self) -> str:
        weights = "weighted by 1 / distance" if self.by_distance else "equal weights"
        return f"k = {self.count}, {METRICS[self.metric]}, reading ^ {self.exponent:g}, {weights}"


def tuned(train: Split, validation: Split, preprocessing: Preprocessing, positions: bool) -> Neighbours:
    """Choose exponent, distance, k and weights by validation: least mean error for positions, else best macro F1."""
    stored, asked = train.spread(MOST_STORED), validation.spread(MOST_TUNED)
    best, chosen = -np.inf, Neighbours(EXPONENTS[0], "euclidean", COUNTS[0], False)
    for exponent in EXPONENTS:
        found = _nearest(stored, asked, preprocessing, exponent, list(METRICS), max(COUNTS))
        for metric, count, by_distance in product(METRICS, COUNTS, WEIGHTS):
            near, away = found[metric]
            value = merit(_vote(stored, near[:, :count], away[:, :count], by_distance), asked, positions)
            if value > best:
                best, chosen = value, Neighbours(exponent, metric, count, by_distance)
    return chosen


def ask(rule: Neighbours, stored: Split, asked: Split, preprocessing: Preprocessing) -> Votes:
    """Compute the votes of the neighbours of each scan of `asked`."""
    kept = stored.spread(MOST_STORED)
    near, away = _nearest(kept, asked, preprocessing, rule.exponent, [rule.metric], rule.count)[rule.metric]
    return _vote(kept, near, away, rule.by_distance)


def data_bytes(stored: Split, positions: bool) -> int:
    """Estimate what a device would store: each scan dense or as pairs of index and reading, and its class or place."""
    scans, points = stored.rssi_dbm.shape
    kept = min(scans, MOST_STORED)
    index = 1 if points <= 256 else 2
    heard = float((~np.isnan(stored.rssi_dbm)).sum(axis=1).mean())
    place = 4 + 1 if positions else (1 if stored.classes <= 256 else 2)  # x and y of 16 bits, floor
    return round(kept * (min(points, heard * (1 + index) + 1) + place))


class _Stored:
    """Stored scans by access point, so that a scan is compared in the few access points that it hears.

    Silent ones are 0 and add nothing to a product or a smaller value: sum|a - b| = sum a + sum b - 2 sum min(a, b).
    """

    def __init__(self, stored: Split, rule: Preprocessing) -> None:
        self.rule = rule
        self.columns = np.ascontiguousarray(rule.scale(stored.rssi_dbm).T.astype(np.float64))  # (P, N)
        self.sums, self.squares = self.columns.sum(axis=0), (self.columns**2).sum(axis=0)

    def distances(self, rssi_dbm: Floats) -> dict[Metric, npt.NDArray[np.float64]]:
        """(N,) by every metric from one scan (P,); two scans that hear nothing are 1 apart by Sorensen."""
        scan = self.rule.scale(rssi_dbm).astype(np.float64)
        heard = np.flatnonzero(scan)
        rows, own = self.columns[heard], scan[heard]
        both = self.sums + own.sum()
        apart = np.maximum(both - 2 * np.minimum(rows, own[:, None]).sum(axis=0), 0.0)
        squared = np.maximum(self.squares + (own**2).sum() - 2 * (own @ rows), 0.0)
        sorensen = np.divide(apart, both, out=np.ones_like(both), where=both > 0)
        return {"euclidean": np.sqrt(squared), "cityblock": apart, "braycurtis": sorensen}


def _nearest(
    stored: Split, asked: Split, preprocessing: Preprocessing, exponent: float, metrics: Sequence[Metric], count: int
) -> dict[Metric, tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]]:
    """(N, k) rows of the nearest stored scans, nearest first, equals in the order of the rows; and their distances."""
    known = _Stored(stored, preprocessing.model_copy(update={"exponent": exponent}))
    count = min(count, len(stored))
    near = {metric: np.empty((len(asked), count), np.int64) for metric in metrics}
    away = {metric: np.empty((len(asked), count)) for metric in metrics}
    for row, scan in enumerate(asked.rssi_dbm):
        distances = known.distances(scan)
        for metric in metrics:
            distance = np.round(distances[metric], DIGITS)
            limit = np.partition(distance, count - 1)[count - 1]
            few = np.flatnonzero(distance <= limit)
            few = few[np.argsort(distance[few], kind="stable")][:count]
            near[metric][row], away[metric][row] = few, distance[few]
    return {metric: (near[metric], away[metric]) for metric in metrics}


def _vote(stored: Split, near: npt.NDArray[np.int64], away: npt.NDArray[np.float64], by_distance: bool) -> Votes:
    weight = 1 / (away + LEAST_DISTANCE) if by_distance else np.ones_like(away)
    weight /= weight.sum(axis=1, keepdims=True)
    rows = np.repeat(np.arange(len(near)), near.shape[1])
    scores = np.zeros((len(near), stored.classes), np.float32)
    np.add.at(scores, (rows, stored.label[near].ravel()), weight.ravel())
    place = (stored.position_m[near] * weight[:, :, None]).sum(axis=1)
    return Votes(scores, place)
