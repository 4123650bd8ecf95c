"""What a user's TOML file says of a radio map (docs/reference/data.md has examples). Unknown keys are errors."""

import tomllib
from math import isfinite
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from tinyloc.bundle.combine import Combine
from tinyloc.names import FileName, Line, OptionalLine, printable
from tinyloc.training.data.radio_map.classes import ClassRule
from tinyloc.training.data.radio_map.splits import SPLITS, TRAIN_AND_VALIDATION, SplitRule, Unit
from tinyloc.training.data.table import DELIMITERS, Dialect
from tinyloc.training.data.text import UTF_8, known_encoding
from tinyloc.training.errors import DataError


class Columns(BaseModel):
    """[columns]: Names of columns as in the header of the file, or their numbers from 1 where there is no header."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    access_points: list[str] = []
    """A wide table: one column per access point, in dBm. `*` stands for every matching column that is not named below,
    "FIRST..LAST" for a range of columns, both in the file's order."""
    access_point: str | None = None
    """A long table (one reading per row): the column that names the access point."""
    dbm: str | None = None
    """A long table: the column of its reading."""
    scan: str | None = None
    """A long table: rows with the same cell are one scan. Without it, rows with the same time."""
    label: str | None = None
    """Class of the row. Without it, classes are places or areas made from positions."""
    recording: str | None = None
    """Changes where another recording begins. Without it, each file is one recording."""
    time: str | None = None
    """Time of the row, in `time_unit`."""
    day: str | None = None
    """Day of the row, to hold out whole days."""
    device: str | None = None
    """Device or person of the row, to hold out whole devices."""
    x: str | None = None
    """Position, see `coordinates`."""
    y: str | None = None
    """Position, see `coordinates`."""
    z: str | None = None
    """Height; needs x and y."""
    floor: str | None = None
    """Floor of the row."""
    building: str | None = None
    """Building of the row."""
    split: str | None = None
    """Split of the row: train, validation or test."""

    def others(self) -> list[str]:
        """Columns that are named outright, beside the access points."""
        return [name for key, name in self if key != "access_points" and name]

    def plain(self) -> list[str]:
        """Columns that are named outright."""
        return [name for name in self.access_points if "*" not in name and ".." not in name] + self.others()

    def problems(self) -> list[str]:
        """Sentences about columns that do not go together."""
        found = []
        if bool(self.access_point) != bool(self.dbm):
            found.append("a long table needs both columns.access_point and columns.dbm")
        if bool(self.access_points) == bool(self.access_point):
            found.append("name either columns.access_points (wide) or columns.access_point and columns.dbm (long)")
        if self.access_point and not (self.scan or self.time):
            found.append("a long table needs columns.time or columns.scan: which readings are one scan")
        if self.scan and not self.access_point:
            found.append("columns.scan is for long tables; each row of a wide one is a scan")
        if (self.z and not (self.x and self.y)) or bool(self.x) != bool(self.y):
            found.append("a position needs both columns.x and columns.y")
        if not self.label and not self.x:
            found.append("name columns.label, or columns.x and columns.y, or both: a model needs places to learn")
        twice = sorted({name for name in self.access_points if name in self.others()})
        if twice:
            found.append(f"columns.access_points has {', '.join(twice)}, which is another column here")
        return found


class OwnRoom(BaseModel):
    """[[rooms]]: drawn behind the error map of the report."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Line
    """As the label of the room, where there is one."""
    outline: list[tuple[float, float]] = Field(min_length=3)
    """Corners x, y in order around the room, in the unit of the positions."""
    floor: Line | None = None
    """Name of the classes' group that it belongs to, as "F1"; without it the first."""


class OwnFloor(BaseModel):
    """[[floors]]: a picture of a floor, drawn by the report; `tinyloc survey` writes the same table."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: Line
    """Name for people."""
    floor: Line | None = None
    """Name of the classes' group, as "F1", see `OwnRoom.floor`. Without it the first floor here is "F0", the next "F1"
    and so on; a single one is the first group."""
    image: str | None = None
    """PNG or JPEG beside this file."""
    metres_per_pixel: float = Field(default=0.01, gt=0, le=100)
    """Scale of the picture, in metres whatever the unit of the positions."""
    origin: tuple[float, float] = (0.0, 0.0)
    """Position x, y of the picture's lower left corner, in the unit of the positions."""
    width_px: int = Field(default=0, ge=0)
    """Width of the picture in pixels; 0: as the file says."""
    height_px: int = Field(default=0, ge=0)
    """Height of the picture in pixels; 0: as the file says."""


