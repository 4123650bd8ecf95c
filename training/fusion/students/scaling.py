"""From a history in metres to the inputs of the networks, and back."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.rules import CHANNELS, Forecast
from tinyloc.training.fusion.filters.settings import HISTORY

Floats = npt.NDArray[np.float64]
INPUTS = HISTORY * CHANNELS + 2
OUTPUTS = 4
"""Displacement x, y in metres; logarithms of the variances of the prediction and of the coming fix, m² an axis."""
LOG_VARIANCE = (-6.0, 5.0)
_DIVISORS = np.array([1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0])


@dataclass(frozen=True)
class Frame:
    """Where a site lies: its middle and half size, in metres. A half size of 0 hides the absolute position."""

    centre_m: tuple[float, float]
    half_m: float

    def inputs(self, history: npt.NDArray[Any]) -> Floats:
        """(..., HISTORY, CHANNELS) to (..., INPUTS), each about within ±2."""
        last = history[..., -1:, :2]
        rows = np.array(history, dtype=float)
        rows[..., :2] -= last
        rows /= _DIVISORS
        place = (last[..., 0, :] - np.array(self.centre_m)) / self.half_m if self.half_m else 0.0 * last[..., 0, :]
        flat = np.concatenate([rows.reshape(*rows.shape[:-2], HISTORY * CHANNELS), place], axis=-1)
        return np.clip(flat, -4.0, 4.0)


def forecast(history: Floats, outputs: Floats) -> Forecast:
    """Outputs (B, OUTPUTS) of a network after histories (B, HISTORY, CHANNELS) as positions and variances."""
    logs = np.clip(outputs[:, 2:], *LOG_VARIANCE)
    return Forecast(history[:, -1, :2] + outputs[:, :2], np.exp(logs[:, 0]), np.exp(logs[:, 1]))
