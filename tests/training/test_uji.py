"""UJIIndoorLoc: areas, splits and what a malformed file is told. Files are made here, 520 columns and few rows."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.uji_files import HEADER, row, text
from tinyloc.training.data import uji
from tinyloc.training.errors import DataError

TRAINING = [row(-7600.0 + 10 * i, 4864800.0, WAP001=-50 - i, WAP520=-90) for i in range(40)]
TEST = [row(-7595.0, 4864805.0, WAP001=-55), row(-7700.0, 4864800.0, WAP002=-60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / uji.TRAINING_FILE).write_text(text(TRAINING))
    (tmp_path / uji.TEST_FILE).write_text(text(TEST))
    return tmp_path


def test_areas_have_their_origin_at_the_training_minimum_and_their_scans_mean_as_position(folder: Path) -> None:
    data = uji.load(folder)
    assert data.classes == tuple(f"B0 F0 {x}/0" for x in range(5))  # 400 m in cells of 85 m
    east = np.arange(40) * 10.0
    for number in range(5):
        expected = east[np.floor(east / 85) == number].mean()
        assert data.class_position_m[number] == pytest.approx([expected, 0.0, 0.0])


def test_scans_of_areas_never_trained_on_are_labelled_so(folder: Path) -> None:
    assert uji.load(folder).test[0].label.tolist() == [0, -1]


def test_splits_share_no_scan_and_hold_a_quarter_out(folder: Path) -> None:
    data = uji.load(folder)
    east = [set(np.round(split[0].position_m[:, 0]).tolist()) for split in (data.train, data.validation)]
    assert not east[0] & east[1]
    assert len(east[0] | east[1]) == 40
    assert len(east[1]) == pytest.approx(10, abs=2)
    assert set(data.train[0].label.tolist()) == set(range(5))


def test_the_split_follows_its_seed(folder: Path) -> None:
    first, again, other = (uji.load(folder, split_seed=seed).train[0].position_m for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_readings_keep_dbm_and_missing_is_nan(folder: Path) -> None:
    reading = uji.load(folder).test[0].rssi_dbm
    assert reading[0, 0] == -55
    assert np.isnan(reading[0, 1:]).all()


@pytest.mark.parametrize("inside", ["", "UJIndoorLoc/"])
def test_the_zip_gives_what_the_folder_gives(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, inside: str
) -> None:
    archive = tmp_path_factory.mktemp("zip") / "UJIIndoorLoc.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for name in (uji.TRAINING_FILE, uji.TEST_FILE):
            file.write(folder / name, inside + name)
    from_zip, from_folder = uji.load(archive), uji.load(folder)
    assert np.array_equal(from_zip.train[0].rssi_dbm, from_folder.train[0].rssi_dbm, equal_nan=True)
    assert np.array_equal(from_zip.test[0].label, from_folder.test[0].label)


def test_columns_are_found_by_name_in_any_order() -> None:
    order = np.random.default_rng(0).permutation(len(HEADER))
    shuffled = text([[line[i] for i in order] for line in TRAINING], [HEADER[i] for i in order])
    straight = uji.parse_csv(text(TRAINING), "straight")
    assert np.array_equal(uji.parse_csv(shuffled, "shuffled").rssi_dbm, straight.rssi_dbm, equal_nan=True)


def test_all_missing_columns_are_told_at_once() -> None:
    kept = [i for i, name in enumerate(HEADER) if name not in ("WAP007", "FLOOR", "TIMESTAMP")]
    with pytest.raises(DataError, match=r"3 columns are missing: WAP007, FLOOR, TIMESTAMP.*data get"):
        uji.parse_csv(text([[line[i] for i in kept] for line in TRAINING], [HEADER[i] for i in kept]), "x.csv")


BAD: list[tuple[str, Callable[[list[str]], list[str]], str]] = [
    ("positive reading", lambda line: ["5", *line[1:]], r": 1 reading above 0 dBm and not 100.*line 4 WAP001 = 5"),
    ("fraction", lambda line: ["-50.5", *line[1:]], r": 1 reading not in whole dBm: line 4 WAP001 = -50.5"),
    ("too weak", lambda line: ["-200", *line[1:]], r": 1 reading below -127 dBm: line 4 WAP001 = -200"),
    ("text", lambda line: ["loud", *line[1:]], r": 1 unreadable row: line 4, value 1 is 'loud'"),
    ("not a number", lambda line: ["nan", *line[1:]], r"line 4, value 1 is 'nan'"),
    ("short row", lambda line: line[:-3], r"line 4 has 522 values, the header 525"),
    ("blank row", lambda line: [""], r"1 empty row \(line 4\)"),
    ("row of commas", lambda line: [""] * 525, r"1 empty row \(line 4\)"),
    ("floor", lambda line: [*line[:522], "1.5", *line[523:]], r": 1 value of FLOOR below 0 or not whole: line 4 = 1.5"),
]


@pytest.mark.parametrize(("change", "message"), [case[1:] for case in BAD], ids=[case[0] for case in BAD])
def test_bad_rows_are_named(change: Callable[[list[str]], list[str]], message: str) -> None:
    rows = [change(line) if number == 2 else line for number, line in enumerate(TRAINING)]
    with pytest.raises(DataError, match=message):
        uji.parse_csv(text(rows), "x.csv")


def test_several_problems_are_told_at_once() -> None:
    rows = [["7", *TRAINING[0][1:]], ["-300", *TRAINING[1][1:]], *TRAINING[2:]]
    with pytest.raises(DataError, match=r"1 reading above 0 dBm.*1 reading below -127"):
        uji.parse_csv(text(rows), "x.csv")
    rows = [["7", "8", *TRAINING[0][2:]], [""], [""], *TRAINING[2:]]
    with pytest.raises(DataError, match=r"2 empty rows \(line 3, 4\)"):
        uji.parse_csv(text(rows), "x.csv")
    with pytest.raises(DataError, match="2 readings above 0 dBm"):
        uji.parse_csv(text([rows[0], *TRAINING[1:]]), "x.csv")


def test_one_missing_column_is_told_in_the_singular() -> None:
    with pytest.raises(DataError, match="1 column is missing: WAP001;"):
        uji.parse_csv(text([line[1:] for line in TRAINING], HEADER[1:]), "x.csv")


def test_a_file_without_rows_is_refused() -> None:
    with pytest.raises(DataError, match="no data rows"):
        uji.parse_csv(text([]), "x.csv")


def test_missing_files_and_damaged_zips_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        uji.load(tmp_path / "nowhere.zip")
    (tmp_path / uji.TRAINING_FILE).write_text(text(TRAINING))
    with pytest.raises(DataError, match=r"validationData\.csv missing here"):
        uji.load(tmp_path)
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 and no more")
    with pytest.raises(DataError, match="not a complete zip"):
        uji.load(tmp_path / "broken.zip")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    with pytest.raises(DataError, match=r"no trainingData\.csv and no validationData\.csv"):
        uji.load(tmp_path / "other.zip")
