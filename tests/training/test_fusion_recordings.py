"""Loaders of the real recordings, on files of their form whose truth is known."""

import lzma
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.trilaterate import trilaterate
from tinyloc.training.fusion.recordings.hanyang import FILES, HANYANG, load_moving, load_static
from tinyloc.training.fusion.recordings.published import (
    LIAS,
    LIAS_ANCHORS,
    LIAS_TAG_HEIGHT_M,
    LIAS_TAGS,
    TREK,
    TREK_ANCHORS,
    TREK_MOVING,
    TREK_STILL,
    load_recordings,
)

SHIFT = np.array([2.4, 2.8])
START = datetime.fromisoformat("2018-11-29T16:05:10+01:00").timestamp()


def circle(time: np.ndarray, radius: float) -> np.ndarray:
    return radius * np.stack([np.cos(time / 5), np.sin(time / 5)], axis=1)


def write_trek(folder: Path) -> None:
    (folder / "lab_ranges").mkdir(parents=True)
    poses, time = {}, np.arange(0, 30, 0.1)
    names = {name: vicon for name, (vicon, _) in TREK_MOVING.items()} | TREK_STILL
    for name, vicon in names.items():
        moving = name in TREK_MOVING
        place = circle(time, 1.5) + 2.8 if moving else np.full((len(time), 2), [2.0, 3.0])
        ranges = np.linalg.norm(place[:, None] - TREK_ANCHORS[None], axis=2)
        rows = []
        for seconds, row in zip(time, ranges, strict=True):
            whole, part = divmod(round((10 + seconds) * 1000), 60_000)
            rows.append(f"16{5 + whole:02d}{part:05d}\t0\t" + "\t".join(str(round(1000 * r)) for r in row))
        (folder / "lab_ranges" / f"output_range_uwb_{name}.txt").write_text("\n".join(rows) + "\n")
        lag = TREK_MOVING[name][1] if moving else 7.0
        poses[f"{vicon}_ts"] = START + time - lag
        poses[f"{vicon}_xyzq"] = np.concatenate([SHIFT - place, np.zeros((len(time), 5))], axis=1)
    np.savez(folder / "vicon_poses.npz", **poses)


def write_lias(folder: Path) -> None:
    folder.mkdir(parents=True)
    time = np.arange(0, 20, 0.01)
    middle = circle(time, 2.0)
    begin = datetime(2022, 8, 15, 9, 42, 24, tzinfo=UTC).timestamp()
    dates = [datetime.fromtimestamp(begin + seconds, UTC) for seconds in time]
    stamps = [date.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3].replace(" 0", " ") for date in dates]
    mocap = ["time,x,y,z,rotation,,,"]
    mocap += [f"{stamp},{x:.6f},{y:.6f},0.96,1,0,0,0" for stamp, (x, y) in zip(stamps, middle, strict=True)]
    lines = []
    for stamp, point in zip(stamps, middle, strict=True):
        tags = point + LIAS_TAGS * [1, -1]
        flat = np.linalg.norm(tags[None] - LIAS_ANCHORS[:, None], axis=2)  # (8, 3)
        ranges = np.hypot(flat, LIAS_TAG_HEIGHT_M) + 0.3  # a constant bias, to be calibrated away
        lines.append(stamp + "," + ",".join(f"{r:.3f}" for r in ranges.ravel()))
    lines[200] = lines[200].rsplit(",", 24)[0] + "," * 24  # nothing was measured
    for run in ("fast", "mid"):
        for name, rows in ((f"motion_capture_dynamic_exp_{run}", mocap), (f"UWB_dynamic_exp_{run}", lines)):
            with lzma.open(folder / f"{name}.csv.xz", "wt") as file:
                file.write("\n".join(rows) + "\n")


def test_recordings_are_aligned(tmp_path: Path) -> None:
    write_trek(tmp_path / TREK)
    write_lias(tmp_path / LIAS)
    recordings = load_recordings(tmp_path)
    assert len(recordings) == 3 + 12 + 6
    assert sum(recording.blocked for recording in recordings) == 8
    for recording in recordings:
        walk = recording.walk
        fixes = trilaterate(walk.anchors_m, walk.ranges_m)
        known = fixes.good & np.isfinite(walk.truth_m).all(axis=1)
        assert known.mean() > 0.5 and np.all(np.diff(walk.time_s) > 0)
        assert np.abs(fixes.position_m - walk.truth_m)[known].max() < 0.05, walk.name
    empty = [r.walk for r in recordings if r.source == LIAS]
    assert all(np.isnan(walk.ranges_m).all(axis=1).sum() == 1 for walk in empty)


def test_missing_recordings_are_named(tmp_path: Path) -> None:
    (tmp_path / LIAS).mkdir()
    with pytest.raises(FusionError, match=f"{TREK} not there.*GitHub"):
        load_recordings(tmp_path)


def write_hanyang(folder: Path) -> None:
    folder.mkdir(parents=True)
    anchors = np.array([[0.0, 0.0, 1.7], [5.0, 0.0, 1.2], [5.0, 4.0, 0.7], [0.0, 4.0, 1.2]])
    time = np.arange(0, 30, 0.1)
    place = circle(time, 4.0)
    rows, truth, sites = ["run,anchor,t,range_m,rssi,rssi_fp"], ["run,t,x,y,z,heading_deg"], ["run,anchor,x,y,z"]
    for run in ("los_A1", "nlos_B3"):
        sites += [f"{run},A{n},{x},{y},{z}" for n, (x, y, z) in enumerate(anchors)]
        truth += [f"{run},{t:.3f},{x:.4f},{y:.4f},0.0,0.0" for t, (x, y) in zip(time, place, strict=True)]
        for n, (x, y, z) in enumerate(anchors):
            away = np.sqrt(((place - [x, y]) ** 2).sum(axis=1) + (z - 1.2) ** 2)
            rows += [f"{run},A{n},{t + 0.01 * n:.3f},{r:.4f},-80,-81" for t, r in zip(time, away, strict=True)]
    static = ["nlos,height_cm,true_m,range_m", "0,100.0,10.0,10.24", "1,120.0,4.0,4.28"]
    for name, lines in zip(FILES, (static, rows, truth, sites), strict=True):
        (folder / name).write_text("\n".join(lines) + "\n")


def test_hanyang_is_read_and_aligned(tmp_path: Path) -> None:
    write_hanyang(tmp_path / HANYANG)
    recordings = load_moving(tmp_path)
    assert [(r.walk.name, r.blocked) for r in recordings] == [("hanyang-los_A1", False), ("hanyang-nlos_B3", True)]
    for recording in recordings:
        walk = recording.walk
        fixes = trilaterate(walk.anchors_m, walk.ranges_m)
        known = fixes.good & np.isfinite(walk.truth_m).all(axis=1)
        assert known.mean() > 0.9 and np.abs(fixes.position_m - walk.truth_m)[known].max() < 0.1
    static = load_static(tmp_path)
    assert static.blocked.tolist() == [False, True] and static.range_m.tolist() == [10.24, 4.28]
    with pytest.raises(FusionError, match="uwb_hanyang not there"):
        load_moving(tmp_path / HANYANG)
