"""How far the clock of the inertial sensor is from that of the ranges, and how fast both drift apart.

Velocity as a complex number: dead reckoning gives it up to an unknown heading, the fixes give it with noise. The
magnitude of their correlation does not see the heading, so its peak over lags is the offset of the clocks in a piece of
the recording; a line through the peaks of all pieces is offset and drift.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Complex = npt.NDArray[np.complex128]
GRID_S = 0.1
SMOOTH_S = 1.0
"""Both velocities are means over so long."""
PIECE_S = 30.0
LONGEST_LAG_S = 3.0
LEAST_CORRELATION = 0.6
"""Of a piece; below it nobody walked, or the fixes are too poor."""
LEAST_PIECES = 4
SPREAD_FLOOR_S = 0.05
"""A peak is not known better than that: half a grid step."""
LEAST_OFFSET_S = 0.3
"""Steps are noticed when they end, fixes are smoothed: a smaller offset is of the method, not of the clocks."""


@dataclass(frozen=True)
class Clocks:
    """Time of the ranges = time of the inertial sensor + offset_s + drift * (time - middle_s)."""

    offset_s: float
    drift_ppm: float
    drift_spread_ppm: float
    """Standard error of the drift."""
    pieces: int
    """How many pieces of the recording gave a lag; below LEAST_PIECES nothing is known and nothing is corrected."""
    middle_s: float

    @property
    def known(self) -> bool:
        return self.pieces >= LEAST_PIECES

    @property
    def shifted(self) -> bool:
        """Whether the offset is beyond what the method itself makes."""
        return self.known and abs(self.offset_s) > LEAST_OFFSET_S

    @property
    def drifts(self) -> bool:
        """Whether the drift is beyond three standard errors."""
        return self.known and abs(self.drift_ppm) > 3 * self.drift_spread_ppm

    def ranging_time(self, time_s: Floats) -> Floats:
        """Times of the inertial sensor on the clock of the ranges; what is within the method's error is not applied."""
        if not (self.shifted or self.drifts):
            return time_s
        drift = 1e-6 * self.drift_ppm if self.drifts else 0.0
        return np.asarray(time_s + self.offset_s + drift * (time_s - self.middle_s))


def compare_clocks(imu_s: Floats, track_m: Floats, fix_s: Floats, fix_m: Floats) -> Clocks:
    """Estimate offset and drift.

    Args:
        imu_s: (N,) times of the inertial sensor's clock at which dead reckoning was looked at, ascending.
        track_m: (N, 2) path of dead reckoning in a frame of any heading.
        fix_s: (M,) times of the fixes by the clock of the ranges, ascending.
        fix_m: (M, 2) fixes.
    """
    first, last = max(imu_s[0], fix_s[0]), min(imu_s[-1], fix_s[-1])
    middle = float(first + last) / 2
    nothing = Clocks(0.0, 0.0, 0.0, 0, middle)
    if last - first < LEAST_PIECES * PIECE_S / 2:
        return nothing
    grid = np.arange(first, last, GRID_S)
    ours, theirs = _velocity(grid, imu_s, track_m), _velocity(grid, fix_s, _steady(fix_m))
    size, most = round(PIECE_S / GRID_S), round(LONGEST_LAG_S / GRID_S)
    times, lags = [], []
    for start in range(0, len(grid) - size + 1, size // 2):
        lag = _lag(ours, theirs, start, size, most)
        if lag is not None:
            times.append(grid[start] + PIECE_S / 2)
            lags.append(lag)
    if len(lags) < LEAST_PIECES:
        return nothing
    x, y = np.array(times) - middle, np.array(lags)
    keep = np.abs(y - np.median(y)) < 1.0
    x, y = x[keep], y[keep]
    if len(x) < LEAST_PIECES:
        return nothing
    slope, offset = np.polyfit(x, y, 1)
    left = y - offset - slope * x
    spread = max(float(np.sqrt((left @ left) / max(len(x) - 2, 1))), SPREAD_FLOOR_S)
    error = spread / float(np.sqrt(((x - x.mean()) ** 2).sum()))
    return Clocks(
        offset_s=round(float(offset), 3),
        drift_ppm=round(1e6 * float(slope), 1),
        drift_spread_ppm=round(1e6 * error, 1),
        pieces=len(x),
        middle_s=middle,
    )


def _steady(points: Floats) -> Floats:
    """Median of five fixes in a row: single outliers would be great velocities."""
    padded = np.pad(points, ((2, 2), (0, 0)), mode="edge")
    return np.asarray(np.median(np.stack([padded[n : n + len(points)] for n in range(5)]), axis=0))


def _velocity(grid: Floats, time_s: Floats, points: Floats) -> Complex:
    """Mean velocity around each time of the grid as x + iy."""
    ends = [
        np.interp(grid + shift, time_s, points[:, 0]) + 1j * np.interp(grid + shift, time_s, points[:, 1])
        for shift in (-SMOOTH_S / 2, SMOOTH_S / 2)
    ]
    return np.asarray((ends[1] - ends[0]) / SMOOTH_S)


def _lag(ours: Complex, theirs: Complex, start: int, size: int, most: int) -> float | None:
    """Seconds to add to our times in a piece, between grid steps by a parabola; None where nothing correlates."""
    piece = theirs[start : start + size]
    values = []
    for lag in range(-most, most + 1):
        low = start - lag
        if low < 0 or low + size > len(ours):
            values.append(0.0)
            continue
        other = ours[low : low + size]
        norm = np.linalg.norm(piece) * np.linalg.norm(other)
        values.append(float(abs(np.vdot(other, piece)) / norm) if norm > 1e-9 else 0.0)
    best = int(np.argmax(values))
    if values[best] < LEAST_CORRELATION or best in (0, 2 * most):
        return None
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    between = 0.5 * (before - after) / bend if bend < 0 and before > 0 and after > 0 else 0.0
    return (best - most + between) * GRID_S
