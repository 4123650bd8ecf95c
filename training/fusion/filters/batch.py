"""Walks made ready for the filter: fixes and dead reckoning of several walks side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.filters.dead_reckoning import Counts, reckon
from tinyloc.training.fusion.filters.trilaterate import ROBUST_SCALE_M, reweigh, trilaterate
from tinyloc.training.fusion.simulation.simulate import Walk

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
K_DEFAULT = 0.487
"""Weinberg's constant of the mean wearer for the detector's filter (study.calibrate_k gives it)."""


@dataclass(frozen=True)
class Batch:
    """B walks, padded to N epochs; `valid` tells the padding."""

    names: tuple[str, ...]
    time_s: Floats  # (B, N)
    valid: Flags  # (B, N)
    fix_m: Floats  # (B, N, 2), 0 where there is none
    fixed: Flags  # (B, N) whether there is a fix
    robust_m: Floats  # (B, N, 2) the fix less sensitive to long ranges, 0 where there is none
    fix_variance: Floats  # (B, N) mean of the two variances that trilateration gives, m²
    residual_m: Floats  # (B, N)
    velocity_mps: Floats  # (B, N, 2) of dead reckoning
    stepped: Flags  # (B, N)
    still: Flags  # (B, N)
    truth_m: Floats  # (B, N, 2), NaN where unknown
    bad_ranges: npt.NDArray[np.int64]  # (B,)
    statuses: npt.NDArray[np.int64]  # (B, 4) epochs by Fix
    outside: npt.NDArray[np.int64]  # (B,) epochs whose fix lies outside the hull of the anchors heard
    imu_counts: tuple[Counts, ...]

    def __len__(self) -> int:
        return len(self.names)


def prepare(walks: Sequence[Walk], k: float = K_DEFAULT) -> Batch:
    """Trilaterate and reckon each walk; walks without an inertial sensor give no steps and are never still."""
    count, longest = len(walks), max(len(walk.time_s) for walk in walks)
    time, truth = np.zeros((count, longest)), np.full((count, longest, 2), np.nan)
    fix, robust, velocity = (np.zeros((count, longest, 2)) for _ in range(3))
    variance, residual = np.zeros((count, longest)), np.zeros((count, longest))
    valid, fixed, stepped, still = (np.zeros((count, longest), dtype=bool) for _ in range(4))
    bad, outside = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    statuses, counts = np.zeros((count, 4), dtype=np.int64), []
    for row, walk in enumerate(walks):
        size = len(walk.time_s)
        fixes = trilaterate(walk.anchors_m, walk.ranges_m)
        time[row, :size], valid[row, :size], truth[row, :size] = walk.time_s, True, walk.truth_m
        time[row, size:] = walk.time_s[-1]
        robust[row, :size] = reweigh(walk.anchors_m, walk.ranges_m, fixes, ROBUST_SCALE_M)
        fix[row, :size], fixed[row, :size], residual[row, :size] = fixes.position_m, fixes.good, fixes.residual_m
        variance[row, :size] = 0.5 * (fixes.covariance[:, 0] + fixes.covariance[:, 2])
        bad[row], statuses[row] = fixes.bad_ranges.sum(), np.bincount(fixes.status, minlength=4)
        outside[row] = fixes.outside.sum()
        if walk.imu is not None:
            reckoning = reckon(walk.imu, walk.time_s, k, walk.start_heading)
            velocity[row, :size], stepped[row, :size] = reckoning.velocity_mps, reckoning.fresh
            still[row, :size] = reckoning.still
            counts.append(reckoning.counts)
        else:
            counts.append(Counts())
    return Batch(
        names=tuple(walk.name for walk in walks),
        time_s=time,
        valid=valid,
        fix_m=fix,
        fixed=fixed,
        robust_m=robust,
        fix_variance=variance,
        residual_m=residual,
        velocity_mps=velocity,
        stepped=stepped,
        still=still,
        truth_m=truth,
        bad_ranges=bad,
        statuses=statuses,
        outside=outside,
        imu_counts=tuple(counts),
    )
