"""Position-annotated Bluetooth tracks: one beacon moved through 21 x 18 m, twelve sensors, positions by camera.

Packets are heard now and then, so samples are bins of half a second: the mean of a sensor's readings, rounded, NaN for
a sensor that heard none; the position is the mean of the bin. A class is a cell of a grid that some training track
enters. Splits are of whole tracks: three test, one of the others validates, five are trained on. The publisher's
fingerprints (half an hour at each of 126 points) are not read: they were recorded standing still on other days.
"""

import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data import files
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording
from tinyloc.training.data.table import read_table
from tinyloc.training.data.text import decoded
from tinyloc.training.errors import DataError

NAME = "ble_position_annotated_danis"
CONVERTED_FILE = "tracks.csv"
PUBLISHED_FILES = "*_all_sensors.mbd"
SENSOR_FILE = "tetam.dev"
TEST_TRACKS = ("rectangular_without_rotation", "straight_04", "zigzagging_without_rotation")
CITATION = (
    "F. S. Danis, A. T. Naskali, A. T. Cemgil, C. Ersoy, An Indoor Localization Dataset and Data Collection Framework "
    "with High Precision Position Annotation, Pervasive and Mobile Computing 81, 2022"
)
LICENCE = "CC0 1.0"
BIN_S = 0.5
HELD_OUT = 5
"""straight_05, a slow walk along the line of straight_01: no cell is lost to training."""
LOUDEST_DBM = -20.0
"""Above it the publisher's receivers were faulty."""
SENSORS = (
    "sensor10", "sensor11", "sensor12", "sensor20", "sensor21", "sensor22",
    "sensor30", "sensor31", "sensor32", "sensor40", "sensor41", "sensor42",
)  # fmt: skip
_DONGLE = re.compile(r'"([0-9a-f]{12})":\s*\[\[[^\]]*\][^\]]*"(sensor\d+)"\]')
Packets = tuple[files.Floats, npt.NDArray[np.int64], files.Floats, files.Floats]
"""time_s (N,), sensor index (N,), rssi (N,), position (N, 3)."""


def load(path: Path, cell_m: float = 3.0, held_out: int = HELD_OUT) -> DataSet:
    """Read the tracks: the publisher's .mbd files with its tetam.dev, or one tracks.csv that joins them.

    Args:
        path: folder or zip.
        cell_m: side of a grid cell in metres.
        held_out: the track that validates, counted from 1 by name among the tracks that do not test.

    Raises:
        DataError: missing tracks, damaged files, or options that do not fit them.
    """
    if not cell_m > 0:
        raise DataError(f"{NAME}: cell_m = {cell_m:g}; it must be above 0 metres")
    tracks = {name: _binned(name, packets) for name, packets in _read(path).items()}
    test = [tracks.pop(name) for name in TEST_TRACKS if name in tracks]
    if len(tracks) < 2 or not test:
        tested = ", ".join(TEST_TRACKS)
        raise DataError(f"{path}: needs the tracks {tested} and at least two others; use all files")
    if not 1 <= held_out <= len(tracks):
        named = ", ".join(f"{number} {name}" for number, name in enumerate(sorted(tracks), start=1))
        raise DataError(f"{NAME}: held_out = {held_out}; choose one of {named}")
    validation = [tracks.pop(sorted(tracks)[held_out - 1])]
    train = [tracks[name] for name in sorted(tracks)]
    known = sorted({cell for recording in train for cell in _cells(recording, cell_m)})
    index = {cell: number for number, cell in enumerate(known)}
    centres = [((x + 0.5) * cell_m, (y + 0.5) * cell_m, 1.8) for x, y in known]
    return DataSet(
        name=NAME,
        title=f"Position-annotated BLE tracks (Danis), 12 sensors, cells of {cell_m:g} m",
        licence=LICENCE,
        citation=CITATION,
        access_points=SENSORS,
        classes=tuple(f"{x}/{y}" for x, y in known),
        class_position_m=np.array(centres, np.float32),
        rate_hz=1 / BIN_S,
        sequential=True,
        train=tuple(_labelled(recording, index, cell_m) for recording in train),
        validation=tuple(_labelled(recording, index, cell_m) for recording in validation),
        test=tuple(_labelled(recording, index, cell_m) for recording in test),
    )


