"""Real recordings of ranges with a reference: `uwb_trek1000_sang` and `uwb_planar_lias`.

Neither has an inertial sensor. Clocks and frames are aligned as their READMEs say; what these leave open is fitted on
the recording's own reference (see each loader), which is part of the alignment and is the same for every method.
"""

import lzma
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.catalogue import ENVIRONMENT, search_places
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.trilaterate import trilaterate
from tinyloc.training.fusion.recordings.epochs import at_times
from tinyloc.training.fusion.simulation.simulate import Walk

Floats = npt.NDArray[np.float64]
RATE_HZ = 10.0
TREK = "uwb_trek1000_sang"
TREK_ANCHORS = np.array([[0.0, 0.0], [5.77, 0.0], [5.55, 5.69], [0.0, 5.65]])
TREK_MOVING = {"m1l": ("m1L", 7.2), "m2r": ("m2R", 6.8), "m3s": ("m3S", 6.8)}
"""Recording -> its name in vicon_poses.npz, and by how many seconds the Vicon clock is behind."""
TREK_STILL = {
    "4vnm": "4vnm", "4vnm2": "4Vnm2", "4hnm": "4Hnm", "4hnm2": "4Hnm2",
    "4vba0": "4vbA0", "4vba1": "4vbA1", "4vba2s": "4vbA2s", "4vba3s": "4vbA3s",
    "4vba02": "4VbA02", "4vba12": "4VbA12", "4vba22": "4VbA22", "4vba32": "4VbA32",
}  # fmt: skip
"""Stationary recordings; vba: a person blocks the anchor of that number."""
LIAS = "uwb_planar_lias"
LIAS_ANCHORS = np.array(
    [
        [-3.4203, 3.0053], [0.0016, 3.0110], [3.6056, 2.9795], [3.6011, -0.0008],
        [3.5674, -3.0087], [-0.0072, -2.9652], [-3.4673, -2.9587], [-3.4858, -0.0098],
    ]
)  # fmt: skip
LIAS_TAGS = np.array([[-0.0689, -0.1423], [-0.0750, 0.1402], [0.2034, 0.1451]])
LIAS_TAG_HEIGHT_M = 0.08
"""How far the tags are below the anchors."""


@dataclass(frozen=True)
class Recording:
    """A walk with what is known of it."""

    walk: Walk
    source: str
    blocked: bool  # a person stood in the line of sight of one anchor on purpose
    moving: bool


def recordings_folder() -> Path:
    """The first folder that holds both data sets, of those that all data sets are searched in. Raises FusionError."""
    places = search_places()
    for place in places:
        if (place / TREK).is_dir() and (place / LIAS).is_dir():
            return place
    searched = ", ".join(map(str, places))
    raise FusionError(f"{TREK} and {LIAS} are not in {searched}; set {ENVIRONMENT} or give --data")


def load_recordings(folder: Path) -> list[Recording]:
    """All recordings with a reference below `folder`, which holds one directory a data set. Raises FusionError."""
    missing = [name for name in (TREK, LIAS) if not (folder / name).is_dir()]
    if missing:
        raise FusionError(
            f"{folder}: {' and '.join(missing)} not there; give the folder that holds them (--data), "
            "on GitHub they are cliansang/positioning-algorithms-for-uwb-matlab and "
            "LIAS-CUHKSZ/Efficient-Pose-Estimation-via-UWB-measurements"
        )
    return [*_trek(folder / TREK), *_lias(folder / LIAS)]


def _trek(folder: Path) -> list[Recording]:
    poses = np.load(folder / "vicon_poses.npz")
    recordings = []
    shift = _trek_shift(folder, poses)
    for name, (vicon, lag) in TREK_MOVING.items():
        time, ranges = _trek_ranges(folder / "lab_ranges" / f"output_range_uwb_{name}.txt")
        stamps = poses[f"{vicon}_ts"] + lag
        truth = at_times(time, stamps, shift - poses[f"{vicon}_xyzq"][:, :2].astype(float))
        recordings.append(_recording(f"trek-{name}", TREK, TREK_ANCHORS, time, ranges, truth, False, True))
    for name, vicon in TREK_STILL.items():
        time, ranges = _trek_ranges(folder / "lab_ranges" / f"output_range_uwb_{name}.txt")
        place = shift - np.median(poses[f"{vicon}_xyzq"][:, :2].astype(float), axis=0)
        truth = np.broadcast_to(place, (len(time), 2)).copy()
        recordings.append(_recording(f"trek-{name}", TREK, TREK_ANCHORS, time, ranges, truth, "vba" in name, False))
    return recordings


