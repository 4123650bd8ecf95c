"""UJIIndoorLoc as sequences: consecutive scans of one phone inside one block, for models that read a sequence.

After the LSTM-to-MLP study (shared practice of fingerprint data without walks): the plan is cut into blocks of a grid
on each floor of each building, a class is a block, and a recording is what one phone scanned in a row inside it, cut
where it paused. A model that carries state then reads sliding windows over the scans of a recording. A caveat that the
study shares: recordings are cut by the true block, in the test set as well, so a model may rely on a recording staying
in its block. Split: whole recordings, a quarter of those of each block to validation; the publisher's validation file
is the test set.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data import uji
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording
from tinyloc.training.errors import DataError

NAME = "ujiindoorloc-blocks"


ANGLES_DEG = np.arange(0.0, 90.0, 0.5)


def load(
    path: Path,
    split_seed: int = 0,
    block_m: float = 20.0,
    pause_s: float = 300.0,
    longest: int = 0,
    own_axes: int = 0,
    heard_only: int = 0,
) -> DataSet:
    """Read UJIIndoorLoc as `uji.load` does and cut it into recordings inside blocks.

    Args:
        path: zip, folder or CSV.
        split_seed: which recordings are held out.
        block_m: side of a block in metres.
        pause_s: a longer time in seconds between two scans of a phone begins a new recording.
        longest: scans of a recording, at most; 0: as many as there are.
        own_axes: 1: turn the plan to the buildings' axes first.
        heard_only: 1: leave out training scans that hear no access point.

    Raises:
        DataError: missing or damaged files, or a size that is not above 0.
    """
    sizes = (("block_m", block_m), ("pause_s", pause_s))
    problems = [f"{name} = {value:g} must be above 0" for name, value in sizes if value <= 0]
    if problems:
        raise DataError(f"{NAME}: {'; '.join(problems)}; correct the data options")
    training, test = uji.read(path)
    if heard_only:
        training = _rows(training, ~np.isnan(training.rssi_dbm).all(axis=1))
    if own_axes:
        turn = axes_deg(training)
        training, test = turned(training, turn), turned(test, turn)
    return build(training, test, split_seed, block_m, pause_s, longest)


def axes_deg(scans: uji.Scans) -> float:
    """The angle by which the smallest upright rectangle around all scans is turned, 0 to 90."""
    sizes = []
    for angle in ANGLES_DEG:
        one = turned(scans, float(angle))
        sizes.append(np.ptp(one.longitude_m) * np.ptp(one.latitude_m))
    return float(ANGLES_DEG[int(np.argmin(sizes))])


def turned(scans: uji.Scans, degrees: float) -> uji.Scans:
    """The scans with the plan turned clockwise about the origin of coordinates."""
    cosine, sine = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    x, y = scans.longitude_m, scans.latitude_m
    return replace(scans, longitude_m=cosine * x + sine * y, latitude_m=cosine * y - sine * x)


def _rows(scans: uji.Scans, kept: npt.NDArray[np.bool_]) -> uji.Scans:
    return uji.Scans(**{name: values[kept] for name, values in vars(scans).items()})


def build(
    training: uji.Scans, test: uji.Scans, split_seed: int, block_m: float, pause_s: float, longest: int = 0
) -> DataSet:
    """Make blocks, recordings and splits from the two files; arguments as in `load`.

    Raises:
        DataError: fewer than two blocks in the training file.
    """
    origin = np.array([training.longitude_m.min(), training.latitude_m.min()])
    keys = uji.areas(training, origin, block_m)
    known = sorted(set(keys))
    if len(known) < 2:
        raise DataError(f"{NAME}: {len(known)} block in the training file; make block_m (now {block_m:g}) smaller")
    index = {key: number for number, key in enumerate(known)}
    label = np.array([index[key] for key in keys], np.int32)
    test_keys = uji.areas(test, origin, block_m)
    test_label = np.array([index.get(key, UNSEEN) for key in test_keys], np.int32)
    position = uji.positions(training, origin)
    recordings = list(_recordings("training", training, keys, label, position, pause_s, longest))
    held_out = uji.quarter(np.array([recording.label[0] for recording in recordings], np.int32), split_seed)
    return DataSet(
        name=NAME,
        title=f"UJIIndoorLoc in blocks of {block_m:g} m, sequences",
        licence=uji.LICENCE,
        citation=uji.CITATION,
        access_points=uji.ACCESS_POINTS,
        classes=tuple(map(uji.area_name, known)),
        class_position_m=np.stack([position[label == number].mean(axis=0) for number in range(len(known))]),
        rate_hz=1.0,
        sequential=True,
        train=tuple(r for r, held in zip(recordings, held_out, strict=True) if not held),
        validation=tuple(r for r, held in zip(recordings, held_out, strict=True) if held),
        test=tuple(_recordings("test", test, test_keys, test_label, uji.positions(test, origin), pause_s, longest)),
    )


def _recordings(
    name: str,
    scans: uji.Scans,
    keys: list[uji.Area],
    label: npt.NDArray[np.int32],
    position: npt.NDArray[np.float32],
    pause_s: float,
    longest: int,
) -> Iterator[Recording]:
    """Runs of scans of one recorder in time order without a change of block and without a pause."""
    order = np.lexsort((scans.time_s, scans.recorder))
    begins = [
        place
        for place, row in enumerate(order)
        if place == 0
        or keys[row] != keys[order[place - 1]]
        or scans.recorder[row] != scans.recorder[order[place - 1]]
        or scans.time_s[row] - scans.time_s[order[place - 1]] > pause_s
    ]
    runs = np.split(order, begins[1:])
    if longest:
        runs = [run[at : at + longest] for run in runs for at in range(0, len(run), longest)]
    for number, rows in enumerate(runs):
        yield Recording(f"{name} {number + 1}", scans.rssi_dbm[rows], position[rows], label[rows], scans.time_s[rows])
