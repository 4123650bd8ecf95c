"""How readings behave beside each other, so that a simulated data set can be compared with a real one.

A residual is a reading less the mean of its access point within a square of CELL_M. It holds what the place does not
explain: the body, fading, other days.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.dataset import Recording

CELL_M = 1.0
FEWEST = 5
"""Readings of an access point that a square needs."""
LAG_S = 1 / 3
"""Time between the two readings that are compared; the nearest whole number of samples, at least one."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class RadioStatistics:
    """Of some recordings; None where the data do not tell."""

    level_dbm: float
    """Mean of all readings."""
    missing: float
    """Share of readings that were not heard, of access points that are heard at all."""
    step_db: float | None
    """Standard deviation of the change within LAG_S."""
    residual_db: float | None
    """Standard deviation of the residuals; needs positions."""
    autocorrelation: float | None
    """Correlation of residuals LAG_S apart."""


def radio_statistics(recordings: Sequence[Recording], rate_hz: float) -> RadioStatistics | None:
    """Describe readings of `rate_hz` samples per second.

    Args:
        recordings: N samples each; recordings whose samples are `apart` have neither steps nor autocorrelation.
        rate_hz: samples per second.

    Returns:
        The statistics; None where nothing is heard.
    """
    rssi = np.concatenate([each.rssi_dbm for each in recordings]).astype(np.float64)
    heard = np.isfinite(rssi).any(axis=0)
    if not heard.any():
        return None
    rssi = rssi[:, heard]
    position = np.concatenate([each.position_m for each in recordings])
    edges = np.cumsum([len(each) for each in recordings])[:-1]
    lag = max(1, round(LAG_S * rate_hz))
    streams = [number for number, each in enumerate(recordings) if not each.apart]
    residual = _residuals(rssi, position)
    pairs = [_pairs(part, lag) for number, part in enumerate(np.split(rssi, edges)) if number in streams]
    rests = [_pairs(part, lag) for number, part in enumerate(np.split(residual, edges)) if number in streams]
    return RadioStatistics(
        level_dbm=float(np.nanmean(rssi)),
        missing=float(np.isnan(rssi).mean()),
        step_db=_deviation(np.concatenate([later - first for first, later in pairs])) if pairs else None,
        residual_db=_deviation(residual[np.isfinite(residual)]),
        autocorrelation=_correlation(rests),
    )


def _residuals(rssi: Floats, position: npt.NDArray[np.float32]) -> Floats:
    """(N, P), NaN where a reading, its place or enough others of its square are missing."""
    residual = np.full_like(rssi, np.nan)
    placed = np.flatnonzero(np.isfinite(position).all(axis=1))
    if not len(placed):
        return residual
    _, cell = np.unique(np.floor(position[placed] / CELL_M), axis=0, return_inverse=True)
    cell = cell.ravel()
    values, there = np.nan_to_num(rssi[placed]), np.isfinite(rssi[placed])
    sums, counts = np.zeros((2, cell.max() + 1, rssi.shape[1]))
    np.add.at(sums, cell, values)
    np.add.at(counts, cell, there)
    mean = sums / np.maximum(counts, 1)
    usable = there & (counts[cell] >= FEWEST)
    residual[placed] = np.where(usable, rssi[placed] - mean[cell], np.nan)
    return residual


def _pairs(values: Floats, lag: int) -> tuple[Floats, Floats]:
    """Values that have another `lag` samples later, and those."""
    first, later = values[:-lag], values[lag:]
    both = np.isfinite(first) & np.isfinite(later)
    return first[both], later[both]


def _deviation(values: Floats) -> float | None:
    return float(values.std()) if len(values) > 1 else None


def _correlation(pairs: Sequence[tuple[Floats, Floats]]) -> float | None:
    if not pairs:
        return None
    first, later = (np.concatenate(each) for each in zip(*pairs, strict=True))
    if len(first) < 2 or first.std() == 0 or later.std() == 0:
        return None
    return float(np.corrcoef(first, later)[0, 1])
