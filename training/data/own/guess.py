"""What a file of radio readings seems to be: a description to confirm, and why each thing was guessed."""

import csv
import io
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import islice
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.training.data.own.checks import likely_codes
from tinyloc.training.data.radio_map.scans import runs
from tinyloc.training.data.radio_map.splits import SPLITS
from tinyloc.training.data.table import DELIMITERS, Dialect, Table, read_table
from tinyloc.training.data.text import UTF_8, decoded, likely_encoding
from tinyloc.training.errors import DataError

ROLES: dict[str, tuple[str, ...]] = {
    "access_point": (
        "accesspoint",
        "ap",
        "apid",
        "bssid",
        "mac",
        "macaddress",
        "beacon",
        "anchor",
        "gateway",
        "receiver",
    ),
    "dbm": ("dbm", "rssi", "rss", "rssidbm", "signal", "signalstrength", "level", "power"),
    "scan": ("scan", "scanid", "fingerprint", "fingerprintid", "measurement"),
    "time": ("time", "timestamp", "t", "ts", "datetime", "sec", "second", "seconds", "timems", "timesec", "epoch"),
    "day": ("day", "date"),
    "recording": (
        "recording",
        "session",
        "walk",
        "track",
        "run",
        "trial",
        "sequence",
        "sequenceid",
        "lap",
        "recordingid",
    ),
    "device": ("device", "phone", "phoneid", "deviceid", "phonetype", "recorder", "userid", "user", "model"),
    "x": ("x", "xm", "posx", "xpos", "coordx", "xcoord", "longitude", "lon", "lng", "east", "easting"),
    "y": ("y", "ym", "posy", "ypos", "coordy", "ycoord", "latitude", "lat", "north", "northing"),
    "z": ("z", "zm", "posz", "height", "altitude"),
    "floor": ("floor", "floorid", "storey", "story", "level", "floornumber"),
    "building": ("building", "buildingid", "bld", "bldg"),
    "split": ("split", "fold", "subset", "set"),
    "label": ("label", "room", "place", "location", "class", "area", "zone", "target", "rp", "point", "spot"),
}
"""Names (letters and digits only, small) that say what a column is; a column has the first role that suits it."""
TELLING = ("floor", "building", "device", "day", "recording", "label")
"""Roles of columns that tell rows apart."""
HEADER_LINES = 30
FEW_ROWS = 20
MOST_LABELS = 500
MOST_CODES = 3
"""Of a column of readings: words and numbers that are no levels."""
LATEST = 1e20
"""Of a time in any unit."""
MIN_RECORDING = 20
"""Rows of a recording that make it a walk."""


@dataclass
class Guess:
    """A description in the making."""

    settings: dict[str, Any] = field(default_factory=dict)
    """Keys of OwnData beside columns."""
    columns: dict[str, Any] = field(default_factory=dict)
    """Keys of Columns."""
    codes: list[float] = field(default_factory=list)
    """Levels within -127 to 0 that likely mean "not heard": to confirm."""
    ignored: list[str] = field(default_factory=list)
    """Columns that nothing uses."""
    encoding_sure: bool = True


