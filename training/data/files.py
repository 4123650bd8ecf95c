"""Files of data sets: the members of a zip or a folder, and tables of text with named columns."""

import csv
import fnmatch
import io
import lzma
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.errors import counted
from tinyloc.training.errors import DataError

Floats = npt.NDArray[np.float64]
SHOWN = 5


def some(items: Sequence[object]) -> str:
    """The first few of many, for a message."""
    shown = ", ".join(map(str, items[:SHOWN]))
    return shown if len(items) <= SHOWN else f"{shown} and {len(items) - SHOWN} more"


def read_members(path: Path, names: Sequence[str], title: str) -> dict[str, bytes]:
    """The files of those names from a zip, a folder that holds the zip or the files, or the folder of one of them.

    A name with `*` stands for every file that matches it, at least one. In a folder `NAME.xz` is as good as NAME. The
    files are searched below the folder, too. Keys are base names. DataError names all that are missing.
    """
    if path.is_dir():
        found = _in_folder(path, names)
        zips = sorted(path.glob("*.zip")) if unmatched(names, found) else []
        return read_members(zips[0], names, title) if zips else _read(found, names, path)
    if not path.is_file():
        raise DataError(f"{path}: no such file or folder; give the zip or the folder of {title}")
    if path.suffix.lower() != ".zip":
        return _read(_in_folder(path.parent, names), names, path.parent)
    try:
        with zipfile.ZipFile(path) as archive:
            inside = {Path(name).name: name for name in archive.namelist() if not name.startswith("__MACOSX")}
            missing = unmatched(names, inside)
            if missing:
                raise DataError(f"{path}: the zip has no {' and no '.join(missing)}; take the one of the publisher")
            return {name: archive.read(inside[name]) for name in matching(names, inside)}
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: not a whole zip file ({error}); download it again") from error


def matching(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """Names that match any of the patterns, sorted."""
    return sorted(name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))


def unmatched(patterns: Sequence[str], names: Iterable[str]) -> list[str]:
    """Patterns that no name matches."""
    have = list(names)
    return [pattern for pattern in patterns if not fnmatch.filter(have, pattern)]


def _in_folder(folder: Path, names: Sequence[str]) -> dict[str, Path]:
    """Base name without .xz -> file; of two files of one name the one that is less deep."""
    for files in (folder.glob("*"), folder.rglob("*")):
        here = {file.name.removesuffix(".xz"): file for file in sorted(files, key=_depth) if file.is_file()}
        if not unmatched(names, here):
            break
    return here


def _depth(path: Path) -> tuple[int, str]:
    return -len(path.parts), str(path)


def _read(found: Mapping[str, Path], names: Sequence[str], folder: Path) -> dict[str, bytes]:
    missing = unmatched(names, found)
    if missing:
        raise DataError(f"{folder}: {' and '.join(missing)} missing here; put all files or the publisher's zip there")
    return {name: _content(found[name]) for name in matching(names, found)}


def _content(path: Path) -> bytes:
    if path.suffix != ".xz":
        return path.read_bytes()
    try:
        return lzma.decompress(path.read_bytes())
    except lzma.LZMAError as error:
        raise DataError(f"{path}: not a whole xz file ({error}); copy it again") from error


@dataclass(frozen=True)
class Table:
    """Rows of text under named columns."""

    source: str
    columns: Mapping[str, Sequence[str]]
    """Name -> N cells."""

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def texts(self, name: str) -> Sequence[str]:
        """The cells of a column."""
        return self.columns[name]

    def numbers(self, names: Sequence[str], missing: Sequence[str] = ()) -> Floats:
        """Columns as (N, len(names)); cells equal to one of `missing` become NaN. DataError names cells that are no
        finite numbers."""
        values = np.full((len(self), len(names)), np.nan)
        bad = []
        for place, name in enumerate(names):
            for row, cell in enumerate(self.columns[name]):
                if cell in missing:
                    continue
                try:
                    values[row, place] = float(cell)
                except ValueError:
                    values[row, place] = np.inf
                if not np.isfinite(values[row, place]):
                    bad.append(f"line {row + 2} {name} = {cell!r}")
        if bad:
            cells = counted(len(bad), "cell is no number", "cells are no numbers")
            raise DataError(f"{self.source}: {cells}: {some(bad)}; correct them or say what stands for a missing value")
        return values


def read_table(content: bytes | str, source: str, needed: Sequence[str]) -> Table:
    """Comma-separated text with a header line. Names are stripped of spaces, a byte-order mark and a leading `#`.

    DataError names all `needed` columns that are missing, rows of another length, or that there are no rows.
    """
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else content
    rows = [row for row in csv.reader(io.StringIO(text.lstrip("\ufeff"))) if row]
    if not rows:
        raise DataError(f"{source}: empty; take the file again")
    names = [name.strip().removeprefix("#").strip() for name in rows[0]]
    missing = [name for name in needed if name not in names]
    if missing:
        columns = counted(len(missing), "column is missing", "columns are missing")
        raise DataError(f"{source}: {columns}: {', '.join(missing)}; it has {some(names)}")
    twice = sorted({name for name in needed if names.count(name) > 1})
    if twice:
        raise DataError(f"{source}: more than one column is called {', '.join(twice)}; rename all but one")
    wrong = [f"line {n} has {len(row)}" for n, row in enumerate(rows[1:], start=2) if len(row) != len(names)]
    if wrong:
        rows_text = counted(len(wrong), "row is", "rows are")
        raise DataError(f"{source}: {rows_text} not of {len(names)} cells as the header: {some(wrong)}; correct them")
    if len(rows) == 1:
        raise DataError(f"{source}: no data rows; take the file again")
    cells = list(zip(*rows[1:], strict=True))
    return Table(source, {name: [cell.strip() for cell in column] for name, column in zip(names, cells, strict=True)})


def whole_dbm(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Readings as the device gets them: rounded to whole dBm; what no receiver reports (above 0, below -127) is NaN."""
    rounded = np.rint(values)
    return np.where((rounded > 0) | (rounded < -127), np.nan, rounded).astype(np.float32)


def natural(name: str) -> tuple[int, str]:
    """Sort key: the first number of a name, then the name."""
    number = re.search(r"\d+", name)
    return (int(number.group()) if number else -1), name
