"""Scales and zero points of the exported integers: training with integers in the loop and the export share them.

As in TFLite's quantisation specification: int8 is asymmetric with 0 represented exactly, int16 is symmetric with zero
point 0; weights are symmetric int8 from -127, with one scale for each row.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Arithmetic

READING_RANGE = (0.0, 1.0)
"""Preprocessing clips readings to it."""
HEADROOM: dict[Arithmetic, float] = {"int8": 1.0, "int16x8": 2.0}
"""Measured ranges are multiplied by this. A saturated value costs more than a lost bit where there are 16: on streams
unlike the calibration, Mamba H16L2 erred by .082 of the scores' deviation with 1.15, .018 with 2."""
SCORE_MARGIN = 6.0
"""How far below the best score another still counts: exp(-6) of its probability, and as squares, which weigh positions,
less than one 65536th."""


def affine(low: float, high: float, arithmetic: Arithmetic) -> tuple[float, int]:
    """Choose scale and zero point for real values low..high, low <= 0 <= high. The scale is never zero."""
    if arithmetic == "int16x8":
        return max(abs(low), abs(high), 1e-6) / 32767, 0
    scale = max(high - low, 1e-6) / 255
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def score_range(
    scores: npt.NDArray[np.floating[Any]], weak: npt.NDArray[np.floating[Any]] | None = None
) -> tuple[float, float]:
    """Choose the range that integer scores should hold when a decision is the best of each row.

    Scores that are more than SCORE_MARGIN below the best in every row saturate: no decision compares them. Not for
    scores that a CRF adds up along a path.

    Args:
        scores: (N, C).
        weak: (N, C) of scans that hear less: their best may lie lower, and what saturates above it would weigh as much
            as the best (a mean of places then goes to the middle of the map).

    Returns:
        Least and greatest.
    """
    least = scores if weak is None else np.concatenate([scores, weak])
    low = max(float(least.min()), float(least.max(axis=1).min()) - SCORE_MARGIN)
    return min(0.0, low), max(0.0, float(scores.max()))
