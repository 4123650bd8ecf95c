"""Probabilities of rooms as the model has them: of its CRF where it has one, over the scans that a decision looks at.

The device decides on the best path. Softmax of single scans forgets how rooms follow each other and would name another
room than the decision; the CRF's marginals do not forget it.
"""

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Crf

Floats = npt.NDArray[np.float64]


def softmax(scores: Floats) -> Floats:
    """Probabilities of scores in natural logarithms, along the last axis."""
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True), np.float64)


def marginals(scores: Floats, crf: Crf, ends: bool = True) -> Floats:
    """Probability of each class at each scan, given all scans.

    Args:
        scores: (T, C) in natural logarithms.
        crf: Transitions from class to class.
        ends: False: the recording goes on after the last scan.

    Returns:
        (T, C), rows sum to 1.

    Source: the forward-backward algorithm, Rabiner 1989, equations 19 to 27, in logarithms.
    """
    steps = np.array(crf.transitions, np.float64)
    forward, backward = np.empty_like(scores), np.empty_like(scores)
    forward[0] = np.array(crf.start) + scores[0]
    backward[-1] = np.array(crf.end) if ends else 0.0
    for t in range(1, len(scores)):
        forward[t] = scores[t] + np.logaddexp.reduce(forward[t - 1][:, None] + steps, axis=0)
        backward[-1 - t] = np.logaddexp.reduce(steps + (scores[-t] + backward[-t])[None], axis=1)
    return softmax(forward + backward)


def room_probabilities(scores: Floats, crf: Crf | None, online: bool) -> Floats:
    """(C,) probabilities beside a decision on scores (T, C).

    The decision is the commonest class of the best path: the mean over the scans belongs to it. Online it is the class
    of the oldest scan.
    """
    rows = softmax(scores) if crf is None else marginals(scores, crf, ends=not online)
    return np.asarray(rows[0] if online else rows.mean(axis=0), np.float64)
