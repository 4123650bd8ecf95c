"""Positions from classes that are places: soft labels to train on, and the mean that a decision stands for.

Letters: N samples, C classes.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.dataset import DataSet
from tinyloc.training.errors import TrainingError

Floats = npt.NDArray[np.floating[Any]]


def mean_position(scores: Floats, class_position_m: Floats) -> npt.NDArray[np.float64]:
    """(N, C) scores, (C, 3) metres -> (N, 3): the mean of the classes' positions under their squared probabilities.

    Squares of softmax(s) are as exp(2 s): likely places count, and the many unlikely ones do not pull to the middle.
    """
    weight = np.exp(2.0 * (scores.astype(np.float64) - scores.max(axis=1, keepdims=True)))
    mean: npt.NDArray[np.float64] = weight @ class_position_m.astype(np.float64) / weight.sum(axis=1, keepdims=True)
    return mean


def spread_labels(data_set: DataSet, spread_m: float) -> npt.NDArray[np.float32]:
    """(C, C): row c is what a sample of class c is labelled with: exp(-d^2 / (2 spread^2)) over its group, sum 1.

    TrainingError when classes have no positions.
    """
    if data_set.class_position_m is None:
        raise TrainingError(f"classes of {data_set.name} have no positions: remove output.spread_m from the recipe")
    place = data_set.class_position_m.astype(np.float64)
    squared = np.square(place[:, None] - place[None]).sum(-1)
    weight = np.exp(-squared / (2 * spread_m**2))
    if data_set.class_group:
        group = np.array(data_set.class_group)
        weight[group[:, None] != group[None]] = 0.0
    spread: npt.NDArray[np.float32] = (weight / weight.sum(axis=1, keepdims=True)).astype(np.float32)
    return spread