def guess(path: Path) -> Guess:
    """Look at a file. DataError when it holds no readings that can be told from the rest."""
    found = Guess()
    content = path.read_bytes()
    try:
        text = decoded(content, str(path))
    except DataError:
        name = likely_encoding(content)
        if name == UTF_8:
            raise
        text = decoded(content, str(path), name)
        found.settings["encoding"], found.encoding_sure = name, False
    dialect = likely_dialect(text)
    table = read_table(text, str(path), [], dialect)
    plain = Dialect()
    found.settings |= {
        key: getattr(dialect, key)
        for key in ("delimiter", "decimal", "header")
        if getattr(dialect, key) != getattr(plain, key)
    }
    roles = _roles(table) if dialect.header else {}
    long = {"access_point", "dbm"} <= set(roles)
    if not long:
        roles = {role: name for role, name in roles.items() if role not in ("access_point", "dbm", "scan")}
    readings = [roles["dbm"]] if long else _readings(table, set(roles.values()))
    if not readings:
        raise DataError(
            f"{path}: no column looks like readings in dBm (-127 to 0); write its TOML file (docs/reference/data.md)"
        )
    found.columns |= roles
    _drop_useless(found, table)
    if "label" not in found.columns and "x" not in found.columns:
        raise DataError(f"{path}: no column looks like a place (a label, or x and y); write the TOML file by hand")
    if not long:
        found.columns["access_points"] = short_names(table.names, readings, set(found.columns.values()))
    _missing(found, table, readings)
    if "time" in found.columns:
        found.settings |= _time_unit(table.texts(found.columns["time"]), table)
    found.settings["sequential"] = _sequential(found, table)
    used = {*readings, *(name for name in found.columns.values() if isinstance(name, str))}
    found.ignored = [name for name in table.names if name not in used]
    return found


def likely_dialect(text: str) -> Dialect:
    """Delimiter, decimal and header of a table, by its first lines."""
    lines = [line for line in islice(io.StringIO(text, newline=""), HEADER_LINES) if line.strip()]
    if not lines:
        return Dialect()
    width = {mark: _widths(lines, mark) for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: (width[mark][0] > 1 and len(set(width[mark])) == 1, width[mark][0]))
    rows = [[cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter)]
    cells = [cell for row in rows[1:] for cell in row]
    commas = sum(bool(re.fullmatch(r"[+-]?\d+,\d+", cell)) for cell in cells)
    points = sum(bool(re.fullmatch(r"[+-]?\d+\.\d+", cell)) for cell in cells)
    decimal = "," if delimiter != "," and commas > points else "."
    header = not any(_number(cell, decimal) is not None for cell in rows[0])
    return Dialect(delimiter, decimal, header)


def _widths(lines: list[str], delimiter: str) -> list[int]:
    """Cells of each row; one where a row is one cell that is too long to be one."""
    try:
        return [len(row) for row in csv.reader(lines, delimiter=delimiter)]
    except csv.Error:
        return [1]


def _number(cell: str, decimal: str = ".") -> float | None:
    """A finite number, or None."""
    try:
        value = float(cell.replace(decimal, "."))
    except ValueError:
        return None
    return value if isfinite(value) else None


def _roles(table: Table) -> dict[str, str]:
    """Role -> column."""
    plain = {re.sub(r"[^a-z0-9]", "", name.casefold()): name for name in reversed(table.names)}
    found: dict[str, str] = {}
    for role, words in ROLES.items():
        for word in words:
            if word in plain and plain[word] not in found.values():
                found[role] = plain[word]
                break
    if ("x" in found) != ("y" in found):
        found.pop("x", None), found.pop("y", None)
    if "x" not in found:
        found.pop("z", None)
    if "split" in found and not set(table.texts(found["split"])) <= set(SPLITS):
        found.pop("split")
    return found


def _readings(table: Table, taken: set[str]) -> list[str]:
    """Columns of levels from -127 to -1, beside a few codes; and those named alike that hold a code or nothing."""
    sure: list[str] = []
    alike: list[str] = []
    for name in table.names:
        if name in taken or not name:
            continue
        values, bad = table.parsed([name], [""])
        heard = values[~np.isnan(values)]
        level = (heard < 0) & (heard >= -127)
        codes = len({table.texts(name)[row] for row, _ in bad}) + len(np.unique(heard[~level]))
        if codes <= MOST_CODES:
            (sure if level.any() else alike).append(name)
    starts = {name.rstrip("0123456789") for name in sure}
    chosen = {*sure, *(name for name in alike if name.rstrip("0123456789") in starts)}
    return [name for name in table.names if name in chosen]


