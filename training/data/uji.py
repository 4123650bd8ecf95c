"""UJIIndoorLoc: WiFi scans of three university buildings (UCI data set 310).

Of the publisher's training file about a quarter validates: whole recorders (person and phone), because the publisher's
validation file, recorded four months later with other phones, is the test set. A class is an area: building, floor and
a cell of an 85 m grid whose origin is the smallest longitude and latitude of the training file; that gives the 59
classes of arXiv 2412.09289. Positions are metres from the same origin. The publisher gives floors but no heights, so z
is 0 and distances are horizontal.
"""

import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.errors import counted
from tinyloc.training.data import files
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording
from tinyloc.training.data.files import some
from tinyloc.training.data.radio_map.scans import numbered
from tinyloc.training.data.radio_map.splits import VALIDATION, Keys, Units, hold_out
from tinyloc.training.data.text import decoded
from tinyloc.training.errors import DataError

TRAINING_FILE = "trainingData.csv"
TEST_FILE = "validationData.csv"
NOT_HEARD = 100.0
"""The publisher's code for an access point that a scan did not hear."""
ACCESS_POINTS = tuple(f"WAP{number:03d}" for number in range(1, 521))
PLACE_COLUMNS = ("LONGITUDE", "LATITUDE", "FLOOR", "BUILDINGID")
TIME_COLUMN = "TIMESTAMP"
RECORDER_COLUMNS = ("USERID", "PHONEID")
CITATION = (
    "J. Torres-Sospedra et al., UJIIndoorLoc: A new multi-building and multi-floor database for WLAN "
    "fingerprint-based indoor localization problems, IPIN 2014, doi:10.1109/IPIN.2014.7275492"
)
LICENCE = "CC BY 4.0"
LOWEST_DBM = -127.0
AREA_M = 85.0
HELD_OUT = 0.25
"""Share of the recorders that validates; of the scans where no recorder is known."""
PLACE_M = 0.1
"""Default grid cell of `places`: scans this near to one another were taken at one place."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Scans:
    """One of the publisher's files. N scans."""

    rssi_dbm: npt.NDArray[np.float32]  # (N, P), NaN where not heard
    longitude_m: Floats  # (N,)
    latitude_m: Floats  # (N,)
    floor: npt.NDArray[np.int64]  # (N,)
    building: npt.NDArray[np.int64]  # (N,)
    time_s: Floats  # (N,) Unix time
    recorder: npt.NDArray[np.int64]  # (N,) who recorded with which phone; 0 where the file does not say

    def __len__(self) -> int:
        return len(self.floor)


def parse_csv(text: str, source: str) -> Scans:
    """Read one of the publisher's two files; columns are found by name.

    Raises DataError that lists all the problems of the file.
    """
    header, _, body = text.partition("\n")
    names = [name.strip().strip('"').upper() for name in header.split(",")]
    missing = [name for name in (*ACCESS_POINTS, *PLACE_COLUMNS, TIME_COLUMN) if name not in names]
    if missing:
        raise DataError(
            f"{source}: {counted(len(missing), 'column is missing', 'columns are missing')}: {some(missing)}; "
            "download the file of UCI (`tinyloc data get ujiindoorloc`)"
        )
    values = _numbers(body, len(names), source)
    column = {name: values[:, names.index(name)] for name in (*PLACE_COLUMNS, TIME_COLUMN)}
    rssi = values[:, [names.index(name) for name in ACCESS_POINTS]]
    _check_values(rssi, column, source)
    return Scans(
        rssi_dbm=np.where(rssi == NOT_HEARD, np.nan, rssi).astype(np.float32),
        longitude_m=column["LONGITUDE"],
        latitude_m=column["LATITUDE"],
        floor=column["FLOOR"].astype(np.int64),
        building=column["BUILDINGID"].astype(np.int64),
        time_s=column[TIME_COLUMN],
        recorder=_recorders(values, names),
    )


def _recorders(values: Floats, names: list[str]) -> npt.NDArray[np.int64]:
    """(N,) one number for each pair of user and phone."""
    known = [values[:, names.index(name)].astype(np.int64) for name in RECORDER_COLUMNS if name in names]
    number = np.zeros(len(values), np.int64)
    for column in known:
        number = number * 1000 + column
    return number


def _numbers(body: str, columns: int, source: str) -> Floats:
    """(N, columns) of the lines after the header; DataError names the lines that are not rows of numbers."""
    lines = body.rstrip("\r\n").split("\n")
    empty = [number for number, line in enumerate(lines, start=2) if not line.strip(", \t\r")]
    if empty:
        rows = f"{counted(len(empty), 'empty row')} (line {some(empty)})"
        what = "no data rows" if len(empty) == len(lines) else rows
        raise DataError(f"{source}: {what}; delete empty rows, or download the file again")
    try:
        values = np.loadtxt(io.StringIO(body), delimiter=",", ndmin=2, comments=None)
        if values.shape[1] == columns and np.isfinite(values).all():
            return values
    except ValueError:
        pass
    checked = (_row_problem(line, number, columns) for number, line in enumerate(lines, start=2))
    problems = [problem for problem in checked if problem]
    rows = counted(len(problems), "unreadable row")
    raise DataError(f"{source}: {rows}: {some(problems)}; download the file again")


