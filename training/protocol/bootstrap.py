"""Intervals: whole units (recorders, recordings, stretches) are drawn with replacement, never single samples of one.

Samples of one walk resemble one another: drawing them one by one would give intervals that are too narrow.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.comparison import Difference
from tinyloc.training.protocol.figures import Decisions, figures, weighted

DRAWS = 1000
SEED = 0
LOW, HIGH = 2.5, 97.5
"""Percentiles of the draws: an interval of 95 %."""

Integers = npt.NDArray[np.integer[Any]]
Interval = tuple[float, float]


def draws(units: int) -> npt.NDArray[np.int64]:
    """(DRAWS, units) how often each unit is drawn; the same for every model on a test set, so that they are paired."""
    generator = np.random.default_rng(SEED)
    return generator.multinomial(units, np.full(units, 1 / units), DRAWS).astype(np.int64)


def intervals(found: Decisions, unit: Integers) -> dict[str, Interval]:
    """Compute the interval of each figure of D decisions, `unit` (D,) from 0, but for figures that none has."""
    drawn = weighted(found, draws(int(unit.max()) + 1), unit)
    return {name: _ends(values) for name, values in drawn.items() if not np.isnan(values).all()}


def differences(model: Decisions, other: Decisions, unit: Integers) -> dict[str, Difference]:
    """Compare two methods on the same D decisions: model minus other, paired draw by draw."""
    counts = draws(int(unit.max()) + 1)
    own, others = weighted(model, counts, unit), weighted(other, counts, unit)
    at, other_at = figures(model), figures(other)
    found = {}
    for name in own.keys() & others.keys():
        paired = own[name] - others[name]
        if np.isnan(paired).all():  # no decision has what the figure needs, such as a true position
            continue
        low, high = _ends(paired)
        found[name] = Difference(mean=at[name] - other_at[name], low=low, high=high)
    return dict(sorted(found.items()))


def _ends(values: npt.NDArray[np.float64]) -> Interval:
    low, high = np.nanpercentile(values, [LOW, HIGH])
    return float(low), float(high)
