"""A user's own CSV, described by a TOML file."""

from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.data import catalogue, own
from tinyloc.training.data.dataset import UNSEEN
from tinyloc.training.errors import DataError

ABOUT = """
name = "my-flat"
licence = "mine"
file = "scans.csv"
rate_hz = 2
time_unit = "ms"
missing = [100, ""]
[columns]
access_points = ["hall", "ap_*"]
label = "room"
recording = "walk"
time = "t"
x = "x"
y = "y"
"""
HEADER = "t,walk,room,x,y,ap_1,ap_2,hall\n"


def write(folder: Path, about: str = ABOUT, rows: str | None = None) -> Path:
    if rows is None:
        rows = "".join(
            f"{1000 * n},w{walk},{'kitchen' if n < 3 else 'bath'},{n},{walk},{-50 - n},{100 if n else -70},-60\n"
            for walk in range(5)
            for n in reversed(range(6))
        )
    (folder / "scans.csv").write_text(HEADER + rows)
    (folder / "data.toml").write_text(about)
    return folder / "data.toml"


def test_whole_recordings_are_held_out_and_sorted_by_time(tmp_path: Path) -> None:
    data = catalogue.load("csv", {"split_seed": 0}, write(tmp_path))
    assert data.access_points == ("hall", "ap_1", "ap_2") and data.classes == ("bath", "kitchen")
    assert [len(split) for split in data.splits.values()] == [3, 1, 1]
    walk = data.test[0]
    assert walk.time_s.tolist() == [0, 1, 2, 3, 4, 5]
    assert walk.rssi_dbm[:, 1].tolist() == [-50, -51, -52, -53, -54, -55]
    assert np.isnan(walk.rssi_dbm[1:, 2]).all() and walk.rssi_dbm[0, 2] == -70
    assert walk.label.tolist() == [1, 1, 1, 0, 0, 0]
    assert data.class_position_m is not None and data.class_position_m[1, 0] == 1.0


def test_a_column_says_which_rows_are_whose_and_unknown_rooms_are_unseen(tmp_path: Path) -> None:
    rows = "".join(f"{n},{split},{room},0,0,-50,-60,-70\n" for n, (split, room) in enumerate(
        [("train", "a"), ("train", "b"), ("validation", "a"), ("test", "c"), ("test", "b")]
    ))  # fmt: skip
    about = ABOUT.replace('recording = "walk"', 'split = "walk"')
    data = catalogue.load("csv", {}, write(tmp_path, about, rows))
    assert data.test[0].label.tolist() == [UNSEEN, 1]


def test_three_files(tmp_path: Path) -> None:
    write(tmp_path)
    for split in own.SPLITS:
        (tmp_path / f"{split}.csv").write_text((tmp_path / "scans.csv").read_text())
    about = ABOUT.replace('file = "scans.csv"', "".join(f'{split} = "{split}.csv"\n' for split in own.SPLITS))
    (tmp_path / "data.toml").write_text(about)
    data = own.load(tmp_path / "data.toml")
    assert [len(split) for split in data.splits.values()] == [5, 5, 5]


def test_all_missing_columns_are_named_at_once(tmp_path: Path) -> None:
    about = ABOUT.replace('"room"', '"area"').replace('"hall"', '"door"').replace('x = "x"', 'x = "east"')
    with pytest.raises(DataError, match=r"3 columns are missing: door, area, east; it has t, walk"):
        own.load(write(tmp_path, about))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('file = "scans.csv"', ""), "name file, or all of train, validation and test"),
        (('file = "scans.csv"', 'train = "a.csv"'), r"validation, test missing"),
        (('licence = "mine"', ""), "licence: Field required"),
        (("rate_hz = 2", "rate_hz = 0\nspeed = 1"), r"rate_hz: .*; speed: Extra inputs"),
        (('y = "y"', ""), "needs both columns.x and columns.y"),
        (('"ap_*"', '"room"'), "access_points has room, which is another column"),
        (('"ap_*"', '"wifi_*"'), r"no column matches access_points 'wifi_\*'"),
        (('"scans.csv"', '"none.csv"'), "none.csv: no such file"),
        (("[columns]", "[columns"), "not valid TOML"),
    ],
)
def test_a_wrong_description_is_told(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(DataError, match=message):
        own.load(write(tmp_path, ABOUT.replace(*change)))


def test_a_star_takes_no_column_that_is_something_else(tmp_path: Path) -> None:
    rows = "".join(f"{n},{walk},{n // 3},{n},{walk},-50,-60,-70\n" for walk in range(5) for n in range(6))
    about = ABOUT.replace('["hall", "ap_*"]', '["*"]')
    assert own.load(write(tmp_path, about, rows)).access_points == ("ap_1", "ap_2", "hall")


def test_too_few_recordings_and_labels_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="1 recordings are too few"):
        own.load(write(tmp_path, rows="0,w,a,0,0,-50,-60,-70\n1,w,b,0,0,-50,-60,-70\n"))
    rows = "".join(f"0,w{n},a,0,0,-50,-60,-70\n" for n in range(5))
    with pytest.raises(DataError, match="the training rows have 1 label"):
        own.load(write(tmp_path, rows=rows))


def test_without_a_description_the_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name their TOML description"):
        catalogue.load("csv")
    with pytest.raises(DataError, match="describe your CSV in a TOML file"):
        catalogue.load("csv", {}, tmp_path / "none.toml")


def test_readings_that_no_receiver_reports_are_named(tmp_path: Path) -> None:
    cells = ((0, "a", 200), (1, "b", 7))
    rows = "".join(f"{n},w{walk},{room},0,0,{dbm},-130,-60\n" for walk in range(5) for n, room, dbm in cells)
    message = r"20 readings are above 0 or below -127 dBm: line 2 ap_1 = 200, line 2 ap_2 = -130.*under missing"
    with pytest.raises(DataError, match=message):
        catalogue.load("csv", {}, write(tmp_path, rows=rows))
