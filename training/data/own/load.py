"""A user's own radio map as a data set."""

from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.errors import counted
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.data.own.checks import (
    aligned,
    check_access_points,
    check_labels,
    check_readings,
    labelled,
)
from tinyloc.training.data.own.classes import Classes, classes_of
from tinyloc.training.data.own.description import SPLITS, OwnData, described
from tinyloc.training.data.own.findings import Findings
from tinyloc.training.data.own.positions import in_metres
from tinyloc.training.data.own.reading import open_table, read_scans
from tinyloc.training.data.own.scans import Scans, runs
from tinyloc.training.data.own.splits import TRAIN, split_rows
from tinyloc.training.data.own.times import check_times, ordered
from tinyloc.training.data.table import Table
from tinyloc.training.errors import DataError


def load(path: Path, split_seed: int = 0) -> DataSet:
    """Read the description at `path` and the files that it names beside it.

    Args:
        path: A TOML file, see `OwnData`.
        split_seed: Fixes which units are held out where neither files nor a column say so.

    Returns:
        The data set; its notes say what was read, left out, guessed and doubted.

    Raises:
        DataError: Lists all problems of the files.
    """
    about = described(path)
    findings = Findings()
    files, rate_hz = read_files(path.parent, about, findings)
    split = {}
    for name, scans in files.items():
        with findings.caught():
            split[name] = split_rows(scans, name, about, split_seed, findings)
    findings.stop()
    scans, of = joined(files), np.concatenate(list(split.values()))
    empty = [name for number, name in enumerate(SPLITS) if not (of == number).any()]
    if empty:
        raise DataError(f"{path}: no rows for {' and '.join(empty)}; say by files or a column which rows are whose")
    check_access_points(scans, of, findings)
    classes = classes_of(scans, of == TRAIN, about, findings)
    if len(classes.names) < 2:
        raise DataError(
            f"{path}: the training rows have {len(classes.names)} label; at least two are needed to tell apart"
        )
    recordings = _recordings(scans, of, classes, about)
    return DataSet(
        name=about.name,
        title=about.title or about.name,
        licence=about.licence,
        citation=about.citation,
        access_points=scans.points,
        classes=classes.names,
        class_position_m=classes.position_m,
        rate_hz=rate_hz,
        sequential=about.sequential,
        train=recordings[0],
        validation=recordings[1],
        test=recordings[2],
        class_group=classes.group,
        notes=tuple(findings.notes),
    )


def read_files(folder: Path, about: OwnData, findings: Findings) -> tuple[dict[str, Scans], float]:
    """Read and check all files; split (or "all") -> scans, and the rate (Hz). DataError lists all problems."""
    tables: dict[str, Table] = {}
    for split, name in about.files().items():
        with findings.caught():
            tables[split] = open_table(folder / name, about)
    read: dict[str, Scans] = {}
    for split, table in tables.items():
        scans = read_scans(table, about, findings)
        if scans is not None:
            findings.notes.append(_size(table, scans))
            read[split] = scans
    files: dict[str, Scans] = {}
    rates = []
    for split, scans in read.items():
        with findings.caught():
            kept = labelled(ordered(scans, about, findings), about, findings)
            check_readings(kept, about, findings)
            check_labels(kept, findings)
            seen = check_times(kept, about, findings)
            rates += [seen] if seen else []
            files[split] = kept
    findings.stop()
    files = in_metres(aligned(files, findings), about, findings)
    findings.stop()
    rate = about.rate_hz or (1 / about.scan_s if about.scan_s else None) or (_round(rates[0]) if rates else 1.0)
    return files, rate


def _round(rate_hz: float) -> float:
    """Four significant digits."""
    return float(f"{rate_hz:.4g}")


def _size(table: Table, scans: Scans) -> str:
    blank = f" ({counted(table.blank_lines, 'blank line')} skipped)" if table.blank_lines else ""
    recordings = counted(len(set(scans.recording.tolist())), "recording")
    points = counted(len(scans.points), "access point")
    return f"{table.source}: {counted(len(table), 'row')}{blank}, {recordings}, {points}"


def joined(files: dict[str, Scans]) -> Scans:
    """All files as one, in their order; recordings of different files stay apart by name."""
    parts = list(files.values())
    if len(parts) == 1:
        return parts[0]
    changes: dict[str, Any] = {}
    for one in fields(Scans):
        values = [getattr(part, one.name) for part in parts]
        if isinstance(values[0], np.ndarray):
            changes[one.name] = np.concatenate(values)
    return replace(parts[0], source=", ".join(part.source for part in parts), **changes)


def _recordings(
    scans: Scans, split: npt.NDArray[np.int64], classes: Classes, about: OwnData
) -> list[tuple[Recording, ...]]:
    """Recordings of each split. A sequence goes to one split in a row; scans that stand alone are one recording."""
    found: list[list[Recording]] = [[], [], []]
    if about.sequential:
        part = runs(scans.recording, split)
    else:
        part = np.unique(np.stack([split, runs(scans.recording)]), axis=1, return_inverse=True)[1].reshape(-1)
    for number in range(int(part.max()) + 1):
        rows = np.flatnonzero(part == number)
        found[split[rows[0]]].append(
            Recording(
                name=str(scans.recording[rows[0]]),
                rssi_dbm=scans.rssi_dbm[rows],
                position_m=scans.position[rows].astype(np.float32),
                label=classes.label[rows],
                time_s=scans.time_s[rows],
                apart=not about.sequential,
            )
        )
    return [tuple(parts) for parts in found]
