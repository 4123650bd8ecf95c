"""A real house with 14 rooms: 73 hours of one person's phone, Wi-Fi readings of six access points every four seconds.

The source's 47 training sessions train and validate, its 19 test sessions test. One room has three quarters of all
samples. The person pressed the room on entering it, so labels near a doorway are some seconds early or late. There are
no positions.
"""

from pathlib import Path

import numpy as np

from tinyloc.training.data import files
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.radio_map.build import Facts, build
from tinyloc.training.data.radio_map.classes import ClassRule
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans
from tinyloc.training.data.radio_map.splits import TRAIN_AND_VALIDATION, SplitRule
from tinyloc.training.data.table import read_table

NAME = "home_rooms"
FILE = "home_rooms.csv"
ACCESS_POINTS = tuple(f"ap{number}" for number in range(1, 7))
NOT_HEARD_DBM = -100.0
"""And anything weaker."""
RATE_HZ = 0.25
CITATION = "AKUALAB INC., room recordings 24001 of github.com/akualab/gjoa, 2013, commit eafd51f276fc"
LICENCE = "BSD-3-Clause"
FACTS = Facts(NAME, "A house with 14 rooms, Wi-Fi of a phone, 6 access points", LICENCE, CITATION)


def load(path: Path, split_seed: int = 0, held_out: float = 0.2) -> DataSet:
    """Read the sessions from a folder.

    Args:
        path: The folder with FILE (plain or .xz).
        split_seed: Fixes which training sessions validate.
        held_out: Share of the training sessions that validates; each room keeps a session to train on.
    """
    source = f"{path}: {FILE}"
    content = files.read_members(path, (FILE,), NAME)[FILE]
    table = read_table(content, source, ["split", "session", "t", "room", *ACCESS_POINTS])
    read = table.numbers(ACCESS_POINTS, missing=[""])
    split = np.array(table.texts("split"), object)
    scans = Scans(
        source=source,
        points=ACCESS_POINTS,
        rssi_dbm=files.whole_dbm(np.where(read <= NOT_HEARD_DBM, np.nan, read)),
        position=np.full((len(table), 3), np.nan),
        time_s=table.numbers(["t"])[:, 0],
        line=np.asarray(table.lines),
        recording=np.array([f"session {name}" for name in table.texts("session")], object),
        label=np.array(table.texts("room"), object),
    )
    parts = {TRAIN_AND_VALIDATION: scans.rows(split == "train"), "test": scans.rows(split == "test")}
    rule = SplitRule(held_out, "recording")
    return build(FACTS, parts, rule, ClassRule(), RATE_HZ, split_seed, Findings())