def _row_problem(line: str, number: int, columns: int) -> str | None:
    cells = line.split(",")
    if len(cells) != columns:
        return f"line {number} has {len(cells)} values, the header {columns}"
    for position, cell in enumerate(cells, start=1):
        try:
            finite = np.isfinite(float(cell))
        except ValueError:
            finite = False
        if not finite:
            return f"line {number}, value {position} is {cell.strip()!r}"
    return None


def _check_values(rssi: Floats, column: dict[str, Floats], source: str) -> None:
    problems = []
    kinds = (
        ((rssi > 0) & (rssi != NOT_HEARD), f"above 0 dBm and not {NOT_HEARD:g} (not heard)"),
        (rssi < LOWEST_DBM, f"below {LOWEST_DBM:g} dBm"),
        (rssi != np.rint(rssi), "not in whole dBm"),
    )
    for wrong, what in kinds:
        rows, columns = np.nonzero(wrong)
        if len(rows):
            shown = [f"line {r + 2} {ACCESS_POINTS[c]} = {rssi[r, c]:g}" for r, c in zip(rows, columns, strict=True)]
            problems.append(f"{counted(len(rows), 'reading')} {what}: {some(shown)}")
    for name in ("FLOOR", "BUILDINGID"):
        (rows,) = np.nonzero((column[name] != np.rint(column[name])) | (column[name] < 0))
        if len(rows):
            shown = [f"line {r + 2} = {column[name][r]:g}" for r in rows]
            values = counted(len(rows), "value")
            problems.append(f"{values} of {name} below 0 or not whole: {some(shown)}")
    if problems:
        raise DataError(f"{source}: {'; '.join(problems)}; correct them, or download the file again")


def read_members(path: Path) -> dict[str, bytes]:
    """The two CSV files from the official zip, a folder that holds the zip or the CSVs, or from one of the CSVs."""
    return files.read_members(path, (TRAINING_FILE, TEST_FILE), "UJIIndoorLoc")


def read(path: Path) -> tuple[Scans, Scans]:
    """The publisher's training and validation scans, see `read_members`."""
    members = read_members(path)
    places = {name: f"{path}: {name}" for name in (TRAINING_FILE, TEST_FILE)}
    training, test = (parse_csv(decoded(members[name], place), place) for name, place in places.items())
    return training, test


def load(
    path: Path,
    split_seed: int = 0,
    recorders: int = 1,
    cell_m: float = AREA_M,
    places: int = 0,
    place_m: float = PLACE_M,
) -> DataSet:
    """Read UJIIndoorLoc from its zip, its folder or one of its CSVs (the other next to it).

    Args:
        path: zip, folder or CSV.
        split_seed: which quarter of the recorders, or of the training scans, validates.
        recorders: 1: whole recorders validate, as the test's are others; 0: scans at random, which have neighbours of
            the same minute to train on and so choose badly.
        cell_m: side of a grid cell in metres, for areas.
        places: 0 for areas; 1 for the places where training scans were taken.
        place_m: places in one cell of a grid of so many metres are one class, at the mean of its scans.

    Raises:
        DataError: missing or damaged files, or a size that is not above 0.
    """
    wrong = [f"{name} = {value:g}" for name, value in (("cell_m", cell_m), ("place_m", place_m)) if not value > 0]
    if wrong:
        raise DataError(f"ujiindoorloc: {' and '.join(wrong)} must be above 0 metres; correct the data options")
    training, test = read(path)
    if not places:
        return build(training, test, split_seed, cell_m, whole_recorders=bool(recorders))
    data_set = build(training, test, split_seed, place_m, whole_recorders=bool(recorders))
    (recording,) = data_set.test
    floors = [f"B{building} F{floor}" for building, floor in zip(test.building, test.floor, strict=True)]
    return replace(data_set, test=(replace(recording, label=_nearest(recording.position_m, floors, data_set)),))


def _nearest(position_m: npt.NDArray[np.float32], group: list[str], data_set: DataSet) -> npt.NDArray[np.int32]:
    """(N,) the class of the same group that lies nearest to each position (N, 3); UNSEEN where the group has none."""
    places = data_set.class_position_m
    assert places is not None
    groups = np.array(data_set.class_group)
    label = np.full(len(position_m), UNSEEN, np.int32)
    for row, (here, own) in enumerate(zip(position_m, group, strict=True)):
        members = np.flatnonzero(groups == own)
        if len(members):
            label[row] = members[np.linalg.norm(places[members] - here, axis=1).argmin()]
    return label


