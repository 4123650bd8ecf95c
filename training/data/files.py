"""Files of data sets: the members of a zip or a folder; and readings as the device gets them."""

import fnmatch
import lzma
import re
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

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
                raise DataError(f"{path}: the zip has no {' and no '.join(missing)}; use the zip of the publisher")
            return {name: archive.read(inside[name]) for name in matching(names, inside)}
    except zipfile.BadZipFile as error:
        raise DataError(f"{path}: not a complete zip file ({error}); download it again") from error


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
        raise DataError(f"{path}: not a complete xz file ({error}); copy it again") from error


def whole_dbm(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float32]:
    """Readings as the device gets them: rounded to whole dBm; what no receiver reports (above 0, below -127) is NaN."""
    rounded = np.rint(values)
    return np.where((rounded > 0) | (rounded < -127), np.nan, rounded).astype(np.float32)


def natural(name: str) -> tuple[int, str]:
    """Sort key: the first number of a name, then the name."""
    number = re.search(r"\d+", name)
    return (int(number.group()) if number else -1), name
