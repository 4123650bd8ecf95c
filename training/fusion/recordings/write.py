"""A walk as a recording in the form that `own.load_walk` reads."""

from pathlib import Path

import numpy as np

from tinyloc.files import whole_directory
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.simulation.simulate import Walk


def save_walk(walk: Walk, folder: Path) -> None:
    """Write anchors, ranges, inertial readings, truth and start heading, whole or not at all.

    Raises:
        FusionError: The walk has no inertial readings.
    """
    if walk.imu is None:
        raise FusionError(f"{walk.name} has no inertial readings; take a walk of corridor or loop")
    names = [f"A{n}" for n in range(1, len(walk.anchors_m) + 1)]
    anchors = [f"{name},{x:.3f},{y:.3f}" for name, (x, y) in zip(names, walk.anchors_m, strict=True)]
    ranges = [
        f"{time:.3f},{name},{value:.3f}"
        for time, row in zip(walk.time_s, walk.ranges_m, strict=True)
        for name, value in zip(names, row, strict=True)
        if np.isfinite(value)
    ]
    readings = np.concatenate([walk.imu.time_s[:, None], walk.imu.acceleration, walk.imu.rate], axis=1)
    imu = [f"{row[0]:.4f}," + ",".join(f"{value:.5f}" for value in row[1:]) for row in readings.tolist()]
    known = np.isfinite(walk.truth_m).all(axis=1)
    truth = [
        f"{time:.3f},{x:.3f},{y:.3f}" for time, (x, y) in zip(walk.time_s[known], walk.truth_m[known], strict=True)
    ]
    heading = f"start_heading_deg = {np.degrees(walk.start_heading):.2f}\n"
    with whole_directory(folder) as place:
        for name, header, rows in (
            ("anchors.csv", "anchor,x,y", anchors),
            ("ranges.csv", "t,anchor,range_m", ranges),
            ("imu.csv", "t,ax,ay,az,gx,gy,gz", imu),
            ("truth.csv", "t,x,y", truth),
        ):
            if rows:
                (place / name).write_text("\n".join([header, *rows]) + "\n", encoding="utf-8", newline="\n")
        (place / "walk.toml").write_text(heading, encoding="utf-8", newline="\n")
