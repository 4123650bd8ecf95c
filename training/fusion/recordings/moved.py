"""Anchors that are not where the survey says: found by the ranges themselves."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.trilaterate import trilaterate

Floats = npt.NDArray[np.float64]
LEAST_RANGES = 60
LEAST_SPREAD_M = 1.0
"""Standard deviation of the walk along its shorter axis: a straight line cannot tell where an anchor is."""
LEAST_MOVE_M = 0.5
LEAST_GAIN = 0.6
"""A move must bring the mean absolute residual below this share of what the surveyed place leaves."""
MOST_OFFSET_M = 0.3
"""Constant error of a calibrated anchor; more of it is not taken for granted."""
ROUNDS = 30


@dataclass(frozen=True)
class MovedAnchor:
    """What the ranges of one anchor say of it."""

    index: int
    place_m: tuple[float, float]
    away_m: float
    residual_before_m: float
    """Mean absolute residual at the surveyed place, less a constant error of at most MOST_OFFSET_M."""
    residual_after_m: float
    offset_m: float
    """How much too long its ranges would be if it had not moved."""
    residual_offset_m: float
    """Mean absolute residual at the surveyed place with that offset: when it is as small, both are possible."""


def find_moved(anchors: Floats, ranges: Floats, truth: Floats | None) -> list[MovedAnchor]:
    """Anchors that the ranges place elsewhere, the worst first.

    An anchor is moved and a small constant offset fitted, by iteratively reweighted least squares. With a truth (N, 2)
    each anchor is judged by it. Without, by the fixes of the others, one moved anchor at a time: three others at least.
    """
    if truth is not None and np.isfinite(truth).all(axis=1).sum() >= LEAST_RANGES:
        found = [_judge(index, anchors, ranges, truth) for index in range(len(anchors))]
        return sorted((one for one in found if one is not None), key=lambda one: -one.away_m)
    left, moved = list(range(len(anchors))), []
    while len(left) >= 4:
        candidates = []
        for index in left:
            others = [other for other in left if other != index]
            fixes = trilaterate(anchors[others], ranges[:, others])
            points = np.where(fixes.good[:, None], fixes.position_m, np.nan)
            one = _judge(index, anchors, ranges, points)
            if one is not None:
                candidates.append((float(np.median(fixes.residual_m[fixes.good])), one))
        if not candidates:
            break
        # the wrong one is that without which the others agree best
        worst = min(candidates, key=lambda pair: pair[0])[1]
        moved.append(worst)
        left.remove(worst.index)
    return moved


def _judge(index: int, anchors: Floats, ranges: Floats, points: Floats) -> MovedAnchor | None:
    known = np.isfinite(points).all(axis=1) & np.isfinite(ranges[:, index])
    if known.sum() < LEAST_RANGES:
        return None
    at, measured = points[known], ranges[known, index]
    spread = np.sqrt(np.maximum(np.linalg.eigvalsh(np.cov(at.T)), 0.0))
    if spread[0] < LEAST_SPREAD_M:
        return None
    miss = measured - np.linalg.norm(at - anchors[index], axis=1)
    offset = float(np.median(miss))
    before, alone = _residual(miss, MOST_OFFSET_M), _residual(miss, np.inf)
    place = _fit(anchors[index], at, measured)
    after = _residual(measured - np.linalg.norm(at - place, axis=1), MOST_OFFSET_M)
    away = float(np.linalg.norm(place - anchors[index]))
    if away < LEAST_MOVE_M or after > LEAST_GAIN * before:
        return None
    return MovedAnchor(index, (float(place[0]), float(place[1])), away, before, after, offset, alone)


def _residual(miss: Floats, most_offset_m: float) -> float:
    offset = float(np.clip(np.median(miss), -most_offset_m, most_offset_m))
    return float(np.abs(miss - offset).mean())


def _fit(anchor: Floats, points: Floats, measured: Floats) -> Floats:
    """Place of the least absolute residuals with a small constant offset, near `anchor`."""
    place = anchor.astype(float).copy()
    for _ in range(ROUNDS):
        away = place - points
        distance = np.maximum(np.linalg.norm(away, axis=1), 1e-3)
        miss = measured - distance
        miss = miss - np.clip(np.median(miss), -MOST_OFFSET_M, MOST_OFFSET_M)
        weight = 1.0 / np.maximum(np.abs(miss), 0.05)
        columns = away / distance[:, None]
        normal = columns.T @ (weight[:, None] * columns) + 1e-6 * np.eye(2)
        step = np.linalg.solve(normal, columns.T @ (weight * miss))
        length = float(np.linalg.norm(step))
        place += step * min(1.0, 1.0 / max(length, 1e-9))
        if length < 1e-3:
            break
    return place