class OwnData(BaseModel):
    """A radio map: its files, how they are written, and how it is split."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: FileName
    """Name of the data set. Letters, digits, `.`, `_`, `-`."""
    title: OptionalLine = ""
    """One line for lists and reports."""
    licence: Line
    """Licence of the recordings."""
    citation: OptionalLine = ""
    """How to cite them."""
    file: str | None = None
    """One file for all splits. `columns.split` divides it, or `held_out` takes whole units."""
    train: str | None = None
    """File for training, in place of `file`."""
    validation: str | None = None
    """File for validation. Without it, whole units of the training file validate."""
    test: str | None = None
    """File for the test."""
    columns: Columns
    encoding: str = UTF_8
    """Character set of the files, one of tinyloc.training.data.text.ENCODINGS."""
    delimiter: str = ","
    """Character between two cells."""
    decimal: Literal[".", ","] = "."
    """Decimal mark."""
    header: bool = True
    """False: the first line is data, and columns are called 1, 2, 3, ..."""
    missing: list[str | float] = ["", 100]
    """Values that stand for an access point that was not heard."""
    heard: list[float] = []
    """Frequent lowest or highest readings that are real, and no code for "not heard"."""
    time_unit: Literal["s", "ms", "us", "ns", "iso"] = "s"
    """Unit of times. iso: ISO 8601, as 2026-11-30T14:02:05.250Z; UTC without a zone."""
    rate_hz: float | None = Field(default=None, gt=0)
    """Samples per second. Without it, from the times (1 without times)."""
    pause_s: float | None = Field(default=None, gt=0)
    """A longer time between two rows begins another recording."""
    scan_s: float | None = Field(default=None, gt=0)
    """A long table: readings within so many seconds are one scan, silent where nothing was heard."""
    combine: Combine = "mean"
    """A long table: what several readings of one access point within a scan become, see `Preprocessing.combine`."""
    sequential: bool = True
    """False: rows do not follow one another."""
    held_out: float = Field(default=0.2, gt=0, lt=0.5)
    """Share of the units for validation, and as much again for the test, where no split is given."""
    split_by: Unit | None = None
    """What is held out as a whole. Without it, the first unit that the file has enough of."""
    unlabelled: Literal["refuse", "drop"] = "refuse"
    """Refuse or drop rows without a label (or position, where classes are made from positions)."""
    coordinates: Literal["auto", "m", "cm", "mm", "degrees"] = "auto"
    """auto: metres, or longitude (x) and latitude (y) when they look like it, which are projected to metres."""
    cell_m: float | None = Field(default=None, gt=0)
    """Classes are cells of a grid of so many metres, floor by floor."""
    place_m: float | None = Field(default=None, gt=0)
    """Classes are the places where training scans were taken, those in one cell of a grid of so many metres as one."""
    places: int | None = Field(default=None, ge=2, le=10_000)
    """Classes are at most so many clusters of the places where training scans were taken."""

    rooms: list[OwnRoom] = []
    floors: list[OwnFloor] = []
    access_point_positions: dict[str, list[float]] = {}
    """Name of an access point -> x, y or x, y, z, in the unit of the positions."""

    @field_validator("access_point_positions")
    @classmethod
    def _points(cls, value: dict[str, list[float]]) -> dict[str, list[float]]:
        wrong = [name for name, place in value.items() if len(place) not in (2, 3) or not all(map(isfinite, place))]
        if wrong:
            raise ValueError(
                f"{', '.join(map(printable, wrong))}: give two or three finite numbers, [x, y] or [x, y, z]"
            )
        return value

    @field_validator("encoding")
    @classmethod
    def _known(cls, value: str) -> str:
        return known_encoding(value)

    @field_validator("delimiter")
    @classmethod
    def _one(cls, value: str) -> str:
        if value not in DELIMITERS:
            raise ValueError(f"{value!r} must be one of {', '.join(map(repr, DELIMITERS))}")
        return value

    @model_validator(mode="after")
    def _files(self) -> "OwnData":
        problems = self.columns.problems()
        named = [split for split in SPLITS if getattr(self, split)]
        if self.file and named:
            problems.append("name either file, or train, validation and test, not both")
        if not self.file and not (self.train and self.test):
            without = [split for split in ("train", "test") if split not in named]
            problems.append(f"name file, or train and test ({', '.join(without)} missing)")
        if self.columns.split and not self.file:
            problems.append("columns.split needs one file; remove it beside train, validation and test")
        if self.decimal == self.delimiter:
            problems.append("delimiter and decimal are both ','")
        made = [key for key in ("cell_m", "place_m", "places") if getattr(self, key) is not None]
        if len(made) > 1:
            problems.append(f"name one of {' and '.join(made)}: each says how classes are made")
        if made and self.columns.label:
            problems.append(f"{made[0]} makes classes from positions; leave out columns.label, or {made[0]}")
        if made and not self.columns.x:
            problems.append(f"{made[0]} needs columns.x and columns.y")
        if self.scan_s and not (self.columns.access_point and self.columns.time):
            problems.append("scan_s is for long tables with columns.time")
        if problems:
            raise ValueError("; ".join(problems))
        return self

    @property
    def dialect(self) -> Dialect:
        """How the files are written."""
        return Dialect(self.delimiter, self.decimal, self.header)

    @property
    def class_rule(self) -> ClassRule:
        return ClassRule(self.cell_m, self.place_m, self.places)

    @property
    def split_rule(self) -> SplitRule:
        return SplitRule(self.held_out, self.split_by, self.sequential)

    def files(self) -> dict[str, str]:
        """What the scans of a file are for, see `split_rows`, and the file's name."""
        if self.file is not None:
            return {"all": self.file}
        named = {split: str(getattr(self, split)) for split in SPLITS if getattr(self, split)}
        return {TRAIN_AND_VALIDATION if split == "train" and not self.validation else split: name
                for split, name in named.items()}  # fmt: skip


def described(path: Path) -> OwnData:
    """Read and check a description. DataError lists every problem."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; describe your CSV in a TOML file (docs/reference/data.md)")
    try:
        return OwnData.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = [
            f"{'.'.join(map(str, one['loc'])) or 'file'}: {one['msg'].removeprefix('Value error, ')}"
            for one in error.errors()
        ]
        raise DataError(f"{path}: {'; '.join(problems)}; docs/reference/data.md has an example") from error
