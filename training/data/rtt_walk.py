"""Slow laps with two phones through six sites: Wi-Fi readings of six or eight anchors with known positions.

The file has ranges (RTT), too; here the readings (RSS) are used. Classes are cells of a grid, or with `places` clusters
of the positions. A recording is a lap of one phone; rows that repeat all of the row before are left out. Whole laps
test, or one phone.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np

from tinyloc.errors import counted
from tinyloc.training.data import files
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.radio_map.build import Facts, build
from tinyloc.training.data.radio_map.classes import ClassRule
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans
from tinyloc.training.data.radio_map.splits import TRAIN_AND_VALIDATION, SplitRule
from tinyloc.training.data.table import read_table
from tinyloc.training.errors import DataError

FOLDER = "rtt_walk"
FILE = "rtt_walk.csv"
ANCHOR_FILE = "anchors.csv"
SCENES = ("canteen", "carpark", "conference", "laboratory", "library", "mall")
ANCHORS = range(1, 9)
CITATION = "H. Yu, RTT indoor localization data set, github.com/haiyaoyu/RTT-Indoor-localization-data-set, 2b19c6c0db0e"
LICENCE = "MIT"
NOWHERE = (float("nan"), float("nan"), float("nan"))


def load(
    scene: str,
    path: Path,
    split_seed: int = 0,
    test_laps: int = 1,
    test_user: int = 0,
    cell_m: float = 3.0,
    places: int = 0,
) -> DataSet:
    """Read one site from a folder.

    Args:
        scene: One of SCENES.
        path: The folder with FILE and ANCHOR_FILE (plain or .xz).
        split_seed: Fixes which fifth of the training recordings, at least one, validates.
        test_laps: So many of the last laps test, of both phones.
        test_user: 1 or 2: that phone tests and the other trains, whatever `test_laps` says.
        cell_m: Size of a class in metres.
        places: Classes are at most so many clusters of the training positions, instead of cells.
    """
    if not cell_m > 0 or test_user not in (0, 1, 2) or test_laps < 1 or places < 0:
        raise DataError(
            f"{FOLDER}: cell_m = {cell_m:g}, test_user = {test_user}, test_laps = {test_laps}, places = {places}; take "
            "metres above 0, user 1 or 2 (0: laps), at least one lap, and places from 0"
        )
    source = f"{path}: {FILE}"
    ranges, readings = [f"rtt_{anchor}" for anchor in ANCHORS], [f"rss_{anchor}" for anchor in ANCHORS]
    members = files.read_members(path, (FILE, ANCHOR_FILE), FOLDER)
    table = read_table(members[FILE], source, ["scene", "circle", "user", "t", "x", "y", *ranges, *readings])
    of_scene = np.array(table.texts("scene"), object) == scene
    lap, user, time_s, x, y = table.numbers(["circle", "user", "t", "x", "y"])[of_scene].T
    measured = table.numbers([*ranges, *readings], missing=[""])[of_scene]
    rssi = files.whole_dbm(measured[:, len(ranges) :])
    heard = np.flatnonzero((~np.isnan(rssi)).any(axis=0))
    scans = Scans(
        source=f"{source}, {scene}",
        points=tuple(f"anchor {ANCHORS[place]}" for place in heard),
        rssi_dbm=rssi[:, heard],
        position=np.column_stack([x, y, np.zeros(len(x))]),
        time_s=time_s,
        line=np.asarray(table.lines)[of_scene],
        recording=np.array([f"lap {one:02.0f} user {two:.0f}" for one, two in zip(lap, user, strict=True)], object),
    )
    new = np.ones(len(scans), bool)
    same = (measured[1:] == measured[:-1]) | (np.isnan(measured[1:]) & np.isnan(measured[:-1]))
    new[1:] = ~same.all(axis=1) | (scans.recording[1:] != scans.recording[:-1])
    findings = Findings()
    findings.notes.append(f"{scans.source}: {counted(int((~new).sum()), 'row')} that repeat the row before left out")
    laps = sorted(set(lap.tolist()))
    if test_laps >= len(laps) and not test_user:
        raise DataError(f"{FOLDER}: test_laps = {test_laps}, but {scene} has {len(laps)} laps; leave some to train on")
    tested = user == test_user if test_user else np.isin(lap, laps[-test_laps:])
    parts = {TRAIN_AND_VALIDATION: scans.rows(new & ~tested), "test": scans.rows(new & tested)}
    step = np.diff(time_s)
    rate_hz = float(f"{1 / np.median(step[step > 0]):.4g}")
    facts = Facts(f"rtt-{scene}", f"Laps through a {scene}, {len(heard)} Wi-Fi anchors", LICENCE, CITATION)
    rule = ClassRule(places=places) if places else ClassRule(cell_m=cell_m)
    data_set = build(facts, parts, SplitRule(by="recording"), rule, rate_hz, split_seed, findings)
    anchors = _anchors(members[ANCHOR_FILE], f"{path}: {ANCHOR_FILE}", scene)
    return replace(data_set, access_point_m=np.array([anchors.get(ANCHORS[place], NOWHERE) for place in heard]))


def _anchors(content: bytes, source: str, scene: str) -> dict[int, tuple[float, float, float]]:
    """Number of an anchor of the scene -> x, y, z in metres; their height is not stated and counts as 0."""
    table = read_table(content, source, ["scene", "ap", "x", "y"])
    numbers = table.numbers(["ap", "x", "y"])
    rows = [row for row, name in enumerate(table.texts("scene")) if name == scene]
    return {int(numbers[row, 0]): (float(numbers[row, 1]), float(numbers[row, 2]), 0.0) for row in rows}
