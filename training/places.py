"""The position that a decision stands for, where classes are places. Needs no torch.

Letters: N samples, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]


def mean_position(scores: Floats, class_position_m: Floats) -> npt.NDArray[np.float64]:
    """Compute the mean of the classes' positions under their squared probabilities.

    Squares of softmax(s) are as exp(2 s): likely places count, and the many unlikely ones do not pull to the middle.

    Args:
        scores: (N, C).
        class_position_m: (C, 3) in metres.

    Returns:
        (N, 3) in metres.
    """
    weight = np.exp(2.0 * (scores.astype(np.float64) - scores.max(axis=1, keepdims=True)))
    mean: npt.NDArray[np.float64] = weight @ class_position_m.astype(np.float64) / weight.sum(axis=1, keepdims=True)
    return mean
