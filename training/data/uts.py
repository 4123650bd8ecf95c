"""UTSIndoorLoc: WiFi scans of the 16 floors of one building of the University of Technology Sydney.

Columns of the publisher's two files: WAP001 to WAP589 (dBm, 100 = not heard), Pos_x and Pos_y (m), Floor_ID (-3 to 12),
Building_ID and User_ID (text), Phone_type, Time. Splits and areas as for UJIIndoorLoc, with cells that suit a smaller
floor. A class is a floor and a cell.
"""

from datetime import datetime
from pathlib import Path

import numpy as np

from tinyloc.training.data import files, uji
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.data.table import read_table
from tinyloc.training.errors import DataError

NAME = "utsindoorloc"
TRAINING_FILE = "UTS_training.csv"
TEST_FILE = "UTS_test.csv"
ACCESS_POINTS = tuple(f"WAP{number:03d}" for number in range(1, 590))
NOT_HEARD = "100"
PLACE_COLUMNS = ("Pos_x", "Pos_y", "Floor_ID")
CITATION = (
    "X. Song et al., A Novel Convolutional Neural Network Based Indoor Localization Framework With WiFi "
    "Fingerprinting, IEEE Access 7, 2019, doi:10.1109/ACCESS.2019.2933921"
)
LICENCE = "none stated by the publisher: ask the authors before redistributing"
ABOUT = uji.About(NAME, "UTSIndoorLoc", LICENCE, CITATION, ACCESS_POINTS)
TIME_FORMAT = "%d/%m/%Y %H:%M"


def load(path: Path, split_seed: int = 0, cell_m: float = 15.0) -> DataSet:
    """Read UTSIndoorLoc from a folder, a zip, or one of its two CSV files.

    Args:
        path: folder, zip or CSV.
        split_seed: which quarter of the training scans becomes the validation split.
        cell_m: side of a grid cell in metres.

    Raises:
        DataError: missing or damaged files, or a cell that is not above 0.
    """
    if not cell_m > 0:
        raise DataError(f"{NAME}: cell_m = {cell_m:g}; it must be above 0 metres")
    members = files.read_members(path, (TRAINING_FILE, TEST_FILE), "UTSIndoorLoc")
    training, test = (parse_csv(members[name], f"{path}: {name}") for name in (TRAINING_FILE, TEST_FILE))
    return uji.build(training, test, split_seed, cell_m, ABOUT)


def parse_csv(content: bytes, source: str) -> uji.Scans:
    """Read one of the publisher's files; columns are found by name."""
    table = read_table(content, source, [*ACCESS_POINTS, *PLACE_COLUMNS])
    rssi = table.numbers(ACCESS_POINTS, missing=[NOT_HEARD])
    x, y, floor = table.numbers(PLACE_COLUMNS).T
    times = table.texts("Time") if "Time" in table.names else [""] * len(table)
    return uji.Scans(
        rssi_dbm=files.whole_dbm(rssi),
        longitude_m=x,
        latitude_m=y,
        floor=floor.astype(np.int64),
        building=np.zeros(len(table), np.int64),
        time_s=np.array([_seconds(text) for text in times]),
        recorder=np.zeros(len(table), np.int64),
    )


def _seconds(text: str) -> float:
    """Unix seconds of a time to the minute; 0 where the file does not say. The scans are used one by one."""
    try:
        return datetime.strptime(text, TIME_FORMAT).timestamp()
    except ValueError:
        return 0.0
