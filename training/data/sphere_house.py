"""A real two-storey house with a wearable at the wrist: ten recordings of a script, four receivers that die and appear.

Of the file of one row a second (the mean of about 20 packets) the readings are used, rounded to whole dBm as the device
gets them, and not the acceleration. Receivers change: 1 to 5 hear kitchen, lounge and upstairs, 6 kitchen and upstairs,
7 to 10 kitchen, upstairs and study. Seconds that no annotator labelled are left out. There are no positions.
All recordings follow one script: a model of sequences can learn the script in place of the rooms.
"""

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

NAME = "sphere_house"
FILE = "sphere_house_1hz.csv"
RECEIVERS = ("kitchen", "lounge", "upstairs", "study")
RECORDINGS = range(1, 11)
CITATION = (
    "N. Twomey et al., The SPHERE Challenge: Activity Recognition with Multimodal Sensor Data, arXiv:1603.00797, 2016; "
    "data doi:10.5523/bris.8gccwpx47rav19vk8x4xapcog"
)
LICENCE = "none stated in the deposit's files: read the licence on its page before publishing anything of it"
FACTS = Facts(NAME, "SPHERE house, wrist-worn BLE, 4 receivers", LICENCE, CITATION)


def load(
    path: Path,
    split_seed: int = 0,
    train_first: int = 1,
    train_last: int = 4,
    test_first: int = 5,
    test_last: int = 5,
    leave_out: int = 0,
) -> DataSet:
    """Read the recordings from a folder.

    Args:
        path: The folder with FILE (plain or .xz).
        split_seed: Fixes which fifth of the training recordings, at least one, validates.
        train_first: First of the recordings that train and validate; `train_last` is the last.
        train_last: 4, or 5 with a test of 7 to 10: then a receiver died and another appeared.
        test_first: First of the recordings that test; `test_last` is the last.
        test_last: See `test_first`.
        leave_out: This recording tests and all others train, whatever the others say; 0: as they say.
    """
    trained = set(range(train_first, train_last + 1))
    tested = set(range(test_first, test_last + 1))
    if leave_out:
        trained, tested = set(RECORDINGS) - {leave_out}, {leave_out}
    if len(trained) < 2 or not tested or trained & tested or not trained | tested <= set(RECORDINGS):
        raise DataError(
            f"{NAME}: recordings {sorted(trained)} train and {sorted(tested)} test; take at least two to train and one "
            f"to test of {RECORDINGS[0]} to {RECORDINGS[-1]}, none for both"
        )
    findings = Findings()
    source = f"{path}: {FILE}"
    table = read_table(
        files.read_members(path, (FILE,), NAME)[FILE],
        source,
        ["recording", "sec", "room", *(f"rssi_{name}" for name in RECEIVERS)],
    )
    number, second = table.numbers(["recording", "sec"]).T
    label = np.array(table.texts("room"), object)
    scans = Scans(
        source=source,
        points=RECEIVERS,
        rssi_dbm=files.whole_dbm(table.numbers([f"rssi_{name}" for name in RECEIVERS], missing=[""])),
        position=np.full((len(table), 3), np.nan),
        time_s=second,
        line=np.asarray(table.lines),
        recording=np.array([f"recording {one:02.0f}" for one in number], object),
        label=label,
    )
    without = int((label == "").sum())
    findings.notes.append(f"{source}: {counted(without, 'second')} without a label left out")
    chosen = {
        given: scans.rows((label != "") & np.isin(number, sorted(some)))
        for given, some in ((TRAIN_AND_VALIDATION, trained), ("test", tested))
    }
    return build(FACTS, chosen, SplitRule(by="recording"), ClassRule(), 1.0, split_seed, findings)
