"""Real ranges of `uwb_hanyang`: 67,105 static ones in and out of sight, and eight moving runs with RTK truth.

Source: zenodo 15226105 (Apache-2.0); the folder's README names the traps: outdoors, anchors of 5.2 x 1.7 m with the tag
outside of them, height of the tag a guess, no inertial sensor.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.files import read_members
from tinyloc.training.data.table import read_table
from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.recordings.epochs import at_times, gather
from tinyloc.training.fusion.recordings.published import Recording
from tinyloc.training.fusion.simulation.simulate import Walk

Floats = npt.NDArray[np.float64]
HANYANG = "uwb_hanyang"
PERIOD_S = 0.1
TAG_HEIGHT_M = 1.2
"""The source does not say it; its README guesses 1.0 to 1.5 m. 0.3 m more moves a range of 5 m by 0.05 m."""
FILES = ("static_ranges.csv", "dynamic_ranges.csv", "dynamic_truth.csv", "anchors.csv")


@dataclass(frozen=True)
class StaticRanges:
    """R ranges at known distances."""

    blocked: npt.NDArray[np.bool_]  # (R,)
    height_cm: Floats  # (R,)
    true_m: Floats  # (R,)
    range_m: Floats  # (R,)


def load_static(folder: Path) -> StaticRanges:
    """Read the static ranges below `folder`, which holds one directory per data set. Raises DataError, FusionError."""
    table = read_table(_files(folder, FILES[:1])[FILES[0]], f"{folder / HANYANG / FILES[0]}", ["nlos", "true_m"])
    values = table.numbers(["nlos", "height_cm", "true_m", "range_m"])
    return StaticRanges(values[:, 0] > 0.5, values[:, 1], values[:, 2], values[:, 3])


def load_moving(folder: Path) -> list[Recording]:
    """Read the moving runs in and out of sight, at 10 Hz, ranges flattened to the plane. Raises DataError, FusionError.

    The end of a name (A or B) is the trajectory: train on one, test on the other.
    """
    files = _files(folder, FILES[1:])
    tables = {name: read_table(files[name], f"{folder / HANYANG / name}", ["run"]) for name in FILES[1:]}
    run = {name: np.array(table.texts("run")) for name, table in tables.items()}
    heard = np.array(tables["dynamic_ranges.csv"].texts("anchor"))
    ranges = tables["dynamic_ranges.csv"].numbers(["t", "range_m"])
    truth = tables["dynamic_truth.csv"].numbers(["t", "x", "y"])
    named = np.array(tables["anchors.csv"].texts("anchor"))
    places = tables["anchors.csv"].numbers(["x", "y", "z"])
    recordings = []
    for name in sorted(set(run["anchors.csv"])):
        mine = run["anchors.csv"] == name
        names, points = named[mine].tolist(), places[mine]
        here = run["dynamic_ranges.csv"] == name
        unknown = sorted(set(heard[here].tolist()) - set(names))
        if unknown:
            raise FusionError(f"{folder / HANYANG}: run {name} ranges to {', '.join(unknown)}, not in anchors.csv")
        index = np.array([names.index(anchor) for anchor in heard[here].tolist()])
        drop = np.array([height - TAG_HEIGHT_M for height in points[:, 2]])[index]
        flat = np.sqrt(np.maximum(ranges[here, 1] ** 2 - drop**2, 0.0))
        time, matrix = gather(ranges[here, 0], index, flat, len(names), PERIOD_S)
        own = truth[run["dynamic_truth.csv"] == name]
        walk = Walk(f"hanyang-{name}", points[:, :2], time, matrix, at_times(time, own[:, 0], own[:, 1:]))
        recordings.append(Recording(walk, HANYANG, name.startswith("nlos"), True))
    return recordings


def _files(folder: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    if not (folder / HANYANG).is_dir():
        raise FusionError(f"{folder}: {HANYANG} not there; on GitHub it is cucudasluv/UWB-dataset (zenodo 15226105)")
    return read_members(folder / HANYANG, names, HANYANG)
