"""Errors of tracks, and confidence intervals over walks."""

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000
SETTLE_S = 3.0


class Interval(BaseModel):
    """A mean over walks and its 95 % interval by the bootstrap."""

    mean: float
    low: float
    high: float


class Score(BaseModel):
    """Errors of one method, metres; one value a walk is kept for ratios and plots."""

    mean: Interval
    rmse: Interval
    maximum: Interval
    settled: Interval | None = None
    """Greatest error after the first SETTLE_S: before that a track hangs on a single fix."""
    rmse_of_walk: list[float]
    max_of_walk: list[float]
    quantiles_m: list[float]
    """Errors of all epochs at 5, 10, ... 95, 99 %."""


def errors(position: Floats, truth: Floats, counted: npt.NDArray[np.bool_]) -> list[Floats]:
    """Distances of each walk's counted epochs: B arrays. A track that is not finite would show as such."""
    known = counted & np.isfinite(truth).all(axis=2)
    distance = np.linalg.norm(position - np.where(np.isfinite(truth), truth, 0.0), axis=2)
    return [row[keep] for row, keep in zip(distance, known, strict=True)]


def score(walks: list[Floats], rate_hz: float) -> Score:
    """Summary of the errors of several walks of so many epochs a second."""
    means = np.array([e.mean() for e in walks])
    rmses = np.array([np.sqrt((e * e).mean()) for e in walks])
    tops = np.array([e.max() for e in walks])
    levels = [*range(5, 100, 5), 99]
    return Score(
        mean=interval(means),
        rmse=interval(rmses),
        maximum=interval(tops),
        settled=interval(np.array([e[round(SETTLE_S * rate_hz) :].max() for e in walks])),
        rmse_of_walk=[round(float(v), 4) for v in rmses],
        max_of_walk=[round(float(v), 4) for v in tops],
        quantiles_m=[round(float(v), 4) for v in np.percentile(np.concatenate(walks), levels)],
    )


def interval(values: Floats) -> Interval:
    """Mean of the values of walks with the bootstrap's 95 % interval."""
    picks = np.random.default_rng(0).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.percentile(values[picks].mean(axis=1), [2.5, 97.5])
    return Interval(mean=round(float(values.mean()), 4), low=round(float(low), 4), high=round(float(high), 4))


def ratio(one: list[float], other: list[float]) -> Interval:
    """Ratio of the means of two methods over the same walks, resampled together."""
    a, b = np.array(one), np.array(other)
    picks = np.random.default_rng(0).integers(0, len(a), (RESAMPLES, len(a)))
    low, high = np.percentile(a[picks].mean(axis=1) / b[picks].mean(axis=1), [2.5, 97.5])
    return Interval(mean=round(float(a.mean() / b.mean()), 4), low=round(float(low), 4), high=round(float(high), 4))
