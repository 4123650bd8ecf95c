"""The table of range errors from the recordings: what stands between tag and anchor -> quantiles and persistence."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.files import read_members
from tinyloc.training.data.table import read_table
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.recordings.hanyang import load_static
from tinyloc.training.fusion.recordings.published import TREK, load_recordings
from tinyloc.training.fusion.simulation.range_errors import RangeErrors, summary

Floats = npt.NDArray[np.float64]
Series = list[tuple[Floats, Floats]]
RTT = "rtt_walk"
RTT_ANCHORS = 8
ABSURD_M = 30.0
"""Wi-Fi RTT reports kilometres at times; a filter drops such ranges, so they are none of its errors."""
CALIBRATED = 0.10
"""Quantile of an anchor's Wi-Fi RTT errors that is taken for its constant offset: in sight there is little below."""


def measure(folder: Path) -> RangeErrors:
    """Make the table from the data sets below `folder`. Raises FusionError, DataError.

    sight and wall: static ranges of uwb_hanyang less the median in sight (the constant offset that one calibrates).
    person: uwb_trek1000_sang, a person before the anchor, less that anchor's median in the free recordings. deep:
    rtt_walk, Wi-Fi ranging through the walls of six sites, less each anchor's low quantile: no UWB recording through
    several walls was to be had, and Wi-Fi's 80 MHz resolve paths worse than UWB's 500 MHz.
    """
    static = load_static(folder)
    error = static.range_m - static.true_m
    error = error - np.median(error[~static.blocked])
    place = np.unique(np.stack([static.height_cm, static.true_m], axis=1), axis=0, return_inverse=True)[1].ravel()

    def of(blocked: bool) -> Series:
        """Ranges of one place follow each other at 10 Hz."""
        rows = [np.flatnonzero((place == p) & (static.blocked == blocked)) for p in range(int(place.max()) + 1)]
        return [(np.arange(len(row)) * 0.1, error[row]) for row in rows if len(row)]

    return RangeErrors(
        kinds={
            "sight": summary("uwb_hanyang static, in sight", of(False)),
            "person": summary(f"{TREK}, a person 1 m before the tag", _person(folder)),
            "wall": summary("uwb_hanyang static, blocked", of(True)),
            "deep": summary(f"{RTT}, six sites (Wi-Fi RTT)", _deep(folder)),
        }
    )


def _person(folder: Path) -> Series:
    """Errors of the blocked anchor in each stationary recording, less its median in the recordings without a person."""
    free: dict[int, list[Floats]] = {}
    blocked: list[tuple[int, Floats, Floats]] = []
    for recording in load_recordings(folder):
        walk = recording.walk
        if recording.source != TREK or recording.moving:
            continue
        error = walk.ranges_m - np.linalg.norm(walk.truth_m[:, None] - walk.anchors_m[None], axis=2)
        if not recording.blocked:
            for anchor in range(error.shape[1]):
                free.setdefault(anchor, []).append(error[:, anchor])
            continue
        anchor = int(walk.name.removeprefix("trek-4vba")[0])
        blocked.append((anchor, walk.time_s, error[:, anchor]))
    series = []
    for anchor, time, error in blocked:
        known = np.isfinite(error)
        series.append((time[known], error[known] - float(np.nanmedian(np.concatenate(free[anchor])))))
    return series


def _deep(folder: Path) -> Series:
    """Errors of each anchor of each lap, less the anchor's low quantile over its site. Repeated rows count once."""
    if not (folder / RTT).is_dir():
        raise FusionError(f"{folder}: {RTT} not there; on GitHub it is haiyaoyu/RTT-Indoor-localization-data-set")
    files = read_members(folder / RTT, ["rtt_walk.csv", "anchors.csv"], RTT)
    anchors = read_table(files["anchors.csv"], "anchors.csv", ["scene", "ap"])
    names = list(zip(anchors.texts("scene"), anchors.texts("ap"), strict=True))
    places = dict(zip(names, anchors.numbers(["x", "y"]), strict=True))
    table = read_table(files["rtt_walk.csv"], "rtt_walk.csv", ["scene", "circle", "user"])
    columns = [f"rtt_{n}" for n in range(1, RTT_ANCHORS + 1)]
    values = table.numbers(["t", "x", "y", *columns], missing=[""])
    lap = list(zip(table.texts("scene"), table.texts("circle"), table.texts("user"), strict=True))
    rows: dict[tuple[str, str, str], list[int]] = {}
    for number, one in enumerate(lap):
        rows.setdefault(one, []).append(number)
    found: dict[tuple[str, str], list[tuple[Floats, Floats]]] = {}
    for (scene, _, _), chosen in rows.items():
        block = values[chosen]
        fresh = np.concatenate([[True], (np.nan_to_num(np.diff(block[:, 3:], axis=0)) != 0).any(axis=1)])
        block = block[fresh]
        for anchor in range(RTT_ANCHORS):
            key = (scene, str(anchor + 1))
            if key not in places:
                continue
            error = block[:, 3 + anchor] - np.linalg.norm(block[:, 1:3] - places[key], axis=1)
            known = np.abs(error) < ABSURD_M  # NaN is not
            if known.sum() > 20:
                found.setdefault(key, []).append((block[known, 0], error[known]))
    series = []
    for pieces in found.values():
        low = float(np.quantile(np.concatenate([error for _, error in pieces]), CALIBRATED))
        series += [(time, error - low) for time, error in pieces]
    return series
