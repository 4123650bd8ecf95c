"""Position from ranges: linear least squares to start, then Gauss-Newton, with the covariance of the result.

The same arithmetic, in single precision, is firmware/fusion/trilaterate.c.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
ANCHORS_MAX = 32
"""TL_ANCHORS_MAX of firmware/fusion/trilaterate.h: usable ranges are bits of a word."""
ITERATIONS = 6
RANGE_NOISE_M = 0.10
"""Least standard deviation of a range that the covariance assumes."""
MAX_RANGE_M = 200.0
"""DW1000 links end before; longer ranges, negative ones and NaN are dropped and counted."""
MIN_SPREAD = 0.02
"""Anchors whose smaller principal spread is below this part of the larger are collinear: two solutions mirror."""
STEP_M = 5.0
"""Longest Gauss-Newton step."""
DAMPING = 1e-3
ROBUST_ITERATIONS = 8
ROBUST_STEP_M = 2.0
ROBUST_LEAST = 5
ROBUST_SCALE_M = 0.6
"""Residual at which a range counts half. Of 0.3, 0.6 and 1.2 m the best on training walks, by little."""


class Fix(IntEnum):
    """What became of an epoch."""

    GOOD = 0
    FEW = 1  # fewer than three usable ranges
    COLLINEAR = 2  # the anchors heard lie on a line
    FAR = 3  # no convergence, or further from all anchors than the ranges say


@dataclass(frozen=True)
class Fixes:
    """Results of N epochs. Where `status` is not GOOD the numbers are 0, never NaN."""

    position_m: Floats  # (N, 2)
    covariance: Floats  # (N, 3) xx, xy, yy in m²
    residual_m: Floats  # (N,) root of the mean squared residual
    status: npt.NDArray[np.int8]  # (N,) of Fix
    bad_ranges: npt.NDArray[np.int16]  # (N,) not NaN for drop-out: negative, absurd or infinite
    outside: npt.NDArray[np.bool_]  # (N,) a good fix that the hull of the anchors heard does not hold

    @property
    def good(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.status == Fix.GOOD)


def trilaterate(anchors: Floats, ranges: Floats) -> Fixes:
    """Fixes from anchors (A, 2) and ranges (N, A) in m; NaN means that there is none."""
    count = len(ranges)
    with np.errstate(invalid="ignore"):
        usable = np.isfinite(ranges) & (ranges >= 0) & (ranges <= MAX_RANGE_M)
    bad = (~usable & ~np.isnan(ranges)).sum(axis=1)
    weight = usable.astype(float)  # (N, A)
    r = np.where(usable, ranges, 0.0)
    heard = weight.sum(axis=1)
    divisor = np.maximum(heard, 1.0)
    centre = weight @ anchors / divisor[:, None]
    offset = (anchors[None] - centre[:, None]) * weight[..., None]  # (N, A, 2)
    sxx, sxy, syy = (offset[..., 0] ** 2).sum(1), (offset[..., 0] * offset[..., 1]).sum(1), (offset[..., 1] ** 2).sum(1)
    determinant, trace = sxx * syy - sxy * sxy, sxx + syy
    status = np.zeros(count, dtype=np.int8)
    # for eigenvalues a >= b: b/a <= s² exactly when det/trace² <= s²/(1+s²)², nearly s²
    status[determinant <= MIN_SPREAD**2 * trace * trace] = Fix.COLLINEAR
    status[heard < 3] = Fix.FEW
    solvable = status == Fix.GOOD
    determinant = np.where(solvable, determinant, 1.0)
    # linear: r² - |a|² = |p|² - 2 a.p, less its mean over the anchors
    square = (offset**2).sum(axis=2) - r * r
    square = (square - ((square * weight).sum(1) / divisor)[:, None]) * weight
    bx, by = 0.5 * (offset[..., 0] * square).sum(1), 0.5 * (offset[..., 1] * square).sum(1)
    x = centre[:, 0] + (syy * bx - sxy * by) / determinant
    y = centre[:, 1] + (sxx * by - sxy * bx) / determinant
    last_step = np.zeros(count)
    for _ in range(ITERATIONS):
        ux, uy, miss = _lines(anchors, r, weight, x, y)
        jxx, jxy, jyy = (ux * ux).sum(1), (ux * uy).sum(1), (uy * uy).sum(1)
        jxx, jyy = jxx + DAMPING, jyy + DAMPING
        det = jxx * jyy - jxy * jxy
        gx, gy = (ux * miss).sum(1), (uy * miss).sum(1)
        dx, dy = (jyy * gx - jxy * gy) / det, (jxx * gy - jxy * gx) / det
        length = np.sqrt(dx * dx + dy * dy)
        shrink = np.where(length > STEP_M, STEP_M / np.maximum(length, STEP_M), 1.0)
        x, y = x + dx * shrink, y + dy * shrink
        last_step = length
    ux, uy, miss = _lines(anchors, r, weight, x, y)
    jxx, jxy, jyy = (ux * ux).sum(1), (ux * uy).sum(1), (uy * uy).sum(1)
    det = jxx * jyy - jxy * jxy
    squared = (miss * miss).sum(1)
    variance = np.maximum(RANGE_NOISE_M**2, squared / np.maximum(heard - 2.0, 1.0))
    far = (
        (last_step > 0.5)
        | (det < 1e-4)
        | ~np.isfinite(x + y)
        | (np.hypot(x - centre[:, 0], y - centre[:, 1]) > MAX_RANGE_M)
    )
    status[solvable & far] = Fix.FAR
    good = status == Fix.GOOD
    det = np.where(good, det, 1.0)
    covariance = np.stack([jyy, -jxy, jxx], axis=1) * (variance / det)[:, None]
    return Fixes(
        position_m=np.where(good[:, None], np.stack([x, y], axis=1), 0.0),
        covariance=np.where(good[:, None], covariance, 0.0),
        residual_m=np.where(good, np.sqrt(squared / divisor), 0.0),
        status=status,
        bad_ranges=bad.astype(np.int16),
        outside=good & _outside(anchors, usable, x, y),
    )


def reweigh(anchors: Floats, ranges: Floats, fixes: Fixes, scale_m: float) -> Floats:
    """Positions (N, 2) in m that single long ranges do not pull away; 0 where a fix is not good.

    From each fix on, Gauss-Newton with every range weighted by 1 / (1 + (residual / scale_m)²) (Cauchy; iteratively
    reweighted least squares, Holland and Welsch 1977). Without long ranges it is nearly the fix itself. With fewer than
    ROBUST_LEAST ranges it is the fix: of four, any three agree on some place, and constant errors choose which.
    """
    with np.errstate(invalid="ignore"):
        usable = (np.isfinite(ranges) & (ranges >= 0) & (ranges <= MAX_RANGE_M)).astype(float)
    r = np.where(usable > 0, ranges, 0.0)
    x, y = fixes.position_m.T.copy()
    for _ in range(ROBUST_ITERATIONS):
        ux, uy, miss = _lines(anchors, r, usable, x, y)
        weight = 1.0 / (1.0 + (miss / scale_m) ** 2)
        wx, wy = weight * ux, weight * uy
        jxx, jxy, jyy = (wx * ux).sum(1) + DAMPING, (wx * uy).sum(1), (wy * uy).sum(1) + DAMPING
        gx, gy = (wx * miss).sum(1), (wy * miss).sum(1)
        det = jxx * jyy - jxy * jxy
        dx, dy = (jyy * gx - jxy * gy) / det, (jxx * gy - jxy * gx) / det
        shrink = ROBUST_STEP_M / np.maximum(np.sqrt(dx * dx + dy * dy), ROBUST_STEP_M)
        x, y = x + dx * shrink, y + dy * shrink
    enough = (usable.sum(axis=1) >= ROBUST_LEAST)[:, None]
    return np.where(fixes.good[:, None] & enough, np.stack([x, y], axis=1), fixes.position_m)


def _outside(anchors: Floats, usable: npt.NDArray[np.bool_], x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    """Whether (x, y) (N,) is not inside the convex hull of the usable anchors: all lie on one side of a line to one."""
    dx, dy = anchors[:, 0] - x[:, None], anchors[:, 1] - y[:, None]  # (N, A)
    cross = dx[:, :, None] * dy[:, None] - dy[:, :, None] * dx[:, None]  # (N, A, A)
    left, right = ((cross > 0) & usable[:, None]).any(axis=2), ((cross < 0) & usable[:, None]).any(axis=2)
    return np.asarray((usable & ~(left & right)).any(axis=1))


def _lines(anchors: Floats, r: Floats, weight: Floats, x: Floats, y: Floats) -> tuple[Floats, Floats, Floats]:
    """Unit vectors from anchors to the point, and how much longer the ranges are than the distances: (N, A) each."""
    dx, dy = x[:, None] - anchors[:, 0], y[:, None] - anchors[:, 1]
    distance = np.maximum(np.sqrt(dx * dx + dy * dy), 1e-3)
    return weight * dx / distance, weight * dy / distance, weight * (r - distance)
