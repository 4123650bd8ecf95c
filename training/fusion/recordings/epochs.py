"""Single ranges, each with its own time, gathered into epochs of all anchors."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def gather(
    time_s: Floats, anchor: npt.NDArray[np.int64], range_m: Floats, anchors: int, period_s: float
) -> tuple[Floats, Floats]:
    """Cut time into periods; an epoch holds the last range of each anchor in its period.

    Args:
        time_s: (R,) of each range, in any order.
        anchor: (R,) index of the anchor, below `anchors`.
        range_m: (R,) NaN is no range.
        anchors: Number of anchors A.
        period_s: Length of a period in seconds.

    Returns:
        Times (N,) of the last range of each epoch, so that an epoch never holds a range from after its time, and
        ranges (N, A) in m, NaN where an anchor was not heard. Empty periods give no epoch.
    """
    order = np.argsort(time_s, kind="stable")
    time_s, anchor, range_m = time_s[order], anchor[order], range_m[order]
    if len(time_s) == 0:
        return np.zeros(0), np.zeros((0, anchors))
    # nanoseconds of slack keep a period of exactly 0.1 s from splitting at a rounding error
    cell = np.floor((time_s - time_s[0]) / period_s + 1e-9).astype(np.int64)
    _, epoch = np.unique(cell, return_inverse=True)
    count = int(epoch[-1]) + 1
    times, ranges = np.zeros(count), np.full((count, anchors), np.nan)
    times[epoch] = time_s  # later rows overwrite earlier ones
    ranges[epoch, anchor] = range_m
    return times, ranges


def usual_period(time_s: Floats, anchor: npt.NDArray[np.int64]) -> float:
    """Median time in seconds between two ranges to the same anchor; 0 when no anchor was heard twice."""
    steps: list[Floats] = []
    for index in np.unique(anchor):
        mine = np.sort(time_s[anchor == index])
        steps.append(np.diff(mine))
    together = np.concatenate(steps) if steps else np.zeros(0)
    together = together[together > 0]
    return float(np.median(together)) if len(together) else 0.0


def at_times(time_s: Floats, stamps: Floats, points: Floats, longest_gap_s: float = 0.5) -> Floats:
    """Interpolate points (n, D) to other times; NaN outside of the stamps and in gaps beyond `longest_gap_s`."""
    sound = np.isfinite(points).all(axis=1) & np.isfinite(stamps)
    stamps, points = stamps[sound], points[sound]
    if len(stamps) < 2:
        return np.full((len(time_s), points.shape[1]), np.nan)
    columns: Sequence[Floats] = [
        np.interp(time_s, stamps, points[:, axis], np.nan, np.nan) for axis in range(points.shape[1])
    ]
    result = np.stack(columns, axis=1)
    after = np.clip(np.searchsorted(stamps, time_s), 1, len(stamps) - 1)
    result[stamps[after] - stamps[after - 1] > longest_gap_s] = np.nan
    return result