def _trek_shift(folder: Path, poses: "np.lib.npyio.NpzFile") -> Floats:
    """Frames differ by half a turn and this shift: the median over the moving recordings, which nothing blocks."""
    apart = []
    for name, (vicon, lag) in TREK_MOVING.items():
        time, ranges = _trek_ranges(folder / "lab_ranges" / f"output_range_uwb_{name}.txt")
        fixes = trilaterate(TREK_ANCHORS, ranges)
        there = at_times(time, poses[f"{vicon}_ts"] + lag, poses[f"{vicon}_xyzq"][:, :2].astype(float))
        apart.append((fixes.position_m + there)[fixes.good & np.isfinite(there).all(axis=1)])
    return np.asarray(np.median(np.concatenate(apart), axis=0))


def _trek_ranges(path: Path) -> tuple[Floats, Floats]:
    """Unix time (N,) and ranges (N, 4) in metres. The clock of the files is local, UTC+1, on 2018-11-29."""
    table = np.loadtxt(path)
    stamp = table[:, 0].astype(np.int64)
    hours, minutes, milliseconds = stamp // 10**7, stamp // 10**5 % 100, stamp % 10**5
    midnight = datetime.fromisoformat("2018-11-29T00:00:00+01:00").timestamp()
    return midnight + hours * 3600.0 + minutes * 60.0 + milliseconds / 1000.0, table[:, 2:6] / 1000.0


def _lias(folder: Path) -> list[Recording]:
    recordings = []
    for run in ("fast", "mid"):
        stamps, poses = _lias_rows(folder / f"motion_capture_dynamic_exp_{run}.csv.xz", 1)
        times, ranges = _lias_rows(folder / f"UWB_dynamic_exp_{run}.csv.xz", 0)
        keep = np.arange(0, len(times), 10)  # from 100 to 10 Hz
        time, ranges = times[keep], ranges[keep].reshape(len(keep), 8, 3)
        flat = np.sqrt(np.maximum(ranges**2 - LIAS_TAG_HEIGHT_M**2, 0.0))
        w, x, y, z = poses[:, 3:7].T
        forward = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y + w * z)], 1)
        # the body hangs upside down in its quaternions: with y towards the other side the ranges fit within 0.05 m,
        # as the table stands they do not (0.2 m)
        left = -np.stack([2 * (x * y - w * z), 1 - 2 * (x * x + z * z)], 1)
        for tag, (along, across) in enumerate(LIAS_TAGS):
            truth = at_times(time, stamps, poses[:, :2] + along * forward + across * left)
            # constant biases of each pair are calibrated on the recording, as the README asks
            distance = np.linalg.norm(truth[:, None] - LIAS_ANCHORS[None], axis=2)
            bias = np.nanmedian(flat[:, :, tag] - distance, axis=0)
            recordings.append(
                _recording(f"lias-{run}-t{tag}", LIAS, LIAS_ANCHORS, time, flat[:, :, tag] - bias, truth, False, True)
            )
    return recordings


def _lias_rows(path: Path, header: int) -> tuple[Floats, Floats]:
    """Unix time (n,) and the other columns (n, c), NaN where empty."""
    with lzma.open(path, "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()[header:]
    times, rows = [], []
    width = max(line.count(",") for line in lines)
    for line in lines:
        stamp, *values = line.split(",")
        day, clock = stamp.split(" ")
        times.append(datetime.fromisoformat(f"{day}T{clock.zfill(12)}+00:00").timestamp())
        numbers = [float(value) if value.strip() else np.nan for value in values]
        rows.append(numbers + [np.nan] * (width - len(numbers)))
    return np.array(times), np.array(rows)


def _recording(
    name: str, source: str, anchors: Floats, time: Floats, ranges: Floats, truth: Floats, blocked: bool, moving: bool
) -> Recording:
    order = np.argsort(time, kind="stable")  # not needed by sound files; the filter counts what else goes back
    start = time[order][0]
    return Recording(Walk(name, anchors, time[order] - start, ranges[order], truth[order]), source, blocked, moving)
