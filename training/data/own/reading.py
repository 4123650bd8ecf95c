"""A table of a user's file as scans: wide (a column an access point) or long (a row a reading)."""

import fnmatch
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.combine import combine_readings
from tinyloc.errors import counted
from tinyloc.training.data.files import Floats, some, whole_dbm
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans, Texts, numbered
from tinyloc.training.data.radio_map.splits import SPLITS
from tinyloc.training.data.table import Table, read_table, twice
from tinyloc.training.data.text import UTF_8, decoded, likely_encoding
from tinyloc.training.errors import DataError

SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
EARLIEST_DATE_S = 1e9
"""Times from September 2001 on are dates; smaller ones count from the start of something."""
FARTHEST = 1e9
"""Of a coordinate, in any unit: the Earth is 4 x 10^7 m around."""
LATEST_S = 1e11
"""Of a time: the year 5138."""
LONGEST_SILENCE_S = 60.0
"""Of a long table: a longer time without any reading begins another recording unless `pause_s` says otherwise."""


def open_table(path: Path, about: OwnData) -> Table:
    """Read a file as the description says. DataError names all that is wrong with its text."""
    if not path.is_file():
        raise DataError(f"{path}: no such file; file names are relative to the TOML file")
    content = path.read_bytes()
    likely = likely_encoding(content)
    cure = "correct it in the file"
    if likely != UTF_8:
        cure = f'correct it, or declare the file\'s encoding, as encoding = "{likely}", in the TOML file'
    text = decoded(content, str(path), about.encoding, cure)
    if about.encoding != UTF_8 and likely == UTF_8 and not content.isascii():
        raise DataError(f"{path}: is UTF-8 and not {about.encoding}; leave encoding out of the TOML file")
    return read_table(text, str(path), about.columns.plain(), about.dialect)


def read_scans(table: Table, about: OwnData, findings: Findings) -> Scans | None:
    """Read all columns that the description names; None when there are problems, which are in the findings."""
    before = len(findings.problems)
    read = _read_long(table, about, findings) if about.columns.access_point else _read_wide(table, about, findings)
    if read is None or len(findings.problems) > before:
        return None
    points, rssi, time_s, first, recording = read
    names = about.columns
    scans = Scans(
        source=table.source,
        points=tuple(points),
        rssi_dbm=rssi,
        position=_positions(table, about, findings)[first],
        time_s=time_s,
        line=np.asarray(table.lines)[first],
        label=_texts(table, names.label)[first] if names.label else None,
        group=_groups(table, about, findings, first),
        recording=recording,
        day=_days(table, about, time_s, findings, first),
        device=_filled(table, names.device, findings)[first] if names.device else None,
        split=_filled(table, names.split, findings)[first] if names.split else None,
    )
    if scans.split is not None:
        wrong = [f"{scans.at(row)} = {cell!r}" for row, cell in enumerate(scans.split) if cell and cell not in SPLITS]
        if wrong:
            place = f"{table.source}: column {names.split}"
            findings.problems.append(f"{place}: {some(wrong)}; must be {', '.join(SPLITS)}")
    return None if len(findings.problems) > before else _apart_by_split(scans, about, findings)


def _apart_by_split(scans: Scans, about: OwnData, findings: Findings) -> Scans:
    """Name recordings apart that have one name in two splits: a publisher may number each split from 1."""
    if scans.split is None or not about.columns.recording:
        return scans
    pairs = set(zip(scans.recording.tolist(), scans.split.tolist(), strict=True))
    several = {name for name, count in Counter(name for name, _ in pairs).items() if count > 1}
    if not several:
        return scans
    findings.notes.append(
        f"{scans.source}: {counted(len(several), 'name')} of recordings in more than one split, taken for different "
        "recordings"
    )
    names = [
        f"{name} ({split})" if name in several else name
        for name, split in zip(scans.recording, scans.split, strict=True)
    ]
    return replace(scans, recording=np.array(names, object))


Read = tuple[Sequence[str], npt.NDArray[np.float32], Floats, npt.NDArray[np.int64], Texts]
"""Access points (P), readings (N, P), seconds (N,), a row of the table for each scan (N,), recordings (N,)."""


