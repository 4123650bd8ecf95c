"""A user's own recordings: a CSV described by a small TOML file (docs/data.md has an example).

One row a sample. Every problem of the description and every missing column is told at once.
"""

import fnmatch
import tomllib
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from tinyloc.errors import counted
from tinyloc.training.data import files
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording
from tinyloc.training.errors import DataError

NAME = "csv"
SPLITS = ("train", "validation", "test")


class Columns(BaseModel):
    """[columns]: names of columns, as in the header of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    access_points: list[str] = Field(min_length=1)
    """One column each, dBm; a name with `*` stands for every column that matches and is not named below, in the file's
    order."""
    label: str
    recording: str | None = None
    """Changes where another recording begins; without it each file is one recording."""
    time: str | None = None
    x: str | None = None
    y: str | None = None
    z: str | None = None
    split: str | None = None
    """Cells are train, validation or test."""

    def others(self) -> list[str]:
        """Columns that are no access points."""
        single = (self.label, self.recording, self.time, self.x, self.y, self.z, self.split)
        return [name for name in single if name]

    def plain(self) -> list[str]:
        """Columns that are named outright."""
        return [name for name in self.access_points if "*" not in name] + self.others()


class OwnData(BaseModel):
    """The whole description."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    title: str = ""
    licence: str
    citation: str = ""
    file: str | None = None
    """One file; which rows are whose says columns.split, or held_out takes whole recordings (or scans)."""
    train: str | None = None
    validation: str | None = None
    test: str | None = None
    columns: Columns
    missing: list[str | float] = ["", 100]
    """What stands for an access point that was not heard."""
    time_unit: Literal["s", "ms", "us", "ns"] = "s"
    rate_hz: float = Field(default=1.0, gt=0)
    sequential: bool = True
    """False: the rows of a recording have nothing to do with one another."""
    held_out: float = Field(default=0.2, gt=0, lt=0.5)
    """Share of the recordings that validates, and as much again that tests, where no split is given."""

    @model_validator(mode="after")
    def _files(self) -> "OwnData":
        named = [split for split in SPLITS if getattr(self, split)]
        if self.file and named:
            raise ValueError("name either file, or train, validation and test, not both")
        if not self.file and len(named) < len(SPLITS):
            without = [split for split in SPLITS if split not in named]
            raise ValueError(f"name file, or all of train, validation and test ({', '.join(without)} missing)")
        if self.columns.split and not self.file:
            raise ValueError("columns.split is of one file; leave it out beside train, validation and test")
        if (self.columns.z and not (self.columns.x and self.columns.y)) or bool(self.columns.x) != bool(self.columns.y):
            raise ValueError("a position needs both columns.x and columns.y")
        twice = sorted({name for name in self.columns.access_points if name in self.columns.others()})
        if twice:
            raise ValueError(f"columns.access_points has {', '.join(twice)}, which is another column here")
        return self


def load(path: Path, split_seed: int = 0) -> DataSet:
    """Read the description at `path` and the files that it names beside it.

    `split_seed` fixes which recordings are held out where neither files nor a column say so.
    """
    about = _description(path)
    parts = {split: getattr(about, split) for split in SPLITS} if about.file is None else {"all": about.file}
    tables = {split: _table(path.parent / str(name), about) for split, name in parts.items()}
    points = _points(tables, about)
    labels = {split: np.array(table.texts(about.columns.label), dtype=object) for split, table in tables.items()}
    whose = {split: _split_of(tables[split], about, split, split_seed) for split in tables}
    trained = sorted({str(label) for split in tables for label in labels[split][whose[split] == 0]})
    if len(trained) < 2:
        raise DataError(f"{path}: the training rows have {len(trained)} label; at least two are needed to tell apart")
    index = {name: number for number, name in enumerate(trained)}
    recordings: list[list[Recording]] = [[], [], []]
    for split, table in tables.items():
        label = np.array([index.get(str(name), UNSEEN) for name in labels[split]], np.int32)
        for number, found in _recordings(table, about, points, label, whose[split]):
            recordings[number].append(found)
    empty = [split for split, found in zip(SPLITS, recordings, strict=True) if not found]
    if empty:
        raise DataError(f"{path}: no rows for {' and '.join(empty)}; say by files or a column which rows are whose")
    train, validation, test = map(tuple, recordings)
    return DataSet(
        name=about.name,
        title=about.title or about.name,
        licence=about.licence,
        citation=about.citation,
        access_points=tuple(points),
        classes=tuple(trained),
        class_position_m=_centres(train, len(trained)),
        rate_hz=about.rate_hz,
        sequential=about.sequential,
        train=train,
        validation=validation,
        test=test,
    )


def _description(path: Path) -> OwnData:
    if not path.is_file():
        raise DataError(f"{path}: no such file; data set csv is read from a TOML file that describes it (docs/data.md)")
    try:
        return OwnData.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise DataError(f"{path}: {'; '.join(problems)}; docs/data.md has an example") from error


def _table(path: Path, about: OwnData) -> files.Table:
    if not path.is_file():
        raise DataError(f"{path}: no such file; file names are beside the TOML file that names them")
    return files.read_table(path.read_bytes(), str(path), about.columns.plain())


