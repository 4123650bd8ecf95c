"""What an own radio map may say: positions alone, floors, devices, days, long and headerless tables."""

from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.data import own
from tinyloc.training.data.dataset import UNSEEN, DataSet
from tinyloc.training.errors import DataError

HEAD = """
name = "map"
licence = "mine"
sequential = false
missing = [""]
"""


def describe(folder: Path, settings: str, columns: str, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text)
    named = 'file = "scans.csv"' if list(files) == ["scans"] else "\n".join(f'{name} = "{name}.csv"' for name in files)
    (folder / "data.toml").write_text(f"{HEAD}{named}\n{settings}\n[columns]\n{columns}\n")
    return folder / "data.toml"


def survey(scans_a_place: int = 2, floors: int = 2, side: int = 4, shift: float = 0.0) -> str:
    """A grid of places 2 m apart on each floor; readings fall along x and y."""
    rows = [
        f"{2 * x + shift},{2 * y},{floor},{-40 - 5 * x - scan},{-40 - 5 * y},{-60 - 10 * floor}"
        for floor in range(floors)
        for x in range(side)
        for y in range(side)
        for scan in range(scans_a_place)
    ]
    return "\n".join(["x,y,level,ap1,ap2,ap3", *rows]) + "\n"


PLACES = 'access_points = ["ap*"]\nx = "x"\ny = "y"\nfloor = "level"'


def label_of(data: DataSet) -> dict[str, np.ndarray]:
    return {name: np.concatenate([part.label for part in parts]) for name, parts in data.splits.items()}


def test_positions_alone_make_places_floor_by_floor(tmp_path: Path) -> None:
    path = describe(tmp_path, "", PLACES, train=survey(), test=survey(1, shift=0.4))
    data = own.load(path)
    assert data.class_position_m is not None
    assert 20 <= len(data.classes) <= 31 and set(data.class_group) == {"F0", "F1"}
    train, test = data.train[0], data.test[0]
    assert np.allclose(data.class_position_m[train.label], train.position_m)
    for row in range(len(test)):
        away = np.linalg.norm(data.class_position_m - test.position_m[row], axis=1)
        same = [number for number, group in enumerate(data.class_group) if group == f"F{row // 16}"]
        assert test.label[row] in same and np.isclose(away[test.label[row]], away[same].min())


def test_one_scan_a_place_validates_on_other_places(tmp_path: Path) -> None:
    one_floor = {"train": survey(1, floors=1), "test": survey(1, floors=1, shift=0.4)}
    data = own.load(describe(tmp_path, "", PLACES, **one_floor))
    trained = {tuple(place) for place in data.train[0].position_m.tolist()}
    held = {tuple(place) for place in data.validation[0].position_m.tolist()}
    assert (len(trained), len(held)) == (13, 3) and not trained & held
    assert any("of 16 places 13 train, 3 validate" in note for note in data.notes)