def _read(path: Path) -> dict[str, Packets]:
    """Track name -> its packets in time order."""
    try:
        content = files.read_members(path, (CONVERTED_FILE,), NAME)[CONVERTED_FILE]
    except DataError:
        return _read_published(files.read_members(path, (PUBLISHED_FILES, SENSOR_FILE), NAME), path)
    table = read_table(content, f"{path}: {CONVERTED_FILE}", ["track", "ts", "sensor", "rssi", "x", "y", "z"])
    numbers = table.numbers(["ts", "rssi", "x", "y", "z"])
    sensors = _sensor_numbers(table.texts("sensor"), str(path))
    rows = sorted(range(len(table)), key=lambda row: table.texts("track")[row])
    grouped = {name: np.array(list(part)) for name, part in groupby(rows, key=lambda row: table.texts("track")[row])}
    return {name: _sorted(numbers[part], sensors[part]) for name, part in grouped.items()}


def _read_published(members: dict[str, bytes], path: Path) -> dict[str, Packets]:
    aliases = dict(_DONGLE.findall(decoded(members[SENSOR_FILE], f"{path}: {SENSOR_FILE}")))
    tracks = {}
    for name in files.matching([PUBLISHED_FILES], members):
        header = "ts,sensor,beacon,rssi,x,y,z," + ",".join(f"r{i}{j}" for i in range(3) for j in range(3)) + "\n"
        source = f"{path}: {name}"
        table = read_table(header + decoded(members[name], source), source, ["ts", "sensor", "rssi"])
        sensors = _sensor_numbers([aliases.get(mac, mac) for mac in table.texts("sensor")], source)
        packets = _sorted(table.numbers(["ts", "rssi", "x", "y", "z"]), sensors)
        tracks[name.removesuffix(PUBLISHED_FILES.removeprefix("*"))] = packets
    return tracks


def _sensor_numbers(names: Sequence[str], source: str) -> npt.NDArray[np.int64]:
    unknown = sorted(set(names) - set(SENSORS))
    if unknown:
        raise DataError(f"{source}: unknown sensors {files.some(unknown)}; known are {SENSORS[0]} to {SENSORS[-1]}")
    return np.array([SENSORS.index(name) for name in names], np.int64)


def _sorted(numbers: files.Floats, sensors: npt.NDArray[np.int64]) -> Packets:
    good = numbers[:, 1] <= LOUDEST_DBM
    numbers, sensors = numbers[good], sensors[good]
    order = np.argsort(numbers[:, 0], kind="stable")
    return numbers[order, 0], sensors[order], numbers[order, 1], numbers[order, 2:]


def _binned(name: str, packets: Packets) -> Recording:
    """Half-second samples, label not yet known. Bins in which nothing at all was heard keep the last position."""
    time_s, sensor, rssi, position = packets
    place = ((time_s - time_s[0]) / BIN_S).astype(np.int64)
    bins = int(place[-1]) + 1
    total, count = np.zeros((bins, len(SENSORS))), np.zeros((bins, len(SENSORS)))
    np.add.at(total, (place, sensor), rssi)
    np.add.at(count, (place, sensor), 1)
    where = np.zeros((bins, 3))
    np.add.at(where, place, position)
    heard = count.sum(axis=1)
    last = np.maximum.accumulate(np.where(heard > 0, np.arange(bins), 0))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean, centre = total / count, where / heard[:, None]
    return Recording(
        name=name,
        rssi_dbm=files.whole_dbm(mean),
        position_m=centre[last].astype(np.float32),
        label=np.full(bins, UNSEEN, np.int32),
        time_s=time_s[0] + BIN_S * np.arange(bins),
    )


def _cells(recording: Recording, cell_m: float) -> list[tuple[int, int]]:
    cells = np.floor(recording.position_m[:, :2] / cell_m).astype(int)
    return list(map(tuple, cells.tolist()))


def _labelled(recording: Recording, index: dict[tuple[int, int], int], cell_m: float) -> Recording:
    label = np.array([index.get(cell, UNSEEN) for cell in _cells(recording, cell_m)], np.int32)
    return Recording(recording.name, recording.rssi_dbm, recording.position_m, label, recording.time_s)