def _points(tables: dict[str, files.Table], about: OwnData) -> list[str]:
    """Access points in order; DataError when a pattern matches nothing or files differ."""
    found = []
    for table in tables.values():
        names: list[str] = []
        for wanted in about.columns.access_points:
            taken = {*names, *(about.columns.others() if "*" in wanted else [])}
            matched = [name for name in table.columns if fnmatch.fnmatchcase(name, wanted) and name not in taken]
            if not matched:
                have = files.some(list(table.columns))
                raise DataError(f"{table.source}: no column matches access_points {wanted!r}; it has {have}")
            names += matched
        found.append(names)
    for table, names in zip(tables.values(), found, strict=True):
        if names != found[0]:
            differ = sorted(set(names) ^ set(found[0])) or ["their order"]
            raise DataError(f"{table.source}: other access points than the first file: {files.some(differ)}")
    return found[0]


def _split_of(table: files.Table, about: OwnData, split: str, seed: int) -> npt.NDArray[np.int64]:
    """(N,) index in SPLITS of each row."""
    if split in SPLITS:
        return np.full(len(table), SPLITS.index(split))
    if about.columns.split:
        cells = table.texts(about.columns.split)
        wrong = [f"line {row + 2} = {cell!r}" for row, cell in enumerate(cells) if cell not in SPLITS]
        if wrong:
            place = f"{table.source}: column {about.columns.split}"
            raise DataError(f"{place}: {files.some(wrong)}; must be {', '.join(SPLITS)}")
        return np.array([SPLITS.index(cell) for cell in cells])
    owner = _recording_of(table, about) if about.sequential else np.arange(len(table))
    count = int(owner.max()) + 1
    held = round(about.held_out * count)
    if held < 1 or count - 2 * held < 1:
        raise DataError(
            f"{table.source}: {count} recordings are too few to hold out {about.held_out:g} of them twice; name files "
            "or columns.split"
        )
    group = np.zeros(count, np.int64)
    order = np.random.default_rng(seed).permutation(count)
    group[order[:held]], group[order[held : 2 * held]] = 1, 2
    chosen: npt.NDArray[np.int64] = group[owner]
    return chosen


def _recording_of(table: files.Table, about: OwnData) -> npt.NDArray[np.int64]:
    """(N,) number of the recording, in order of first appearance."""
    if about.columns.recording is None:
        return np.zeros(len(table), np.int64)
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in table.texts(about.columns.recording)])


def _check_range(read: files.Floats, rssi: npt.NDArray[np.float32], source: str, points: list[str]) -> None:
    """DataError that names the readings which no receiver reports."""
    rows, columns = np.nonzero(~np.isnan(read) & np.isnan(rssi))
    if len(rows):
        cells = [f"line {row + 2} {points[at]} = {read[row, at]:g}" for row, at in zip(rows, columns, strict=True)]
        raise DataError(
            f"{source}: {counted(len(cells), 'reading is', 'readings are')} above 0 or below -127 dBm: "
            f"{files.some(cells)}; correct them, or name under missing what stands for an access point not heard"
        )


def _recordings(
    table: files.Table, about: OwnData, points: list[str], label: npt.NDArray[np.int32], whose: npt.NDArray[np.int64]
) -> list[tuple[int, Recording]]:
    """(split, recording) of all rows of a file, each recording in time order."""
    missing = [cell if isinstance(cell, str) else f"{cell:g}" for cell in about.missing]
    read = table.numbers(points, [*missing, *(f"{cell}.0" for cell in missing if cell)])
    rssi = files.whole_dbm(read)
    _check_range(read, rssi, table.source, points)
    scale = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}[about.time_unit]
    names = about.columns
    time_s = table.numbers([names.time])[:, 0] * scale if names.time else np.arange(len(table)) / about.rate_hz
    position = np.full((len(table), 3), np.nan, np.float32)
    if names.x and names.y:
        flat = [name for name in (names.x, names.y, names.z) if name]
        position[:, 2] = 0.0
        position[:, : len(flat)] = table.numbers(flat)
    owner = _recording_of(table, about)
    found = []
    for split, number in sorted(set(zip(whose.tolist(), owner.tolist(), strict=True))):
        rows = np.flatnonzero((whose == split) & (owner == number))
        rows = rows[np.argsort(time_s[rows], kind="stable")]
        name = table.texts(names.recording)[rows[0]] if names.recording else Path(table.source).stem
        recording = Recording(name, rssi[rows], position[rows], label[rows], time_s[rows], apart=not about.sequential)
        found.append((split, recording))
    return found


def _centres(train: tuple[Recording, ...], classes: int) -> npt.NDArray[np.float32] | None:
    """(C, 3) mean training position of each class; None when a class has no position."""
    position = np.concatenate([recording.position_m for recording in train])
    label = np.concatenate([recording.label for recording in train])
    centres = np.stack([position[label == number].mean(axis=0) for number in range(classes)]).astype(np.float32)
    return None if np.isnan(centres).any() else centres