def test_cells_places_on_a_grid_and_clusters(tmp_path: Path) -> None:
    files = {"train": survey(), "test": survey(1, shift=0.4)}
    cells = own.load(describe(tmp_path, "cell_m = 4", PLACES, **files))
    assert cells.classes == tuple(f"F{floor} {x}/{y}" for floor in (0, 1) for x in (0, 1) for y in (0, 1))
    assert label_of(cells)["test"].tolist() == [
        4 * f + 2 * (x // 2) + y // 2 for f in (0, 1) for x in range(4) for y in range(4)
    ]
    few = own.load(describe(tmp_path, "places = 6", PLACES, **files))
    assert len(few.classes) <= 6 and set(few.class_group) == {"F0", "F1"}
    merged = own.load(describe(tmp_path, "place_m = 100", PLACES, **files))
    assert merged.classes == ("F0 1", "F1 1")


def test_a_cell_that_nobody_trained_is_unseen(tmp_path: Path) -> None:
    far = "x,y,level,ap1,ap2,ap3\n90,90,0,-50,-50,-50\n"
    data = own.load(describe(tmp_path, "cell_m = 4", PLACES, train=survey(), test=far))
    assert data.test[0].label.tolist() == [UNSEEN]


@pytest.mark.parametrize(
    ("settings", "columns", "message"),
    [
        ("cell_m = 4\nplaces = 3", PLACES, "name one of cell_m and places"),
        ("places = 3", f'{PLACES}\nlabel = "level"', "places makes classes from positions; leave out columns.label"),
        ("", 'access_points = ["ap*"]', "name columns.label, or columns.x and columns.y"),
        ("", f'{PLACES}\naccess_point = "level"', "needs both columns.access_point and columns.dbm"),
        ("scan_s = 2", PLACES, "scan_s is for long tables"),
        ('split_by = "day"', PLACES, "split_by = day: no such column"),
        ('coordinates = "degrees"', PLACES.replace('y = "y"', 'y = "ap1"'), "x must be -180 to 180 .longitude., y -90"),
    ],
)
def test_settings_that_do_not_go_together_are_named(tmp_path: Path, settings: str, columns: str, message: str) -> None:
    text = survey().replace(",-40,", ",-120,")
    with pytest.raises(DataError, match=message):
        own.load(describe(tmp_path, settings, columns, train=text, test=text))


def test_longitude_and_latitude_are_projected_from_one_origin(tmp_path: Path) -> None:
    def degrees(text: str) -> str:
        head, *rows = text.splitlines()
        moved = []
        for row in rows:
            x, y, rest = row.split(",", 2)
            moved.append(
                f"{24.9 + float(x) / 111_195 / np.cos(np.radians(60.2)):.9f},{60.2 + float(y) / 111_195:.9f},{rest}"
            )
        return "\n".join([head, *moved]) + "\n"

    metres = own.load(describe(tmp_path, "", PLACES, train=survey(), test=survey(1, shift=0.4)))
    projected = own.load(describe(tmp_path, "", PLACES, train=degrees(survey()), test=degrees(survey(1, shift=0.4))))
    assert np.abs(projected.test[0].position_m - metres.test[0].position_m).max() < 0.01
    assert any(
        "longitude and latitude, projected to metres from 24.900000, 60.200000" in note for note in projected.notes
    )


def test_coordinates_far_from_zero_keep_their_centimetres(tmp_path: Path) -> None:
    text = "\n".join(
        f"{row.split(',')[0]},{float(row.split(',')[1]) + 4_864_900.25},{row.split(',', 2)[2]}" if number else row
        for number, row in enumerate(survey().splitlines())
    )
    data = own.load(describe(tmp_path, "", PLACES, train=text, test=text))
    assert data.test[0].position_m[:, 1].tolist() == [2.0 * y for _ in range(8) for y in range(4) for _ in range(2)]
    assert any("positions are counted from 0, 4.8649e+06" in note for note in data.notes)


def test_two_units_in_two_files_are_named(tmp_path: Path) -> None:
    wide = "\n".join(
        f"{100 * float(row.split(',')[0])},{row.split(',', 1)[1]}" if number else row
        for number, row in enumerate(survey().splitlines())
    )
    with pytest.raises(DataError, match=r"span 600.0 m, those of .*train.csv 8.49 m: two units"):
        own.load(describe(tmp_path, "", PLACES, train=survey(), test=wide))


# --- who validates ---


def rooms(units: str, count: int, visits: int = 1) -> str:
    rows = [
        f"{unit},{room},{60 * (100 * unit + 10 * visit + room)},{-50 - room - unit},{-60 - visit}"
        for unit in range(count)
        for visit in range(visits)
        for room in range(3)
        for _ in range(3)
    ]
    return "\n".join([f"{units},room,t,ap1,ap2", *rows]) + "\n"


ROOMS = 'access_points = ["ap*"]\nlabel = "room"\n'


@pytest.mark.parametrize("unit", ["day", "device", "recording"])
def test_whole_days_devices_or_recordings_validate(tmp_path: Path, unit: str) -> None:
    text = rooms(unit, 6)
    data = own.load(describe(tmp_path, "", f'{ROOMS}{unit} = "{unit}"', train=text, test=text))
    shares = [
        {-50 - int(dbm) - label for part in split for dbm, label in zip(part.rssi_dbm[:, 0], part.label, strict=True)}
        for split in (data.train, data.validation)
    ]
    assert len(shares[0]) == 5 and len(shares[1]) == 1 and not shares[0] & shares[1]
    assert any(f"of 6 {unit}s 5 train, 1 validate; none is in two splits" in note for note in data.notes)


def test_without_units_whole_visits_validate_and_never_rows_of_the_same_minute(tmp_path: Path) -> None:
    text = rooms("day", 1, visits=5)
    data = own.load(describe(tmp_path, "", f'{ROOMS}time = "t"', scans=text))
    minutes = [{float(second) // 60 for part in split for second in part.time_s} for split in data.splits.values()]
    assert not minutes[0] & minutes[1] and not minutes[0] & minutes[2] and not minutes[1] & minutes[2]
    assert set(label_of(data)["train"].tolist()) == {0, 1, 2}


def test_a_single_recording_validates_on_a_stretch_of_it_and_says_so(tmp_path: Path) -> None:
    rows = "".join(f"{n},{'ab'[n // 5 % 2]},{-50 - n % 5}\n" for n in range(100))
    path = describe(
        tmp_path,
        "",
        'access_points = ["ap"]\nlabel = "room"\ntime = "t"',
        train=f"t,room,ap\n{rows}",
        test=f"t,room,ap\n{rows}",
    )
    path.write_text(path.read_text().replace("sequential = false", "sequential = true"))
    data = own.load(path)
    assert sum(map(len, data.validation)) == 20 and sum(map(len, data.train)) == 80
    assert all((np.diff(part.time_s) == 1).all() for split in data.splits.values() for part in split)
    assert any("stretches resemble training more than a test does" in note for note in data.notes)


# --- other tables ---


def test_a_long_table_is_the_same_as_a_wide_one(tmp_path: Path) -> None:
    wide = "t,room,walk,a,b\n" + "".join(
        f"2026-11-30T10:0{walk}:0{n}Z,{'xy'[n % 2]},{walk},{-50 - n},{-60 if n != 3 else ''}\n"
        for walk in range(5)
        for n in range(6)
    )
    long = "t,room,walk,ap,dbm\n" + "".join(
        f"{row.rsplit(',', 2)[0]},{name},{value}\n"
        for row in wide.splitlines()[1:]
        for name, value in zip("ab", row.rsplit(",", 2)[1:], strict=True)
        if value
    )
    columns = 'label = "room"\nrecording = "walk"\ntime = "t"\n'
    settings = 'time_unit = "iso"'
    one = own.load(describe(tmp_path, settings, f'{columns}access_points = ["a", "b"]', scans=wide))
    two = own.load(describe(tmp_path, settings, f'{columns}access_point = "ap"\ndbm = "dbm"', scans=long))
    assert one.access_points == two.access_points
    for split in one.splits:
        for left, right in zip(one.splits[split], two.splits[split], strict=True):
            assert np.array_equal(left.rssi_dbm, right.rssi_dbm, equal_nan=True)
            assert left.label.tolist() == right.label.tolist() and left.time_s.tolist() == right.time_s.tolist()
    assert any("55 rows" in note for note in two.notes)


def test_packets_are_gathered_into_scans_with_silent_ones_between(tmp_path: Path) -> None:
    packets = "".join(
        f"{start + walk * 1000},{name},{dbm},{'xy'[walk % 2 if start < 2 else 1]},w{walk}\n"
        for walk in range(6)
        for start, name, dbm in ((0.1, "a", -50), (0.4, "a", -60), (0.9, "b", -70), (3.2, "a", -80))
    )
    path = describe(
        tmp_path, "scan_s = 1", 'access_point = "ap"\ndbm = "dbm"\nlabel = "room"\nrecording = "walk"\ntime = "t"',
        scans=f"t,ap,dbm,room,walk\n{packets}",
    )  # fmt: skip
    path.write_text(path.read_text().replace("sequential = false", "sequential = true"))
    data = own.load(path)
    walk = data.test[0]
    assert data.rate_hz == 1 and np.allclose(np.diff(walk.time_s), 1)
    assert np.array_equal(
        walk.rssi_dbm, [[-55, -70], [np.nan, np.nan], [np.nan, np.nan], [-80, np.nan]], equal_nan=True
    )
    said = "\n".join(data.notes)
    assert "24 readings of 2 access points are 24 scans" in said and "12 scans in which nothing was heard" in said
    assert "6 access points heard more than once in a scan, combined by the mean" in said


def test_a_table_without_header_is_named_by_number_and_a_range_takes_columns(tmp_path: Path) -> None:
    body = survey().split("\n", 1)[1]
    path = describe(
        tmp_path, "header = false", 'access_points = ["4..6"]\nx = "1"\ny = "2"\nfloor = "3"', train=body, test=body
    )
    assert own.load(path).access_points == ("4", "5", "6")
    with pytest.raises(DataError, match=r"no column matches access_points '4..9'; it has 1, 2, 3, 4, 5 and 1 more"):
        own.load(
            describe(tmp_path, "header = false", 'access_points = ["4..9"]\nx = "1"\ny = "2"', train=body, test=body)
        )


def test_dates_without_a_zone_are_utc_and_a_mixture_is_named(tmp_path: Path) -> None:
    text = "t,room,ap\n2026-11-30 10:00:00,a,-50\n2026-11-30T10:00:01+00:00,b,-60\nyesterday,b,-61\n"
    columns = 'access_points = ["ap"]\nlabel = "room"\ntime = "t"'
    with pytest.raises(DataError) as error:
        own.load(describe(tmp_path, 'time_unit = "iso"', columns, train=text, test=text))
    assert "line 4 t = 'yesterday'" in str(error.value) and "some times of column t have a zone" in str(error.value)
    with pytest.raises(DataError, match=r'time_unit = "iso" reads dates and times'):
        own.load(describe(tmp_path, "", columns, train=text, test=text))


def test_files_with_other_access_points_are_aligned_by_name_and_counted(tmp_path: Path) -> None:
    test = survey(1).replace("ap1,ap2,ap3", "ap3,ap1,ap9")
    data = own.load(describe(tmp_path, "", PLACES, train=survey(), test=test))
    assert data.access_points == ("ap1", "ap2", "ap3")
    assert data.test[0].rssi_dbm[0].tolist()[::2] == [-40, -40] and np.isnan(data.test[0].rssi_dbm[:, 1]).all()
    said = "\n".join(data.notes)
    assert "1 access point of" in said and "missing (not heard), 1 more that no training scan has (left out)" in said
    with pytest.raises(DataError, match="none of its access points is in"):
        own.load(describe(tmp_path, "", PLACES, train=survey(), test=survey().replace("ap", "apx")))


def test_a_label_on_two_floors_leaves_the_floors_out(tmp_path: Path) -> None:
    text = "x,y,level,room,ap\n" + "".join(
        f"{n},0,{n % 2},{'stairs' if n < 8 else f'room {n % 2}'},{-50 - n}\n" for n in range(24)
    )
    columns = 'access_points = ["ap"]\nx = "x"\ny = "y"\nfloor = "level"\nlabel = "room"'
    data = own.load(describe(tmp_path, "", columns, train=text, test=text))
    assert data.class_group == () and any("stairs (F0, F1)" in note for note in data.notes)
    rooms_only = text.replace("stairs", "hall 0", 0)
    one_floor = "\n".join(line for line in rooms_only.splitlines() if "stairs" not in line)
    assert own.load(describe(tmp_path, "", columns, train=one_floor, test=one_floor)).class_group == ("F0", "F1")


def test_recordings_that_are_numbered_anew_in_each_split_stay_apart(tmp_path: Path) -> None:
    rows = "".join(
        f"{split},{session},{4 * n},{'ab'[n % 2]},{-50 - n - (20 if split == 'test' else 0)}\n"
        for split in ("train", "test")
        for session in (1, 2, 3, 4)
        for n in range(6)
    )
    columns = 'access_points = ["ap"]\nlabel = "room"\ntime = "t"\nrecording = "session"\nsplit = "split"'
    path = describe(tmp_path, "", columns, scans=f"split,session,t,room,ap\n{rows}")
    path.write_text(path.read_text().replace("sequential = false", "sequential = true"))
    data = own.load(path)
    assert [len(split) for split in data.splits.values()] == [3, 1, 4]
    assert all(len(part) == 6 and (np.diff(part.time_s) == 4).all() for split in data.splits.values() for part in split)
    assert {part.name for part in data.test} == {f"{number} (test)" for number in range(1, 5)}
    assert any("4 names of recordings in more than one split" in note for note in data.notes)


def test_a_day_that_saw_another_building_does_not_validate(tmp_path: Path) -> None:
    def scans(building: int, day: int, phone: int) -> str:
        return "".join(
            f"{2 * x + 100 * building},{2 * y},{day},p{phone},{-40 - 5 * x - phone},{-50 - 5 * y}\n"
            for x in range(5)
            for y in range(5)
        )

    text = "x,y,day,phone,ap1,ap2\n" + "".join(scans(day, day, phone) for day in range(5) for phone in range(5))
    columns = 'access_points = ["ap*"]\nx = "x"\ny = "y"\nday = "day"\ndevice = "phone"'
    data = own.load(describe(tmp_path, "", columns, train=text, test=text))
    assert any("of 5 devices 4 train, 1 validate" in note for note in data.notes)
    assert UNSEEN not in data.validation[0].label


SITE = """
[[rooms]]
name = "hall"
outline = [[0, 0], [600, 0], [600, 600], [0, 600]]
floor = "F1"
[access_point_positions]
ap2 = [100, 200]
"""


def test_rooms_and_access_points_are_drawn_in_the_unit_of_the_positions(tmp_path: Path) -> None:
    text = "\n".join(
        f"{100 * float(x)},{100 * float(y)},{rest}" if number else f"{x},{y},{rest}"
        for number, (x, y, rest) in enumerate(line.split(",", 2) for line in survey().splitlines())
    )
    path = describe(tmp_path, 'coordinates = "cm"', PLACES + SITE, train=text, test=text)
    data = own.load(path)
    (room,) = data.floor_plan
    assert (room.low_m, room.high_m) == ((0, 0), (6, 6)) and data.site().floors[room.floor].name == "F1"
    assert data.access_point_m is not None and data.access_point_m[1].tolist() == [1, 2, 0]
    assert np.isnan(data.access_point_m[[0, 2]]).all()
    wrong = SITE.replace("F1", "F7").replace("ap2 =", "apx =")
    with pytest.raises(DataError) as error:
        own.load(describe(tmp_path, "", PLACES + wrong, train=text, test=text))
    assert "room hall: no class is on floor 'F7'; there are F0, F1" in str(error.value)
    assert "access_point_positions names apx, which is no access point; there are ap1, ap2, ap3" in str(error.value)
    with pytest.raises(DataError, match=r"access_point_positions: ap2: give two or three finite numbers"):
        own.load(describe(tmp_path, "", PLACES + SITE.replace("[100, 200]", "[1]"), train=text, test=text))


def test_coordinates_and_times_beyond_all_meaning_are_named(tmp_path: Path) -> None:
    rows = survey().replace("\n0.0,0,", "\n1e300,0,", 1).replace("x,y,level", "x,y,t")
    columns = PLACES.replace('floor = "level"', 'time = "t"')
    with pytest.raises(DataError, match=r"1 cell is beyond 1e\+09: line 2 x = '1e300'; correct them"):
        own.load(describe(tmp_path, "", columns, train=rows, test=rows))
    late = survey().replace("x,y,level", "x,y,t").replace("\n0.0,0,0,", "\n0,0,1e20,", 1)
    with pytest.raises(DataError, match=r"1 cell is beyond 1e\+11: line 2 t = '1e20'; correct them"):
        own.load(describe(tmp_path, "", columns, train=late, test=late))


def test_packets_are_gathered_as_a_plain_loop_gathers_them(tmp_path: Path) -> None:
    chance = np.random.default_rng(3)
    packets = [
        (f"w{walk}", round(float(second), 2), "abc"[ap], int(dbm), "xyz"[int(second) // 8 % 3])
        for walk in range(6)
        for second, ap, dbm in zip(
            np.sort(chance.uniform(0, 60, 150)), chance.integers(0, 3, 150), chance.integers(-90, -40, 150), strict=True
        )
    ]
    chance.shuffle(packets)
    rows = "".join(f"{walk},{second},{ap},{dbm},{room}\n" for walk, second, ap, dbm, room in packets)
    path = describe(
        tmp_path, "scan_s = 2", 'access_point = "ap"\ndbm = "dbm"\nlabel = "room"\nrecording = "walk"\ntime = "t"',
        scans=f"walk,t,ap,dbm,room\n{rows}",
    )  # fmt: skip
    path.write_text(path.read_text().replace("sequential = false", "sequential = true"))
    data = own.load(path)
    for recording in (part for split in data.splits.values() for part in split):
        mine = sorted(float(second) for walk, second, *_ in packets if walk == recording.name)
        for row, began in enumerate(recording.time_s):
            assert began == mine[0] + 2 * row
            for column, name in enumerate("abc"):
                heard = [
                    int(dbm) for walk, second, ap, dbm, _ in packets
                    if walk == recording.name and ap == name and int((float(second) - mine[0]) / 2.0) == row
                ]  # fmt: skip
                read = recording.rssi_dbm[row, column]
                assert read == np.rint(sum(heard) / len(heard)) if heard else np.isnan(read)