def _read_wide(table: Table, about: OwnData, findings: Findings) -> Read | None:
    points = _access_points(table, about, findings)
    time_s = _times(table, about, findings)
    recording = _recordings(table, about, findings)
    if not points:
        return None
    rssi = _readings(table, points, about, findings)
    return points, rssi, time_s, np.arange(len(table)), recording


def _read_long(table: Table, about: OwnData, findings: Findings) -> Read | None:
    """Readings of one scan (or of `scan_s`) become a row; several of one access point are combined."""
    names = about.columns
    assert names.access_point and names.dbm
    heard_by = _filled(table, names.access_point, findings)
    dbm = _readings(table, [names.dbm], about, findings)[:, 0]
    time_s = _times(table, about, findings)
    recording = _recordings(table, about, findings)
    if findings.problems:
        return None
    points = sorted(set(heard_by.tolist()))
    device = _texts(table, names.device) if names.device else np.full(len(table), "", object)
    if about.scan_s:
        order = np.lexsort((time_s, numbered(recording.tolist()), numbered(device.tolist())))
        pause_s = about.pause_s or LONGEST_SILENCE_S
        scan, began_s = _bins(time_s[order], recording[order], device[order], about.scan_s, pause_s)
        time_s = began_s[np.argsort(order)]
    else:
        scan_of = _filled(table, names.scan, findings) if names.scan else time_s
        scan = numbered(list(zip(recording.tolist(), device.tolist(), scan_of.tolist(), strict=True)))
        order = np.arange(len(table))
    return _gathered(table, about, findings, points, heard_by, dbm, time_s, recording, scan, order)


def _gathered(
    table: Table,
    about: OwnData,
    findings: Findings,
    points: list[str],
    heard_by: Texts,
    dbm: npt.NDArray[np.float32],
    time_s: Floats,
    recording: Texts,
    scan: npt.NDArray[np.int64],
    order: npt.NDArray[np.int64],
) -> Read:
    """One row for each scan; `scan` numbers the table's rows taken in `order`, with gaps where a scan is silent."""
    scans = int(scan.max()) + 1
    place = {name: number for number, name in enumerate(points)}
    column = np.array([place[name] for name in heard_by[order]], np.int64)
    heard = ~np.isnan(dbm[order])
    by_time = np.argsort(time_s[order][heard], kind="stable")
    whose = scan[heard][by_time], column[heard][by_time]
    combined, count = combine_readings(about.combine, *whose, dbm[order][heard][by_time], (scans, len(points)))
    rssi = whole_dbm(combined)
    first = np.full(scans, -1, np.int64)
    first[scan[::-1]] = np.arange(len(scan))[::-1]
    first = order[np.maximum.accumulate(first)]  # a silent scan has the place of the one before it
    spoken = np.zeros(scans, np.int64)
    spoken[scan] = np.arange(scans)[scan]
    silent = np.arange(scans) - np.maximum.accumulate(spoken)  # scans since one that heard something
    when = time_s[first] + silent * (about.scan_s or 0.0)
    notes = [f"{len(table):,} readings of {len(points)} access points are {scans:,} scans"]
    again = int((count > 1).sum())
    if again:
        notes.append(
            f"{counted(again, 'access point')} heard more than once in a scan, combined by the {about.combine}"
        )
    if silent.any():
        notes.append(f"{counted(int((silent > 0).sum()), 'scan')} in which nothing was heard, between others")
    findings.notes.append(f"{table.source}: {'; '.join(notes)}")
    if not about.scan_s and about.columns.label:
        label = _texts(table, about.columns.label)
        differ = np.flatnonzero(label[order] != label[first][scan])
        if len(differ):
            shown = some([table.cell(int(order[row]), about.columns.label) for row in differ])
            findings.problems.append(f"{table.source}: readings of one scan have more than one label: {shown}")
    return points, rssi, when, first, recording[first]


def _bins(
    time_s: Floats, recording: Texts, device: Texts, scan_s: float, pause_s: float
) -> tuple[npt.NDArray[np.int64], Floats]:
    """(N,) scan of each reading in time order, counted on through silent ones; and (N,) seconds when it begins.

    Scans are counted from the first reading of a recording (and device), and anew after a pause.
    """
    scan, began_s = np.zeros(len(time_s), np.int64), np.array(time_s)
    start, begin = 0, time_s[0]
    for row in range(1, len(time_s)):
        same = recording[row] == recording[row - 1] and device[row] == device[row - 1]
        if not same or time_s[row] - time_s[row - 1] > pause_s:
            start, begin = int(scan[row - 1]) + 1, time_s[row]
        number = int((time_s[row] - begin) / scan_s)
        scan[row], began_s[row] = start + number, begin + number * scan_s
    return scan, began_s


