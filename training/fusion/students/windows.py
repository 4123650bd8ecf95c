"""Windows of eleven positions: ten that a forecaster sees, and the next. So the source judges teachers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.settings import HISTORY
from tinyloc.training.fusion.simulation.simulate import Walk

Floats = npt.NDArray[np.float64]
SPACING_S = 1.0
START_S = 0.2


@dataclass(frozen=True)
class Windows:
    """n windows."""

    seen_m: Floats  # (n, HISTORY, 2), oldest first
    next_m: Floats  # (n, 2)
    walk: npt.NDArray[np.int64]  # (n,) number of the walk

    def __len__(self) -> int:
        return len(self.next_m)

    def pick(self, rows: "npt.NDArray[np.int64] | npt.NDArray[np.bool_]") -> "Windows":
        """Those rows."""
        return Windows(self.seen_m[rows], self.next_m[rows], self.walk[rows])


def cut(walks: Sequence[Walk], most: int) -> Windows:
    """Windows of true positions SPACING_S apart that start every START_S; `most` of them, evenly from all."""
    seen, following, number = [], [], []
    for index, walk in enumerate(walks):
        known = np.isfinite(walk.truth_m).all(axis=1)
        time, truth = walk.time_s[known], walk.truth_m[known]
        starts = np.arange(time[0], time[-1] - HISTORY * SPACING_S, START_S)
        at = starts[:, None] + SPACING_S * np.arange(HISTORY + 1)
        points = np.stack([np.interp(at, time, truth[:, axis]) for axis in range(2)], axis=2)
        seen.append(points[:, :HISTORY])
        following.append(points[:, HISTORY])
        number.append(np.full(len(starts), index))
    whole = Windows(np.concatenate(seen), np.concatenate(following), np.concatenate(number))
    rows = np.unique(np.linspace(0, len(whole) - 1, min(most, len(whole))).astype(np.int64))
    return whole.pick(rows)


def ate(said_m: Floats, windows: Windows) -> float:
    """Root of the mean squared distance to the next position, in m, over what was answered (not NaN)."""
    away = np.linalg.norm(said_m - windows.next_m, axis=1)
    away = away[np.isfinite(away)]
    return float(np.sqrt((away**2).mean())) if len(away) else float("nan")
