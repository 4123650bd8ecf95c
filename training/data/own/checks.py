"""Things in a radio map that are likely mistakes: codes taken for readings, labels, access points of one half only."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinyloc.errors import counted
from tinyloc.training.data.files import some
from tinyloc.training.data.own.description import OwnData
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans
from tinyloc.training.errors import DataError

CODE_SHARE = 0.2
OUTSTANDING = 3.0
"""A level that is so frequent, and so many times as frequent as those 1 dB beside it, is likely a code."""
WEAK_DBM = -95.0
"""Levels that "not heard" is written as: 0, or this and weaker."""
LOUD_DBM = -15.0
"""Receivers report weaker readings than this, but for a few."""
LABELS_PER_SCAN = 0.5
FEW_SCANS = 20


def likely_codes(rssi: npt.NDArray[np.float32]) -> list[float]:
    """Levels among readings (any shape, whole dBm, NaN = not heard) that likely stand for "not heard".

    Such a level is frequent and stands out from those beside it: counts of real levels change little from dB to dB.
    """
    heard = rssi[~np.isnan(rssi)]
    levels, count = np.unique(heard, return_counts=True)
    if len(levels) < 2:
        return []
    of = dict(zip(levels.tolist(), count.tolist(), strict=True))
    return [
        level
        for level, frequent in of.items()
        if (level <= WEAK_DBM or level >= 0)
        and frequent >= CODE_SHARE * len(heard)
        and frequent >= OUTSTANDING * max(of.get(level - 1, 0), of.get(level + 1, 0))
    ]


def check_readings(scans: Scans, about: OwnData, findings: Findings) -> None:
    """Ask about codes, count silent scans, doubt levels that no receiver reports."""
    codes = [code for code in likely_codes(scans.rssi_dbm) if code not in about.heard]
    heard = ~np.isnan(scans.rssi_dbm)
    for code in codes:
        share = 100 * (scans.rssi_dbm == code).sum() / max(1, heard.sum())
        findings.problems.append(
            f"{scans.source}: {share:.0f} % of the readings are {code:g} dBm: add {code:g} to missing if that means "
            f"not heard, or heard = [{code:g}] if it is a reading"
        )
    silent = int((~heard.any(axis=1)).sum())
    if silent:
        findings.notes.append(f"{scans.source}: {counted(silent, 'scan')} in which no access point was heard")
    if not heard.any():
        findings.problems.append(f"{scans.source}: no access point is heard in any row; correct missing")
    elif np.nanmedian(scans.rssi_dbm) > LOUD_DBM:
        findings.notes.append(
            f"{scans.source}: the median reading is {np.nanmedian(scans.rssi_dbm):g} dBm; receivers report -30 to "
            "-100; is it scaled, or in another unit?"
        )


def labelled(scans: Scans, about: OwnData, findings: Findings) -> Scans:
    """Leave out scans without a label (or position), if the description says so; else name them."""
    if scans.label is not None:
        without, what = scans.label == "", "label"
    else:
        without, what = np.isnan(scans.position[:, :2]).any(axis=1), "position"
    if not without.any():
        return scans
    rows = np.flatnonzero(without)
    count = counted(len(rows), "row has", "rows have")
    lines = some([int(scans.line[row]) for row in rows])
    if about.unlabelled == "refuse":
        findings.problems.append(
            f'{scans.source}: {count} no {what} (line {lines}); fill it in, delete them, or say unlabelled = "drop"'
        )
        return scans
    findings.notes.append(f"{scans.source}: {counted(len(rows), 'row')} without a {what} left out (line {lines})")
    if without.all():
        raise DataError(f"{scans.source}: no row has a {what}")
    return scans.rows(~without)


def check_labels(scans: Scans, about: OwnData, findings: Findings) -> None:
    """Doubt labels: one for each scan, several that differ in case only, two at one place, one at a single instant."""
    if scans.label is None:
        return
    names = sorted({str(name) for name in scans.label})
    if len(scans) > FEW_SCANS and len(names) > LABELS_PER_SCAN * len(scans):
        findings.problems.append(
            f"{scans.source}: {len(names):,} labels for {len(scans):,} scans: choose another column, or make classes "
            "from positions (place_m, cell_m or places)"
        )
        return
    alike: dict[str, list[str]] = defaultdict(list)
    for name in names:
        alike[" ".join(name.casefold().split())].append(name)
    for same in alike.values():
        if len(same) > 1:
            findings.notes.append(
                f"{scans.source}: labels {' and '.join(map(repr, same))} differ in case or spaces only"
            )
    findings.notes += [*_two_labels(scans), *_one_instant(scans, about)]


def _one_instant(scans: Scans, about: OwnData) -> list[str]:
    """A sentence about labels whose scans, several of them, all have one time: copies, or a time of the whole visit."""
    if scans.label is None or not about.columns.time:
        return []
    times: dict[str, set[float]] = defaultdict(set)
    for name, second in zip(scans.label.tolist(), scans.time_s.tolist(), strict=True):
        times[name].add(second)
    count = Counter(scans.label.tolist())
    still = sorted(name for name, seconds in times.items() if len(seconds) == 1 and count[name] > 1)
    if not still:
        return []
    labels = counted(len(still), "label has its scans", "labels have their scans")
    return [f"{scans.source}: {labels} all at one instant ({some(still)}); are they copies?"]


def _two_labels(scans: Scans) -> list[str]:
    """A sentence about places (to the centimetre, on one floor) that have more than one label."""
    known = np.flatnonzero(~np.isnan(scans.position[:, :2]).any(axis=1))
    assert scans.label is not None
    labels: dict[tuple[float, float, str], set[str]] = defaultdict(set)
    for row in known:
        x, y = np.round(scans.position[row, :2], 2).tolist()
        labels[x, y, "" if scans.group is None else str(scans.group[row])].add(str(scans.label[row]))
    two = [(place, names) for place, names in labels.items() if len(names) > 1]
    if not two:
        return []
    (x, y, _), names = two[0]
    places = counted(len(two), "place")
    return [f"{scans.source}: {places} with more than one label, as {x:g}, {y:g} with {' and '.join(sorted(names))}"]


def aligned(files: Mapping[str, Scans], findings: Findings) -> dict[str, Scans]:
    """Give all files the access points of the first, by name; counts what others have more or less."""
    first = next(iter(files.values()))
    found = {}
    for split, scans in files.items():
        if scans.points == first.points:
            found[split] = scans
            continue
        place = {name: number for number, name in enumerate(scans.points)}
        common = [name for name in first.points if name in place]
        if not common:
            findings.problems.append(f"{scans.source}: none of its access points is in {first.source}")
            continue
        rssi = np.full((len(scans), len(first.points)), np.nan, np.float32)
        for number, name in enumerate(first.points):
            if name in place:
                rssi[:, number] = scans.rssi_dbm[:, place[name]]
        more, less = len(scans.points) - len(common), len(first.points) - len(common)
        findings.notes.append(
            f"{scans.source}: {counted(less, 'access point')} of {first.source} missing (not heard), {more} more that "
            "no training scan has (left out)"
        )
        found[split] = replace(scans, points=first.points, rssi_dbm=rssi)
    return found