def _access_points(table: Table, about: OwnData, findings: Findings) -> list[str]:
    """Columns of access points in order; empty with a problem where a pattern matches nothing."""
    others = about.columns.others()
    names: list[str] = []
    before = len(findings.problems)
    for wanted in about.columns.access_points:
        taken = {*names, *(others if "*" in wanted or ".." in wanted else [])}
        if ".." in wanted and wanted not in table.names:
            matched = _range(table, wanted)
        else:
            matched = list(dict.fromkeys(name for name in table.names if fnmatch.fnmatchcase(name, wanted)))
        matched = [name for name in matched if name not in taken]
        if not matched:
            have = some(list(table.names))
            findings.problems.append(f"{table.source}: no column matches access_points {wanted!r}; it has {have}")
        names += matched
    findings.problems += [f"{table.source}: {problem}" for problem in twice(table.names, names)]
    if "" in names:
        place = table.names.index("") + 1
        findings.problems.append(f"{table.source}: column {place} has no name, and access_points takes it; name it")
    return names if len(findings.problems) == before else []


def _range(table: Table, wanted: str) -> list[str]:
    """Columns of FIRST..LAST, none where one of them is not there."""
    first, _, last = (part.strip() for part in wanted.partition(".."))
    if first not in table.names or last not in table.names:
        return []
    return list(table.names[table.names.index(first) : table.names.index(last) + 1])


def _readings(table: Table, points: Sequence[str], about: OwnData, findings: Findings) -> npt.NDArray[np.float32]:
    """(rows, len(points)) whole dBm, NaN where not heard."""
    texts = ["", *(str(code) for code in about.missing if isinstance(code, str))]
    read, bad = table.parsed(points, texts if "" in about.missing or about.columns.access_point else texts[1:])
    if bad:
        findings.problems.append(f"{table.source}: {table.no_numbers(bad)}")
    codes = [float(code) for code in about.missing if _is_number(code)]
    read[np.isin(read, codes)] = np.nan
    rssi = whole_dbm(read)
    rows, columns = np.nonzero(~np.isnan(read) & np.isnan(rssi))
    if len(rows):
        cells = [f"{table.at(row)} {points[at]} = {read[row, at]:g}" for row, at in zip(rows, columns, strict=True)]
        percent = "" if np.nanmin(read) < 0 else "; all are 0 or above: signal quality in percent is no dBm"
        findings.problems.append(
            f"{table.source}: {counted(len(cells), 'reading is', 'readings are')} above 0 or below -127 dBm: "
            f"{some(cells)}; correct them, or declare other codes with `missing = [...]`{percent}"
        )
    rounded = int((np.abs(read - np.rint(read)) > 1e-6).sum())
    if rounded:
        findings.notes.append(f"{table.source}: {counted(rounded, 'reading')} rounded to whole dBm")
    return rssi


def _is_number(code: str | float) -> bool:
    try:
        return bool(np.isfinite(float(code)))
    except ValueError:
        return False


def _times(table: Table, about: OwnData, findings: Findings) -> Floats:
    """(rows,) seconds; by the rate (or 1 Hz) where there are no times."""
    name = about.columns.time
    if not name:
        return np.arange(len(table)) / (about.rate_hz or 1.0)
    if about.time_unit == "iso":
        return _iso_times(table, name, findings)
    values, bad = table.parsed([name])
    if bad:
        iso = any(_iso_seconds(table.texts(name)[row]) is not None for row, _ in bad)
        hint = '; time_unit = "iso" reads dates and times' if iso else ""
        findings.problems.append(f"{table.source}: {table.no_numbers(bad)}{hint}")
    seconds = values * SECONDS[about.time_unit]
    _refuse_far(table, [name], seconds, LATEST_S, findings)
    return seconds[:, 0]


