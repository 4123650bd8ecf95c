"""Errors of ranges as recordings have them: quantiles by what stands between, and how long an error stays alike.

`measure` makes the table from the recordings; the table itself, figures only, is range_errors.json. A simulated error
is drawn from the quantiles; how much of it stays while somebody walks is the measured correlation.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from tinyloc.training.data.walks import slow_noise

Floats = npt.NDArray[np.float64]
TABLE = Path(__file__).with_name("range_errors.json")
LEVELS = (0.0, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 1.0)
KINDS = ("sight", "person", "wall", "deep")
PERSISTENCE_M = 1.5
"""Walked distance over which the lasting part of an error stays alike; the recordings that move indoors are too slow
to give it in metres alone (multipath changes over some wavelengths to some metres)."""
STANDING_MPS = 0.1
"""Standing, the surroundings change as if somebody walked so fast."""


class Errors(BaseModel):
    """What one kind of path does to a range."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: str
    ranges: int
    quantiles_m: tuple[float, ...]
    """Range less distance, less what is calibrated, at LEVELS."""
    lasting: float
    """Share of the variance of ranks that is still alike one second later."""


class RangeErrors(BaseModel):
    """The table: kind -> errors."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kinds: dict[str, Errors]

    def draw(
        self, kind: npt.NDArray[np.int64], walked_m: Floats, time_s: Floats, generator: np.random.Generator
    ) -> Floats:  # fmt: skip
        """Errors in m.

        Args:
            kind: (N, A) index into KINDS of each range.
            walked_m: (N,) distance walked so far.
            time_s: (N,) seconds.
            generator: Source of randomness.
        """
        step = 0.05
        walked = walked_m + STANDING_MPS * (time_s - time_s[0])
        cells = int(walked[-1] / step) + 2
        slow = slow_noise(generator, cells, PERSISTENCE_M / step, kind.shape[1])
        lasting = np.stack([np.interp(walked / step, np.arange(cells), column) for column in slow.T], axis=1)
        fresh = generator.standard_normal(kind.shape)
        result = np.zeros(kind.shape)
        for index, name in enumerate(KINDS):
            errors = self.kinds[name]
            mixed = np.sqrt(errors.lasting) * lasting + np.sqrt(1 - errors.lasting) * fresh
            here = kind == index
            result[here] = np.interp(_below(mixed[here]), LEVELS, errors.quantiles_m)
        return result


def _below(normal: Floats) -> Floats:
    """Share of a normal distribution below, to 1e-7 (Abramowitz and Stegun 26.2.17)."""
    t = 1 / (1 + 0.2316419 * np.abs(normal))
    series = ((((1.330274429 * t - 1.821255978) * t + 1.781477937) * t - 0.356563782) * t + 0.319381530) * t
    tail = np.exp(-0.5 * normal * normal) / np.sqrt(2 * np.pi) * series
    return np.asarray(np.where(normal >= 0, 1 - tail, tail))


def load_errors() -> RangeErrors:
    """The committed table."""
    return RangeErrors.model_validate(json.loads(TABLE.read_text(encoding="utf-8")))


def summary(source: str, series: Sequence[tuple[Floats, Floats]]) -> Errors:
    """Quantiles and persistence of errors.

    Args:
        source: Data set and recordings.
        series: Times (n,) in s and errors (n,) in m of each recording and anchor, in the order of time. Times that do
            not advance mean that order says nothing.
    """
    together = np.concatenate([errors for _, errors in series])
    edges = np.sort(together)
    products, squares = 0.0, 0
    for time, errors in series:
        ranks = (np.searchsorted(edges, errors) + 0.5) / (len(edges) + 1)
        ranks = (ranks - 0.5) * 12**0.5
        later = np.searchsorted(time, time + 1.0)
        known = later < len(time)
        known[known] &= (time[later[known]] - time[known]) < 1.5
        products += float((ranks[known] * ranks[later[known]]).sum())
        squares += int(known.sum())
    lasting = float(np.clip(products / squares, 0.0, 0.95)) if squares else 0.0
    return Errors(
        source=source,
        ranges=len(together),
        quantiles_m=tuple(round(float(v), 3) for v in np.quantile(together, LEVELS)),
        lasting=round(lasting, 3),
    )
