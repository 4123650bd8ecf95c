"""A furnished flat with six Bluetooth anchors: fingerprints by a robot, and the robot's test drive.

The publisher's calibration file is four drives, told apart by the time between them; none of them enters all rooms, so
of each 40 s in a row are trained on and the next 13 s validate, in turn. The test drive, later that day, is the test
set (about 3 samples a second). Readings are means of two modules, rounded here to whole dBm as the device gets them.
The publisher gives positions and walls but no rooms: the rooms are ours, rectangles read off its wall vertices
(layout.csv).
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.site import Room
from tinyloc.training.data import files
from tinyloc.training.data.dataset import DataSet, Recording, alternating
from tinyloc.training.data.table import read_table
from tinyloc.training.errors import DataError

NAME = "ble_flat_kolakowski"
TRAINING_FILE = "calibration_df.csv"
TEST_FILE = "test_robot_df.csv"
ANCHORS = tuple(f"rssi_{number}" for number in range(1, 7))
CITATION = (
    "M. Kolakowski, Automated Calibration of RSS Fingerprinting Based Systems Using a Mobile Robot and Machine "
    "Learning, Sensors 21, 6270, 2021, doi:10.3390/s21186270; data doi:10.5281/zenodo.5457591"
)
LICENCE = "CC BY 4.0"
RATE_HZ = 3.0
PAUSE_S = 10.0
"""A longer time between two samples begins a new recording."""
TRAINED, HELD = 120, 40
"""Samples of a drive in a row that are trained on, and that validate after them."""
ROOMS = (
    Room.rectangle("bedroom", 0.0, 2.12, 2.64, 4.98),
    Room.rectangle("bathroom", 0.0, 0.0, 2.0, 2.12),
    Room.rectangle("hall", 2.0, 0.0, 1.96, 2.12),
    Room.rectangle("kitchen", 3.96, 0.0, 2.26, 2.0),
    Room.rectangle("living room", 2.64, 2.12, 3.68, 4.98),
    Room.rectangle("study", 6.32, 4.19, 2.75, 2.91),
)
"""Names are guesses from the shape; x, y of the south-west corner, metres."""


def load(path: Path) -> DataSet:
    """Read the publisher's processed files from a folder (plain or .xz) or its zip.

    Returns:
        Readings in dBm of 6 anchors at 3 Hz; of each calibration drive 40 s train and 13 s validate, in turn.

    Raises:
        DataError: missing or damaged files, or too few samples for both splits.
    """
    members = files.read_members(path, (TRAINING_FILE, TEST_FILE), NAME)
    calibration = _drives(members[TRAINING_FILE], f"{path}: {TRAINING_FILE}", "calibration")
    test = _drives(members[TEST_FILE], f"{path}: {TEST_FILE}", "test drive")
    parts = [alternating(drive, TRAINED, HELD) for drive in calibration]
    train, validation = (tuple(part for pair in parts for part in pair[split]) for split in (0, 1))
    if not validation:
        samples = sum(map(len, calibration))
        raise DataError(f"{path}: {samples} samples in {TRAINING_FILE} are too few; at least {TRAINED + HELD} in a row")
    return DataSet(
        name=NAME,
        title="BLE in a flat (Kolakowski), 6 anchors",
        licence=LICENCE,
        citation=CITATION,
        access_points=tuple(f"anchor {number}" for number in range(1, 7)),
        classes=tuple(room.name for room in ROOMS),
        class_position_m=np.array([(*room.middle_m, 0.0) for room in ROOMS], np.float32),
        rate_hz=RATE_HZ,
        sequential=True,
        train=train,
        validation=validation,
        test=test,
        floor_plan=ROOMS,
    )


def rooms_of(x_m: files.Floats, y_m: files.Floats) -> npt.NDArray[np.int32]:
    """(N,) index in ROOMS of the room at each point, the nearest where a point lies in none (in a wall)."""
    low = np.array([room.low_m for room in ROOMS])
    high = np.array([room.high_m for room in ROOMS])
    points = np.stack([x_m, y_m], axis=1)[:, None]
    outside = np.maximum(np.maximum(low - points, points - high), 0.0)  # (N, rooms, 2)
    return np.linalg.norm(outside, axis=2).argmin(axis=1).astype(np.int32)


def _drives(content: bytes, source: str, name: str) -> tuple[Recording, ...]:
    table = read_table(content, source, ["ts", "x", "y", *ANCHORS])
    time_s = table.numbers(["ts"])[:, 0] * 1e-9
    x, y = table.numbers(["x", "y"]).T
    rssi = files.whole_dbm(table.numbers(ANCHORS, missing=[""]))
    position = np.stack([x, y, np.zeros(len(x))], axis=1).astype(np.float32)
    label = rooms_of(x, y)
    edges = np.flatnonzero(np.diff(time_s) > PAUSE_S) + 1
    return tuple(
        Recording(f"{name} {number}", rssi[rows], position[rows], label[rows], time_s[rows])
        for number, rows in enumerate(np.split(np.arange(len(x)), edges), start=1)
    )