def _refuse_far(table: Table, names: Sequence[str], values: Floats, most: float, findings: Findings) -> None:
    """Name the cells whose value, in (rows, len(names)), is beyond all that can be meant."""
    rows, columns = np.nonzero(np.abs(values) > most)
    if len(rows):
        cells = some([table.cell(int(row), names[column]) for row, column in zip(rows, columns, strict=True)])
        count = counted(len(rows), "cell is", "cells are")
        findings.problems.append(f"{table.source}: {count} beyond {most:g}: {cells}; correct them")


def _iso_times(table: Table, name: str, findings: Findings) -> Floats:
    seconds = [_iso_seconds(text) for text in table.texts(name)]
    bad = [table.cell(row, name) for row, value in enumerate(seconds) if value is None]
    if bad:
        cells = counted(len(bad), "cell is", "cells are")
        findings.problems.append(
            f"{table.source}: {cells} no date and time as 2026-11-30T14:02:05.250Z: {some(bad)}; correct them, or "
            "declare another time_unit"
        )
    zones = {text[-1:] == "Z" or "+" in text or text.count("-") > 2 for text in table.texts(name)}
    if len(zones) > 1:
        findings.problems.append(f"{table.source}: some times of column {name} have a zone and some have none")
    return np.array([np.nan if value is None else value for value in seconds])


def _iso_seconds(text: str) -> float | None:
    """Unix seconds; a time without a zone is UTC. None for what is no date and time."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (read if read.tzinfo else read.replace(tzinfo=UTC)).timestamp()


def _positions(table: Table, about: OwnData, findings: Findings) -> Floats:
    """(rows, 3) as the file says; z is 0 where there is no column for it; NaN where there is no position."""
    names = about.columns
    position = np.full((len(table), 3), np.nan)
    if not (names.x and names.y):
        return position
    flat = [name for name in (names.x, names.y, names.z) if name]
    values, bad = table.parsed(flat, [""] if about.unlabelled == "drop" and not names.label else [])
    if bad:
        findings.problems.append(f"{table.source}: {table.no_numbers(bad)}")
    _refuse_far(table, flat, values, FARTHEST, findings)
    position[:, 2] = 0.0
    position[:, : len(flat)] = values
    return position


def _texts(table: Table, name: str) -> Texts:
    return np.array(table.texts(name), object)


def _filled(table: Table, name: str, findings: Findings) -> Texts:
    """The cells of a column none of which may be empty."""
    texts = _texts(table, name)
    empty = np.flatnonzero(texts == "")
    if len(empty):
        lines = some([table.lines[row] for row in empty])
        findings.problems.append(
            f"{table.source}: {counted(len(empty), 'empty cell')} in column {name} (line {lines}); fill them in, or "
            "leave the column out of the TOML file"
        )
    return texts


def _recordings(table: Table, about: OwnData, findings: Findings) -> Texts:
    """(rows,) name of the recording; the file's name where no column says it."""
    if about.columns.recording:
        return _filled(table, about.columns.recording, findings)
    return np.full(len(table), Path(table.source).stem, object)


def _groups(table: Table, about: OwnData, findings: Findings, first: npt.NDArray[np.int64]) -> Texts | None:
    """(N,) building and floor of each scan, as "B0 F3", "F3" or "B0"."""
    given = [(letter, name) for letter, name in (("B", about.columns.building), ("F", about.columns.floor)) if name]
    if not given:
        return None
    columns = [(letter, _filled(table, name, findings)[first]) for letter, name in given]
    parts = [[f"{letter}{_plain(cell)}" for cell in cells] for letter, cells in columns]
    return np.array([" ".join(row) for row in zip(*parts, strict=True)], object)


def _plain(cell: str) -> str:
    """A whole number as 3, whether the file says 3 or 3.0; other text as it is."""
    try:
        return f"{int(float(cell))}" if float(cell).is_integer() else cell
    except (ValueError, OverflowError):
        return cell


def _days(
    table: Table, about: OwnData, time_s: Floats, findings: Findings, first: npt.NDArray[np.int64]
) -> Texts | None:
    """(N,) day of each scan: a column, else the date (UTC) of times that are dates; None where nothing says it."""
    if about.columns.day:
        return _filled(table, about.columns.day, findings)[first]
    if about.columns.time is None or not np.isfinite(time_s).all() or time_s.min() < EARLIEST_DATE_S:
        return None
    return np.array([f"day {int(second // 86400)}" for second in time_s], object)
