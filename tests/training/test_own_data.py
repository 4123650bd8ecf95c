"""A user's own CSV, described by a TOML file."""

import logging
import re
from pathlib import Path

import numpy as np
import pytest

from tests.png_files import png
from tinyloc.training.data import catalogue, own
from tinyloc.training.data.dataset import UNSEEN
from tinyloc.training.data.own.guess import guess
from tinyloc.training.data.radio_map.splits import SPLITS
from tinyloc.training.errors import DataError
from tinyloc.training.recipe import Recipe
from tinyloc.training.run import train

ABOUT = """
name = "my-flat"
licence = "mine"
file = "scans.csv"
rate_hz = 1
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
    rows = "".join(f"{1000 * n},{split},{room},0,0,-50,-60,-70\n" for n, (split, room) in enumerate(
        [("train", "a"), ("train", "b"), ("validation", "a"), ("test", "c"), ("test", "b")]
    ))  # fmt: skip
    about = ABOUT.replace('recording = "walk"', 'split = "walk"')
    data = catalogue.load("csv", {}, write(tmp_path, about, rows))
    assert data.test[0].label.tolist() == [UNSEEN, 1]


def test_three_files(tmp_path: Path) -> None:
    write(tmp_path)
    for split in SPLITS:
        (tmp_path / f"{split}.csv").write_text((tmp_path / "scans.csv").read_text())
    about = ABOUT.replace('file = "scans.csv"', "".join(f'{split} = "{split}.csv"\n' for split in SPLITS))
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
        (('file = "scans.csv"', ""), "name file, or train and test"),
        (('file = "scans.csv"', 'train = "a.csv"'), r"name file, or train and test \(test missing\)"),
        (('licence = "mine"', ""), "licence: Field required"),
        (("rate_hz = 1", "rate_hz = 0\nspeed = 1"), r"rate_hz: .*; speed: Extra inputs"),
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
    rows = "".join(f"{1000 * n},{walk},{n // 3},{n},{walk},-50,-60,-70\n" for walk in range(5) for n in range(6))
    about = ABOUT.replace('["hall", "ap_*"]', '["*"]')
    assert own.load(write(tmp_path, about, rows)).access_points == ("ap_1", "ap_2", "hall")


def test_too_few_recordings_and_labels_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"too few to hold out 0.2 of them twice .*: 1 recording;"):
        own.load(write(tmp_path, rows="0,w,a,0,0,-50,-60,-70\n1000,w,b,0,0,-50,-60,-70\n"))
    rows = "".join(f"0,w{n},a,0,0,-50,-60,-70\n" for n in range(5))
    with pytest.raises(DataError, match="the training rows have 1 label"):
        own.load(write(tmp_path, rows=rows))


def test_without_a_description_the_way_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="name the TOML file"):
        catalogue.load("csv")
    with pytest.raises(DataError, match="describe your CSV in a TOML file"):
        catalogue.load("csv", {}, tmp_path / "none.toml")


def test_readings_that_no_receiver_reports_are_named(tmp_path: Path) -> None:
    cells = ((0, "a", 200), (1, "b", 7))
    rows = "".join(f"{n},w{walk},{room},0,0,{dbm},-130,-60\n" for walk in range(5) for n, room, dbm in cells)
    message = r"20 readings are above 0 or below -127 dBm: line 2 ap_1 = 200, line 2 ap_2 = -130.*missing = "
    with pytest.raises(DataError, match=message):
        catalogue.load("csv", {}, write(tmp_path, rows=rows))


def umlauts(folder: Path, encoding: str, about: str = ABOUT) -> Path:
    """Two rooms whose names differ in one letter outside of ASCII."""
    rooms = ("K\u00fcche", "K\u00e8che")
    rows = "".join(f"{1000 * n},w{walk},{rooms[n % 2]},0,0,-50,-70,-60\n" for walk in range(5) for n in range(6))
    path = write(folder, about)
    (folder / "scans.csv").write_bytes((HEADER + rows).encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_utf_8_is_read_with_and_without_a_mark(tmp_path: Path, encoding: str) -> None:
    assert own.load(umlauts(tmp_path, encoding)).classes == ("K\u00e8che", "K\u00fcche")


@pytest.mark.parametrize(
    ("encoding", "message"),
    [
        ("latin-1", r'scans.csv, line 2, byte 37 of the file: 0xfc is not utf-8 .*declare .*encoding = "latin-1"'),
        ("utf-16", r'line 1, byte 0 of the file: 0xff is not utf-8 .*encoding = "utf-16"'),
    ],
)
def test_another_encoding_is_named_and_read_when_declared(tmp_path: Path, encoding: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own.load(umlauts(tmp_path, encoding))
    declared = umlauts(tmp_path, encoding, f'encoding = "{encoding}"\n{ABOUT}')
    assert own.load(declared).classes == ("K\u00e8che", "K\u00fcche")


@pytest.mark.parametrize("name", ["rot13", "hex", "unicode_escape", "nosuch", "utf-7"])
def test_an_encoding_that_is_no_character_set_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(DataError, match=f"encoding: '{name}' is not a known encoding; known are utf-8"):
        own.load(umlauts(tmp_path, "utf-8", f'encoding = "{name}"\n{ABOUT}'))


# --- what contradicts itself is named, all at once ---

PLAIN = """
name = "plain"
licence = "mine"
file = "scans.csv"
missing = [""]
[columns]
access_points = ["ap*"]
label = "room"
recording = "walk"
time = "t"
"""


def plain(folder: Path, rows: list[str], about: str = PLAIN, header: str = "t,walk,room,ap1,ap2") -> Path:
    (folder / "scans.csv").write_text("\n".join([header, *rows]) + "\n")
    (folder / "data.toml").write_text(about)
    return folder / "data.toml"


def walks(step_s: float = 1.0, count: int = 5, samples: int = 6) -> list[str]:
    return [
        f"{n * step_s:g},w{walk},{'ab'[n % 2]},{-50 - n},{-60 - walk}" for walk in range(count) for n in range(samples)
    ]


def notes(path: Path) -> str:
    return "\n".join(own.load(path).notes)


def test_all_problems_of_all_files_are_named_at_once(tmp_path: Path) -> None:
    rows = walks()
    rows[0] = "0,w0,,-50,-60"
    rows[1] = "1,,a,-50,7"
    rows[2] = "x,w0,a,quiet,-60"
    about = PLAIN.replace('file = "scans.csv"', 'train = "scans.csv"\ntest = "none.csv"')
    with pytest.raises(DataError) as error:
        own.load(plain(tmp_path, rows, about))
    for words in (
        "none.csv: no such file",
        "1 cell is not a number: line 4 ap1 = 'quiet'",
        "1 reading is above 0 or below -127 dBm: line 3 ap2 = 7",
        "1 cell is not a number: line 4 t = 'x'",
        "1 empty cell in column walk (line 3)",
    ):
        assert words in str(error.value)


def test_columns_with_one_name_are_named_although_a_star_takes_them(tmp_path: Path) -> None:
    rows = [f"{row},-70" for row in walks()]
    with pytest.raises(DataError, match="more than one column is called ap1; rename all but one"):
        own.load(plain(tmp_path, rows, header="t,walk,room,ap1,ap2,ap1"))


def test_empty_labels_are_named_or_left_out_and_counted(tmp_path: Path) -> None:
    rows = walks()
    rows[3] = "3,w0,,-50,-60"
    with pytest.raises(DataError, match=r'1 row has no label \(line 5\); .* unlabelled = "drop"'):
        own.load(plain(tmp_path, rows))
    path = plain(tmp_path, rows, f'unlabelled = "drop"\n{PLAIN}')
    assert sum(len(part) for split in own.load(path).splits.values() for part in split) == len(rows) - 1
    assert "1 row without a label left out (line 5)" in notes(path)


@pytest.mark.parametrize(
    ("step_s", "setting", "message"),
    [
        (1000, "rate_hz = 1", r'step by 1000 s \(median\), rate_hz = 1 expects 1 s; .* declare time_unit = "ms"'),
        (1, "rate_hz = 5", r"step by 1 s \(median\), rate_hz = 5 expects 0.2 s; declare the rate of the file"),
        (1000, "", r'step by 1000 s \(median\) with time_unit = "s"; correct the unit'),
        (0, "", r"all times of recording w0, w1, w2, w3, w4 are equal; correct column t"),
    ],
)
def test_times_that_contradict_the_rate_are_named(tmp_path: Path, step_s: float, setting: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        own.load(plain(tmp_path, walks(step_s), f"{setting}\n{PLAIN}"))


def test_the_rate_is_seen_and_pauses_are_named_and_cut(tmp_path: Path) -> None:
    rows = walks(0.2, samples=20)
    rows[10] = rows[10].replace("2,w0", "60,w0", 1)
    rows[11:20] = [f"{60 + n / 5:g},w0,a,-50,-60" for n in range(1, 10)]
    data = own.load(plain(tmp_path, rows))
    assert data.rate_hz == 5
    said = "\n".join(data.notes)
    assert "scans.csv: 100 rows, 5 recordings, 2 access points" in said
    assert "times span 61.8 s; median step 0.2 s (5 Hz)" in said
    assert "1 pause longer than 3 steps inside recordings, the longest 58.2 s before line 12; pause_s" in said
    cut = own.load(plain(tmp_path, rows, f"pause_s = 10\n{PLAIN}"))
    assert sum(map(len, cut.splits.values())) == 6
    assert max(np.diff(part.time_s).max() for split in cut.splits.values() for part in split) < 0.3


def test_rows_out_of_order_and_blank_lines_are_counted(tmp_path: Path) -> None:
    rows = walks()
    rows[0], rows[1] = rows[1], rows[0]
    rows.insert(4, "")
    said = notes(plain(tmp_path, rows))
    assert "time goes back at 1 row; recordings are sorted by time" in said
    assert "30 rows (1 blank line skipped)" in said


def test_lines_that_end_with_cr_only_are_read(tmp_path: Path) -> None:
    path = plain(tmp_path, walks())
    (tmp_path / "scans.csv").write_bytes((tmp_path / "scans.csv").read_bytes().replace(b"\n", b"\r"))
    assert own.load(path).classes == ("a", "b")


def test_semicolons_and_decimal_commas_are_named_and_read_when_declared(tmp_path: Path) -> None:
    rows = [row.replace(",", ";").replace("-50;", "-50,4;") for row in walks()]
    header = "t;walk;room;ap1;ap2"
    with pytest.raises(DataError, match=r'semicolons seem to separate its cells: declare delimiter = ";"'):
        own.load(plain(tmp_path, rows, header=header))
    with pytest.raises(DataError, match=r"5 cells are not numbers: line 2 ap1 = '-50,4'.*decimal = \",\""):
        own.load(plain(tmp_path, rows, f'delimiter = ";"\n{PLAIN}', header))
    path = plain(tmp_path, rows, f'delimiter = ";"\ndecimal = ","\n{PLAIN}', header)
    assert own.load(path).train[0].rssi_dbm[0, 0] == -50 and "5 readings rounded to whole dBm" in notes(path)


@pytest.mark.parametrize("code", [-110, -100, 0])
def test_a_frequent_extreme_reading_is_asked_about(tmp_path: Path, code: int) -> None:
    rows = [
        row.replace(f",{-60 - walk}", f",{code}") for row, walk in zip(walks(), np.repeat(range(5), 6), strict=True)
    ]
    with pytest.raises(
        DataError, match=rf"of the readings are {code} dBm: add {code} to missing .* heard = \[{code}\]"
    ):
        own.load(plain(tmp_path, rows))
    coded = own.load(plain(tmp_path, rows, PLAIN.replace('missing = [""]', f"missing = [{code}]")))
    assert np.isnan(coded.train[0].rssi_dbm[:, 1]).all()
    kept = own.load(plain(tmp_path, rows, f"heard = [{code}]\n{PLAIN}"))
    assert (kept.train[0].rssi_dbm[:, 1] == code).all()


def test_a_label_for_each_scan_is_refused_and_doubtful_labels_are_noted(tmp_path: Path) -> None:
    rows = [f"{n},w{walk},{walk}-{n},{-50 - n},-60" for walk in range(5) for n in range(6)]
    with pytest.raises(DataError, match="30 labels for 30 scans: choose another column"):
        own.load(plain(tmp_path, rows))
    rows = [f"{n},w{walk},{('bath', 'Bath')[n % 2]},{-50 - n},-60,{n // 2},0" for walk in range(5) for n in range(6)]
    header = "t,walk,room,ap1,ap2,x,y"
    said = notes(plain(tmp_path, rows, f'{PLAIN}x = "x"\ny = "y"\n', header))
    assert "labels 'Bath' and 'bath' differ in case or spaces only" in said
    assert "3 places with more than one label, as 0, 0 with Bath and bath" in said


def test_labels_and_access_points_that_nothing_can_show_are_refused(tmp_path: Path) -> None:
    rows = [row.replace(",a,", ',"bath\x1b[2J",') for row in walks()]
    with pytest.raises(DataError, match=r"'bath<U\+001B>\[2J' holds the control character U\+001B"):
        catalogue.load("csv", path=plain(tmp_path, rows))
    with pytest.raises(DataError, match=r"'ap<U\+000A>1' holds the control character U\+000A"):
        catalogue.load("csv", path=plain(tmp_path, walks(), header='t,walk,room,"ap\n1",ap2'))


def test_scans_of_a_label_at_one_instant_and_labels_of_the_test_only_are_noted(tmp_path: Path) -> None:
    rows = [f"{n if n < 20 else 20},w,{'ab'[n < 10] if n < 20 else 'copy'},{-50 - n % 5},-60" for n in range(30)]
    about = PLAIN.replace('file = "scans.csv"', 'train = "scans.csv"\ntest = "test.csv"\nsequential = false')
    path = plain(tmp_path, rows, about)
    (tmp_path / "test.csv").write_text("t,walk,room,ap1,ap2\n0,w,cellar,-50,-60\n1,w,a,-50,-60\n")
    said = notes(path)
    assert "1 label has its scans all at one instant (copy); are they copies?" in said
    assert "1 label that no training scan has, always wrong: cellar" in said


def test_phones_that_only_the_test_has_are_counted(tmp_path: Path) -> None:
    rows = [f"{n},{phone},{'ab'[n % 2]},{-50 - n},-60" for phone in ("p1", "p2") for n in range(8)]
    about = PLAIN.replace('file = "scans.csv"', 'train = "scans.csv"\ntest = "test.csv"\nsequential = false')
    path = plain(tmp_path, rows, about.replace('recording = "walk"', 'device = "walk"'))
    (tmp_path / "test.csv").write_text("t,walk,room,ap1,ap2\n0,p3,b,-50,-60\n1,p1,a,-50,-60\n")
    assert "1 device of 2 in the test only" in notes(path)


def test_training_says_what_was_left_out(tmp_path: Path) -> None:
    rows = walks()
    rows[3] = "3,w0,,-50,-60"
    path = plain(tmp_path, rows, f'unlabelled = "drop"\n{PLAIN}')
    model = {"architecture": "mlp", "hidden": [2]}
    training = {"epochs": 1, "batch": 8, "learning_rate": 0.01}
    recipe = Recipe.model_validate({"name": "m", "data": {"name": "csv"}, "model": model, "training": training})
    said: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("tinyloc.training.run")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        train(recipe, tmp_path / "run", data_path=path)
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
    assert any("1 row without a label left out (line 5)" in text for text in said)


def test_damaged_utf_8_is_not_taken_for_another_encoding(tmp_path: Path) -> None:
    path = umlauts(tmp_path, "utf-8")
    file = tmp_path / "scans.csv"
    file.write_bytes(file.read_bytes().replace("\u00fc".encode(), b"\xfc", 1))
    with pytest.raises(DataError, match=r"0xfc is not utf-8 .*; correct it in the file$"):
        own.load(path)
    with pytest.raises(DataError, match="0xfc is not utf-8"):
        guess(file)


def test_utf_8_that_is_declared_as_something_else_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is UTF-8 and not latin-1; leave encoding out"):
        own.load(umlauts(tmp_path, "utf-8", f'encoding = "latin-1"\n{ABOUT}'))


PLAN = """
[[rooms]]
name = "kitchen"
outline = [[0, 0], [400, 0], [400, 300], [0, 300]]
[[floors]]
name = "ground floor"
image = "plan.png"
metres_per_pixel = 0.05
origin = [-100, 50]
"""


def test_the_picture_of_a_floor_travels_with_scale_and_origin(tmp_path: Path) -> None:
    about = ABOUT.replace("[columns]", 'coordinates = "cm"\n[columns]') + PLAN
    (tmp_path / "plan.png").write_bytes(png(40, 30))
    site = catalogue.load("csv", {}, write(tmp_path, about)).site()
    assert [floor.name for floor in site.floors] == ["ground floor"]
    picture = site.floors[0].picture
    assert picture is not None and picture.file == png(40, 30)
    assert (picture.left_m, picture.bottom_m) == (-1.0, 0.5)
    assert (picture.width_m, picture.height_m) == (2.0, 1.5)
    assert site.rooms[0].high_m == (4.0, 3.0)


@pytest.mark.parametrize(
    ("content", "about", "why"),
    [
        (b"<svg onload='x'>", PLAN, "an SVG, which may hold scripts; save the plan as one of them"),
        (b"GIF89a", PLAN, "neither a PNG nor a JPEG"),
        (png(9_000, 9_000), PLAN, "at most 40 million. Save it smaller"),
        (None, PLAN, "cannot be read"),
        (png(40, 30), PLAN + "width_px = 80\n", "width_px and height_px say 80 x 30, the file has 40 x 30"),
        (png(40, 30), PLAN + 'floor = "F7"\n', "no class is on floor 'F7'"),
        (png(40, 30), PLAN.replace("plan.png", "."), "no plain file"),
        (png(40, 30), PLAN.replace("plan.png", "a\\u0000b"), "no name of a file"),
    ],
)
def test_a_picture_that_is_none_is_refused(tmp_path: Path, content: bytes | None, about: str, why: str) -> None:
    if content is not None:
        (tmp_path / "plan.png").write_bytes(content)
    with pytest.raises(DataError, match=re.escape(why)):
        catalogue.load("csv", {}, write(tmp_path, ABOUT + about))


def test_a_picture_too_large_for_reports_is_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "plan.png").write_bytes(png(40, 30) + bytes(2_000_000))
    data = catalogue.load("csv", {}, write(tmp_path, ABOUT + PLAN))
    assert not data.floor_pictures
    assert any("the report carries at most 2,000,000 and shows no picture" in note for note in data.notes)
