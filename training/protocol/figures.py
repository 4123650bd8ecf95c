"""The figures of D decisions, by name. Each decision has a weight, a whole number: how often a bootstrap drew it.

Names: macro_f1, accuracy; error_mean_m, error_p50_m, error_p75_m, error_p90_m; floor_hit, building_hit; evaal_m.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.site import Floor
from tinyloc.training.data.dataset import UNSEEN

Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.float64]

PERCENTILES = (50, 75, 90)
WRONG_BUILDING_M = 50.0
WRONG_FLOOR_M = 4.0
"""The EvAAL score adds so many metres to the error of a decision in a wrong building, or on a wrong floor."""


@dataclass(frozen=True)
class Decisions:
    """D decisions and the truth. Rows of unknown truth hold NaN."""

    label: Integers
    """(D,) true classes, UNSEEN where training has no such class."""
    decision: Integers
    """(D,) decided classes, from 0."""
    error_m: Floats | None = None
    """(D,) distance in metres."""
    floor: Floats | None = None
    """(D,) 1 on the true floor, 0 on another."""
    building: Floats | None = None
    """(D,) 1 in the true building, 0 in another."""

    def rows(self, chosen: Integers) -> "Decisions":
        """Those at the indices, repeated as often as they are named: the plain reference of weights."""
        values = (self.error_m, self.floor, self.building)
        return Decisions(
            self.label[chosen], self.decision[chosen], *(None if value is None else value[chosen] for value in values)
        )


def judged(
    label: Integers,
    decision: Integers,
    decided_m: npt.NDArray[np.floating[Any]] | None = None,
    true_m: npt.NDArray[np.floating[Any]] | None = None,
    class_floor: Sequence[int] | None = None,
    floors: Sequence[Floor] = (),
) -> Decisions:
    """Compare decisions with the truth.

    Args:
        label: true classes (D,), UNSEEN for a class that training does not have: its floor is not known.
        decision: decided classes (D,), from 0.
        decided_m: decided positions (D, 3) in metres.
        true_m: true positions (D, 3) in metres, NaN where unknown.
        class_floor: index in `floors` of each class (C,).
        floors: of the site; hits are counted where the classes lie on several, or in several buildings.
    """
    error = None
    if decided_m is not None and true_m is not None and not np.isnan(true_m).all():
        error = np.linalg.norm(decided_m.astype(np.float64) - true_m, axis=1)
    hits: list[Floats | None] = [None, None]
    if class_floor is not None:
        names = [str(floors[place].building) if place < len(floors) else "" for place in class_floor]
        for at, keys in enumerate(([str(place) for place in class_floor], names)):
            if len(set(keys)) > 1:
                known = np.array([keys.index(key) for key in keys])
                hit = (known[np.maximum(label, 0)] == known[decision]).astype(np.float64)
                hits[at] = np.where(label == UNSEEN, np.nan, hit)
    return Decisions(np.asarray(label), np.asarray(decision), error, *hits)


def figures(found: Decisions, weight: Integers | None = None) -> dict[str, float]:
    """Compute all figures that the truth allows.

    Args:
        found: D decisions.
        weight: (D,) how often each counts; 1 without it.
    """
    weights = np.ones((1, len(found.label)), np.int64) if weight is None else np.asarray(weight)[None]
    return {name: float(values[0]) for name, values in weighted(found, weights).items()}


def weighted(found: Decisions, weight: Integers, unit: Integers | None = None) -> dict[str, Floats]:
    """Compute all figures under B vectors of weights at once.

    Args:
        found: D decisions.
        weight: (B, U) how often each unit counts.
        unit: (D,) unit of each decision; without it, each is its own (U = D).

    Returns:
        (B,) of each name; NaN where a draw has no such decision.
    """
    of = np.arange(len(found.label)) if unit is None else np.asarray(unit, np.int64)  # packed ones would overflow
    result = _of_classes(found, weight, of)
    if found.error_m is not None:
        result |= _of_errors(found.error_m, weight, of)
    for name, values in (("floor_hit", found.floor), ("building_hit", found.building)):
        if values is not None:
            result[name] = _mean(values, weight, of)
    if found.error_m is not None and found.floor is not None:
        wrong_building = np.zeros(len(of)) if found.building is None else 1 - found.building
        score = found.error_m + WRONG_FLOOR_M * (1 - found.floor) + WRONG_BUILDING_M * wrong_building
        result["evaal_m"] = _mean(score, weight, of)
    return result


def _of_classes(found: Decisions, weight: Integers, of: Integers) -> dict[str, Floats]:
    """Macro F1 as in metrics.py: over every label that occurs, UNSEEN among them."""
    units = weight.shape[1]
    classes = int(max(found.label.max(), found.decision.max())) + 2
    label, decision = (np.asarray(values, np.int64) + 1 for values in (found.label, found.decision))
    right = label == decision

    def counts(values: Integers, rows: npt.NDArray[np.bool_]) -> Floats:
        flat = np.bincount(of[rows] * classes + values[rows], minlength=units * classes)
        return weight.astype(np.float64) @ flat.reshape(units, classes)  # (B, classes)

    everything = np.ones(len(label), bool)
    hit, said, true = counts(label, right), counts(decision, everything), counts(label, everything)
    occurs = said + true > 0
    f1 = 2 * hit / np.where(occurs, said + true, 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "macro_f1": (f1 * occurs).sum(axis=1) / occurs.sum(axis=1),
            "accuracy": hit.sum(axis=1) / true.sum(axis=1),
        }


def _mean(values: Floats, weight: Integers, of: Integers) -> Floats:
    """(B,) weighted mean of the known values (D,)."""
    known = ~np.isnan(values)
    units = weight.shape[1]
    sums = np.bincount(of[known], values[known], units)
    counts = np.bincount(of[known], minlength=units)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean: Floats = (weight @ sums) / (weight @ counts)
    return mean


def _of_errors(error_m: Floats, weight: Integers, of: Integers) -> dict[str, Floats]:
    """Mean and percentiles (linear between two ranks, as numpy's) of the known errors, each repeated by its weight."""
    known = np.flatnonzero(~np.isnan(error_m))
    order = known[np.argsort(error_m[known], kind="stable")]
    ascending, unit = error_m[order], of[order]
    result = {"error_mean_m": _mean(error_m, weight, of)}
    result |= {f"error_p{percent}_m": np.full(len(weight), np.nan) for percent in PERCENTILES}
    for draw, counts in enumerate(weight):
        ends = np.cumsum(counts[unit])
        if not len(ends) or not ends[-1]:
            continue
        for percent in PERCENTILES:
            rank = percent / 100 * (ends[-1] - 1)
            low = int(rank)
            below, above = ascending[np.searchsorted(ends, [low, min(low + 1, ends[-1] - 1)], side="right")]
            result[f"error_p{percent}_m"][draw] = below + (above - below) * (rank - low)
    return result