@dataclass(frozen=True)
class About:
    """What a data set of scans says of itself."""

    name: str
    title: str
    licence: str
    citation: str
    access_points: tuple[str, ...]


UJI = About("ujiindoorloc", "UJIIndoorLoc", LICENCE, CITATION, ACCESS_POINTS)


def build(
    training: Scans,
    test: Scans,
    split_seed: int = 0,
    cell_m: float = AREA_M,
    about: About = UJI,
    whole_recorders: bool = True,
) -> DataSet:
    """Make areas, positions and splits of a data set whose scans do not follow one another.

    Args:
        training, test: the two files of the publisher.
        split_seed: which quarter of the training scans validates.
        cell_m: side of a grid cell in metres.
        about: name, title, licence and access points.
        whole_recorders: validate whole recorders, where the files name several.

    Raises:
        DataError: fewer than two areas in the training file.
    """
    origin = np.array([training.longitude_m.min(), training.latitude_m.min()])
    keys = areas(training, origin, cell_m)
    known = sorted(set(keys))
    if len(known) < 2:
        raise DataError(f"{about.name}: {len(known)} area in the training file; at least two are needed")
    index = {key: number for number, key in enumerate(known)}
    label = np.array([index[key] for key in keys], np.int32)
    test_label = np.array([index.get(key, UNSEEN) for key in areas(test, origin, cell_m)], np.int32)
    position, test_position = positions(training, origin), positions(test, origin)
    centres = np.stack([position[label == number].mean(axis=0) for number in range(len(known))]).astype(np.float32)

    held_out = held_recorders(training, origin, split_seed) if whole_recorders else None
    if held_out is None:
        held_out = quarter(label, split_seed)
    parts = {"training": ~held_out, "held-out": held_out}
    train, validation = (
        Recording(
            name,
            training.rssi_dbm[rows],
            position[rows],
            label[rows],
            training.time_s[rows],
            apart=True,
            recorder=numbered(training.recorder.tolist())[rows].astype(np.int32),
        )
        for name, rows in parts.items()
    )
    tested = Recording(
        "validation file",
        test.rssi_dbm,
        test_position,
        test_label,
        test.time_s,
        apart=True,
        recorder=numbered(test.recorder.tolist()).astype(np.int32),
    )
    return DataSet(
        name=about.name,
        title=about.title,
        licence=about.licence,
        citation=about.citation,
        access_points=about.access_points,
        classes=tuple(map(area_name, known)),
        class_group=tuple(f"B{building} F{floor}" for building, floor, _, _ in known),
        class_position_m=centres,
        rate_hz=1.0,
        sequential=False,
        train=(train,),
        validation=(validation,),
        test=(tested,),
    )


Area = tuple[int, int, int, int]


def area_name(area: Area) -> str:
    """Building, floor and cell, as "B0 F3 1/2"."""
    building, floor, x, y = area
    return f"B{building} F{floor} {x}/{y}"


def areas(scans: Scans, origin: Floats, cell_m: float) -> list[Area]:
    """(N) building, floor and cell of a grid of `cell_m` metres from `origin`."""
    x = np.floor((scans.longitude_m - origin[0]) / cell_m).astype(int)
    y = np.floor((scans.latitude_m - origin[1]) / cell_m).astype(int)
    return list(zip(scans.building.tolist(), scans.floor.tolist(), x.tolist(), y.tolist(), strict=True))


def positions(scans: Scans, origin: Floats) -> npt.NDArray[np.float32]:
    """(N, 3) metres from `origin`, z = 0."""
    flat = np.stack([scans.longitude_m - origin[0], scans.latitude_m - origin[1]], axis=1)
    metres: npt.NDArray[np.float32] = np.concatenate([flat, np.zeros((len(scans), 1))], axis=1).astype(np.float32)
    return metres


def held_recorders(training: Scans, origin: Floats, seed: int) -> npt.NDArray[np.bool_] | None:
    """(N,) True for a quarter of the recorders; None where fewer than two are known.

    A recorder of an area that nobody else recorded always trains.
    """
    units = Units("recorder", numbered(training.recorder.tolist()))
    if units.count < 2:
        return None
    keys = Keys(numbered(areas(training, origin, AREA_M)), 0.0)
    held = hold_out(units, keys, HELD_OUT, 1, np.random.default_rng(seed)) == VALIDATION
    return held if held.any() else None


def quarter(label: npt.NDArray[np.int32], seed: int) -> npt.NDArray[np.bool_]:
    """(N,) True for a quarter of those of each label, at random; a label keeps at least one to train on."""
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(label), bool)
    for number in np.unique(label):
        rows = generator.permutation(np.flatnonzero(label == number))
        chosen[rows[: len(rows) // 4]] = True
    return chosen
