"""Positions in whole millimetres from int8 scores, as the device computes them.

A decision of `position = "mean"` is the mean of the classes' places under their squared probabilities. Squares of
softmax(s) are as exp(2 s), so with scores s = scale * q and d_c = max(q) - q_c:

    w_c = round(65535 * exp(-2 * scale * d_c))                  one table by d, which ends where w is 0
    x   = x_0 + floor((2 * unit * sum(w_c * X_c) + sum(w_c)) / (2 * sum(w_c)))          y in the same way

X_c are int16 in steps of `unit` millimetres from the middle x_0 of all places: the finest step that holds them.
firmware/localise/position.c computes the same, and this is its reference. Heights are not in it.

Letters: N samples, C classes.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Outputs
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.graph import Tensor

Ints = npt.NDArray[np.int64]
HEAVIEST = 65535
MM = 1000.0
AXES = 2


@dataclass(frozen=True)
class IntegerPositions:
    """What turns scores into millimetres."""

    weights: Ints  # by distance from the best score; what lies beyond weighs nothing
    places: Ints  # (C, 2) int16, in units from the origin
    unit_mm: int
    origin_mm: Ints  # (2,)

    def decide(self, scores: npt.NDArray[np.integer[Any]]) -> Ints:
        """(N, C) int8 scores -> (N, 2) x and y in mm."""
        wide = scores.astype(np.int64)
        behind = wide.max(axis=1, keepdims=True) - wide
        inside = behind < len(self.weights)
        weight = np.where(inside, self.weights[np.where(inside, behind, 0)], 0)
        total = weight.sum(axis=1, keepdims=True)
        mean: Ints = (2 * self.unit_mm * (weight @ self.places) + total) // (2 * total)
        return self.origin_mm + mean


def integer_positions(outputs: Outputs, scores: Tensor) -> IntegerPositions | None:
    """Compute the integer tables for a position that is the mean of the classes' places.

    Args:
        outputs: positions of the classes in metres.
        scores: tensor of the scores, int8.

    Returns:
        Weights by distance from the best score, places in steps of `unit_mm`; None when a decision stands for the place
        of its class.

    Raises:
        CompileError: scores that are not int8.
    """
    if outputs.position == "class" or outputs.positions_m is None:
        return None
    if scores.element != "int8":
        raise CompileError(scores.name, [f"positions need int8 scores, these are {scores.element}; export int8"])
    place = np.rint(np.array(outputs.positions_m)[:, :AXES] * MM)
    origin = np.rint((place.max(axis=0) + place.min(axis=0)) / 2)
    unit = max(1, int(np.ceil(np.abs(place - origin).max() / np.iinfo(np.int16).max)))
    steps = np.arange(256)
    weights = np.rint(HEAVIEST * np.exp(-2.0 * float(np.float32(scores.scale)) * steps)).astype(np.int64)
    return IntegerPositions(
        weights=weights[: int(np.count_nonzero(weights))],
        places=np.rint((place - origin) / unit).astype(np.int64),
        unit_mm=unit,
        origin_mm=origin.astype(np.int64),
    )
