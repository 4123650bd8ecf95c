"""Residential wearable RSSI (Byrne et al. 2018): four real houses, a wearable heard by the house's access points, 5 Hz.

Not redistributed here; written to the description of its files (figshare 6051794). A folder `house_X` has
`experiments/<name>/` with `rx_wearable_data.dat` (one row a packet and access point) and `tag_annotations.dat` (floor
tags that a camera on the chest saw), and `metadata/` with `room_tags.dat` (room number, then its tags),
`room_names.dat` and `tag_coordinates.dat` (cm). Scripted `fingerprint_*` experiments are trained on, the last of them
validates, free living `living_*` is the test set. A sample is a bin of 0.2 s; its room is that of the nearest
annotation in time, at most 0.5 s away; a stretch of samples without one ends a recording. Each wearable of an
experiment (`wearable_id`) has recordings of its own. Tags of `metadata/act_desc.dat` that are in no room stand for
activities and say nothing of the place.
"""

import csv
import io
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.training.data import files
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording
from tinyloc.training.data.table import read_table
from tinyloc.training.data.text import decoded
from tinyloc.training.errors import DataError

FOLDER = "ble-accelerometer-indoor-localisation-measurements"
HOUSES = ("A", "B", "C", "D")
CITATION = (
    "D. Byrne, M. Kozlowski, R. Santos-Rodriguez, R. Piechocki, I. Craddock, Residential wearable RSSI and "
    "accelerometer measurements with detailed location annotations, Scientific Data 5, 2018, doi:10.1038/sdata.2018.168"
)
LICENCE = "CC BY 4.0 (as the publisher's page states; not checked here)"
URL = "https://doi.org/10.6084/m9.figshare.6051794"
RSSI_FILE = "rx_wearable_data.dat"
TAG_FILE = "tag_annotations.dat"
RATE_HZ = 5.0
NEAR_S = 0.5
"""An annotation counts for samples at most so far away."""
SHORTEST = 20
"""Samples; shorter annotated stretches are left out."""


def load(house: str, path: Path) -> DataSet:
    """Read a house of Byrne et al. 2018 (figshare 6051794).

    Args:
        house: A, B, C or D.
        path: the folder that holds `house_X`, or that folder itself.

    Returns:
        The last scripted experiment validates, free living tests, the others train; 5 Hz, positions in metres.

    Raises:
        DataError: missing or damaged files, too few experiments, or no annotated samples in a split.
    """
    place = _house_folder(house, path)
    rooms, names, tags_m = _metadata(place / "metadata")
    activities = _activities(place / "metadata", rooms)
    experiments = sorted((place / "experiments").glob("*"), key=lambda folder: files.natural(folder.name))
    scripted = [folder for folder in experiments if folder.name.startswith("fingerprint")]
    living = [folder for folder in experiments if folder.name.startswith("living")]
    if len(scripted) < 2 or not living:
        raise DataError(
            f"{place / 'experiments'}: {len(scripted)} fingerprint_* and {len(living)} living_* experiments; at least "
            "two and one are needed (training, validation, test); unpack the whole archive"
        )
    worn = {folder: _wearables(folder / RSSI_FILE) for folder in (*scripted, *living)}
    points = tuple(sorted({point for each in worn.values() for packets in each for point in packets.heard_by},
                          key=files.natural))  # fmt: skip
    classes = sorted(set(rooms.values()))
    read = {
        folder: _stretches(folder, worn[folder], points, rooms, classes, tags_m, activities)
        for folder in (*scripted, *living)
    }
    splits = ([r for f in scripted[:-1] for r in read[f]], read[scripted[-1]], [r for f in living for r in read[f]])
    train, validation, test = map(tuple, splits)
    if not (train and validation and test):
        raise DataError(f"{place}: no {SHORTEST} annotated samples in a row in one of the splits; unpack it again")
    centres = [_centre([tags_m[tag] for tag in rooms if rooms[tag] == room and tag in tags_m]) for room in classes]
    return DataSet(
        name=f"in-home-{house.lower()}",
        title=f"Residential wearable RSSI, house {house}",
        licence=LICENCE,
        citation=CITATION,
        access_points=points,
        classes=tuple(names.get(room, f"room {room}") for room in classes),
        class_position_m=np.array(centres, np.float32) if not np.isnan(centres).any() else None,
        rate_hz=RATE_HZ,
        sequential=True,
        train=train,
        validation=validation,
        test=test,
    )


def _centre(points_m: list[npt.NDArray[np.float64]]) -> npt.NDArray[np.float64]:
    """(3,) mean of points, NaN when there is none."""
    return np.mean(points_m, axis=0) if points_m else np.full(3, np.nan)


def _house_folder(house: str, path: Path) -> Path:
    for place in (path, path / f"house_{house}", path / FOLDER / f"house_{house}"):
        if (place / "experiments").is_dir() and (place / "metadata").is_dir():
            return place
    raise DataError(f"{path}: no house_{house} with experiments/ and metadata/ here; unpack the archive of {URL} there")


def _numbered_rows(path: Path) -> dict[int, list[str]]:
    """First column -> the other cells; a header line and rows of any length, as the metadata files have."""
    if not path.is_file():
        raise DataError(f"{path}: missing; unpack the whole archive of {URL}")
    rows = {}
    for row in csv.reader(io.StringIO(decoded(path.read_bytes(), str(path)))):
        cells = [cell.strip() for cell in row if cell.strip()]
        if cells and cells[0].lstrip("-").isdigit():
            rows[int(cells[0])] = cells[1:]
    if not rows:
        raise DataError(f"{path}: no row begins with a number; use the file of the publisher")
    return rows


