"""When "unknown" is the better answer: chosen on validation, decided on the device in integers.

Letters: N samples, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Unknown

MOST_REFUSED = 0.2
"""Share of the validation samples that the margin refuses, at most."""
LEAST_HEARD = 1
"""A sample that hears nothing says nothing."""

Floats = npt.NDArray[np.floating[Any]]


def margins(scores: Floats) -> npt.NDArray[np.float64]:
    """(N,) distance from the best score to the second best, of scores (N, C)."""
    second, best = np.sort(scores.astype(np.float64), axis=1)[:, -2:].T
    return np.asarray(best - second)


def choose(scores: Floats, label: npt.NDArray[np.int32], heard: npt.NDArray[np.integer[Any]]) -> Unknown:
    """Choose the margin that refuses more wrong than right answers on validation, by as many as possible.

    Args:
        scores: (N, C) of the float model.
        label: (N,) true classes.
        heard: (N,) access points that a sample hears; those that hear nothing choose nothing.
    """
    answered = heard >= LEAST_HEARD
    margin = margins(scores)[answered]
    right = (scores.argmax(axis=1) == label)[answered]
    order = np.argsort(margin, kind="stable")
    gain = np.cumsum(np.where(right[order], -1, 1))[: int(MOST_REFUSED * len(order))]
    if not len(gain) or gain.max() <= 0:
        return Unknown(margin=0.0, least_heard=LEAST_HEARD)
    last = int(gain.argmax())  # the first that answers is the one after it
    return Unknown(margin=float((margin[order[last]] + margin[order[last + 1]]) / 2), least_heard=LEAST_HEARD)


def refused(margin: Floats, heard: npt.NDArray[np.integer[Any]], rule: Unknown) -> npt.NDArray[np.bool_]:
    """(N,) samples that are answered with "unknown", by their margins and heard access points."""
    return np.asarray((margin < rule.margin) | (heard < rule.least_heard))