def short_names(names: Sequence[str], wanted: Sequence[str], others: set[str]) -> list[str]:
    """The shortest way to name columns: a pattern that takes just them, a range, or all one by one."""
    start = _common_start(wanted)
    if (
        len(wanted) > 2
        and start
        and [name for name in names if name.startswith(start) and name not in others] == list(wanted)
    ):
        return [f"{start}*"]
    first, last = names.index(wanted[0]), names.index(wanted[-1])
    if len(wanted) > 2 and [name for name in names[first : last + 1] if name not in others] == list(wanted):
        return [f"{wanted[0]}..{wanted[-1]}"]
    return list(wanted)


def _common_start(names: Sequence[str]) -> str:
    length = next((at for at, letters in enumerate(zip(*names, strict=False)) if len(set(letters)) > 1), 0)
    start = names[0][:length].rstrip("0123456789")
    return start if not re.search(r"[*?\[\]]", start) else ""


def _drop_useless(found: Guess, table: Table) -> None:
    """Leave out columns that tell nothing apart, that have empty cells, or that number the rows or the places."""
    columns = found.columns
    cells = {role: table.texts(name) for role, name in columns.items()}
    count = {role: len(set(texts)) for role, texts in cells.items()}
    useless = {role for role in TELLING if role in columns and count[role] < 2}
    useless |= {role for role in (*TELLING, "z") if role in columns and role != "label" and "" in cells[role]}
    useless |= {role for role in ("label", "recording") if role in columns and 2 * count[role] > len(table) > FEW_ROWS}
    if "label" in columns and "x" in columns:
        places = len(set(zip(cells["x"], cells["y"], strict=True)))
        if count["label"] > MOST_LABELS or count["label"] >= places:
            useless.add("label")
    for role in useless:
        del columns[role]
    if "label" in columns and "" in cells["label"]:
        found.settings["unlabelled"] = "drop"


def _missing(found: Guess, table: Table, readings: list[str]) -> None:
    """What stands for "not heard": empty cells, words, numbers that no receiver reports; and levels to ask about."""
    values, bad = table.parsed(readings, [""])
    words = Counter(table.rows[row][table.names.index(name)] for row, name in bad)
    missing: list[str | float] = [""] if any("" in table.texts(name) for name in readings) else []
    missing += sorted(words)
    outside = np.unique(values[(values > 0) | (values < -127)])
    missing += [float(code) for code in outside if np.isfinite(code)]
    inside = values.copy()
    inside[np.isin(values, outside)] = np.nan
    found.codes = likely_codes(np.rint(inside).astype(np.float32))
    found.settings["missing"] = [
        int(code) if isinstance(code, float) and code.is_integer() else code for code in missing
    ]


def _time_unit(texts: list[str], table: Table) -> dict[str, str]:
    """time_unit of a column, empty for seconds: dates, or by the size of Unix times, or by steps of 20 and more."""
    if _number(texts[0], table.decimal) is None:
        try:
            datetime.fromisoformat(texts[0])
        except ValueError:
            return {}
        return {"time_unit": "iso"}
    values = np.clip([_number(text, table.decimal) or 0.0 for text in texts], -LATEST, LATEST)
    for unit, least in (("ns", 1e17), ("us", 1e14), ("ms", 1e11)):
        if np.median(values) >= least:
            return {"time_unit": unit}
    step = np.diff(values)
    step = step[step > 0]
    if np.median(values) < 1e9 and len(step) and np.median(step) >= 20:
        return {"time_unit": "ms"}
    return {}


def _sequential(found: Guess, table: Table) -> bool:
    """Whether rows seem to be walks: long recordings in which one label (or place) follows another."""
    columns = found.columns
    if "scan" in columns or "recording" not in columns:
        return False
    recording = np.array(table.texts(columns["recording"]), object)
    if len(table) < MIN_RECORDING * len(set(recording.tolist())):
        return False
    where = [np.array(table.texts(columns[role]), object) for role in ("label", "x", "y") if role in columns]
    stays = int(runs(recording, *where)[-1]) + 1
    return stays > len(set(recording.tolist()))