def _metadata(folder: Path) -> tuple[dict[int, int], dict[int, str], dict[int, npt.NDArray[np.float64]]]:
    """Tag -> room, room -> name, tag -> position in metres."""
    rooms = {int(tag): room for room, tags in _numbered_rows(folder / "room_tags.dat").items() for tag in tags}
    names = {room: " ".join(words) for room, words in _numbered_rows(folder / "room_names.dat").items()}
    tags = {
        tag: np.array([float(cell) for cell in cells[:3]]) / 100
        for tag, cells in _numbered_rows(folder / "tag_coordinates.dat").items()
        if len(cells) >= 3
    }
    return rooms, names, tags


def _activities(folder: Path, rooms: dict[int, int]) -> set[int]:
    """Tags that stand for an activity and no room; none where the file is not there."""
    path = folder / "act_desc.dat"
    return set(_numbered_rows(path)) - set(rooms) if path.is_file() else set()


def _seconds(text: str, source: str) -> float:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        raise DataError(f"{source}: {text!r} is not a date and time such as 2017-03-01 10:15:00.200") from None


@dataclass(frozen=True)
class _Packets:
    """What was received of one wearable. N packets."""

    time_s: npt.NDArray[np.float64]  # (N,)
    heard_by: list[str]  # N access points
    rssi_dbm: npt.NDArray[np.float64]  # (N,)


def _wearables(path: Path) -> list[_Packets]:
    """The packets of each wearable of an experiment, in the order of their first packets."""
    table = read_table(_text(path), str(path), ["timestamp", "ap_id", "rssi"])
    time_s = np.array([_seconds(text, str(path)) for text in table.texts("timestamp")])
    heard_by, rssi = list(table.texts("ap_id")), table.numbers(["rssi"])[:, 0]
    whose = table.texts("wearable_id") if "wearable_id" in table.names else [""] * len(table)
    found = []
    for wearable in dict.fromkeys(whose):
        rows = np.flatnonzero(np.array(whose) == wearable)
        found.append(_Packets(time_s[rows], [heard_by[row] for row in rows], rssi[rows]))
    return found


def _text(path: Path) -> bytes:
    if not path.is_file():
        raise DataError(f"{path}: missing; unpack the whole archive of {URL}")
    return path.read_bytes()


def _stretches(
    folder: Path,
    worn: list[_Packets],
    points: tuple[str, ...],
    rooms: dict[int, int],
    classes: list[int],
    tags_m: dict[int, npt.NDArray[np.float64]],
    activities: set[int],
) -> list[Recording]:
    """The experiment as recordings of annotated samples in a row."""
    source = str(folder / TAG_FILE)
    table = read_table(_text(folder / TAG_FILE), source, ["timestamp", "tag"])
    annotated = np.array([_seconds(text, source) for text in table.texts("timestamp")])
    tags = table.numbers(["tag"])[:, 0].astype(int)
    unknown = sorted(set(tags.tolist()) - set(rooms) - activities)
    if unknown:
        raise DataError(f"{source}: tags {files.some(unknown)} belong to no room in metadata/room_tags.dat")
    places = ~np.isin(tags, list(activities))
    order = np.argsort(annotated[places])
    annotated, tags = annotated[places][order], tags[places][order]
    found: list[Recording] = []
    for packets in worn if len(tags) else []:
        middle, readings = _samples(packets, points)
        nearest, near = _nearest(annotated, middle)
        label = np.where(near, [classes.index(rooms[tag]) for tag in tags[nearest]], UNSEEN).astype(np.int32)
        position = np.array([tags_m.get(tag, np.full(3, np.nan)) for tag in tags[nearest]], np.float32)
        edges = np.flatnonzero(np.diff(near.astype(int))) + 1
        stretches = [rows for rows in np.split(np.arange(len(near)), edges) if near[rows[0]] and len(rows) >= SHORTEST]
        found += [
            Recording(f"{folder.name} {number}", readings[rows], position[rows], label[rows], middle[rows])
            for number, rows in enumerate(stretches, start=len(found) + 1)
        ]
    return found


def _samples(packets: _Packets, points: tuple[str, ...]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float32]]:
    """Middles (N,) in seconds of bins of one sample, and their mean readings (N, P) in dBm."""
    start_s = packets.time_s.min()
    place = np.rint((packets.time_s - start_s) * RATE_HZ).astype(int)
    bins = int(place.max()) + 1
    total, count = np.zeros((bins, len(points))), np.zeros((bins, len(points)))
    column = np.array([points.index(point) for point in packets.heard_by])
    np.add.at(total, (place, column), packets.rssi_dbm)
    np.add.at(count, (place, column), 1)
    with np.errstate(invalid="ignore"):
        return start_s + np.arange(bins) / RATE_HZ, files.whole_dbm(total / count)


def _nearest(
    annotated: npt.NDArray[np.float64], middle: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each sample (N,) the nearest of the annotations, which are in time order, and whether it is near enough."""
    right = np.minimum(np.searchsorted(annotated, middle), len(annotated) - 1)
    left = np.maximum(right - 1, 0)
    nearest = np.where(middle - annotated[left] <= np.abs(annotated[right] - middle), left, right)
    return nearest, np.abs(annotated[nearest] - middle) <= NEAR_S
