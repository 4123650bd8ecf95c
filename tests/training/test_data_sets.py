"""Loaders of the other data sets, each on tiny files of its format that the test writes."""

import hashlib
import io
import lzma
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.data import ble_flat, ble_tracks, catalogue, files, in_home, movement_aal, uji, uji_blocks, uts
from tinyloc.training.data.dataset import UNSEEN, Recording, alternating
from tinyloc.training.data.table import Dialect, read_table
from tinyloc.training.errors import DataError


def csv_text(header: list[str], rows: list[list[object]]) -> str:
    return "\n".join(",".join(map(str, row)) for row in [header, *rows]) + "\n"


# --- files ---


def test_a_plain_file_an_xz_file_and_a_zip_give_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "plain" / "below").mkdir(parents=True)
    (tmp_path / "plain" / "below" / "a.csv").write_bytes(b"text")
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "a.csv.xz").write_bytes(lzma.compress(b"text"))
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("top/a.csv", b"text")
    for place in ("plain", "packed", "all.zip"):
        assert files.read_members(tmp_path / place, ["a.csv"], "it") == {"a.csv": b"text"}


def test_all_missing_members_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a\.csv and b_\*\.csv missing here"):
        files.read_members(tmp_path, ["a.csv", "b_*.csv"], "it")
    (tmp_path / "a.csv.xz").write_bytes(b"not xz")
    with pytest.raises(DataError, match="not a complete xz file"):
        files.read_members(tmp_path, ["a.csv"], "it")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        ("x,y\n1,2\n", "2 columns are missing: a, b; it has x, y"),
        ("a,b\n", "no data rows"),
        ("a,b\n1\n1,2\n3,4,5\n", "2 rows are not of 2 cells as the header: line 2 has 1, line 4 has 3"),
        ("a,a,b\n1,2,3\n", "more than one column is called a"),
        ("a,a,c\n1,2\n", r"1 column is missing: b; .*; more than one column is called a; .*; 1 row is not of 3 cells"),
        ("a;b\n1;2\n", r'it has a;b; semicolons seem to separate its cells: declare delimiter = ";"'),
        (f"a,b\n\n1,{'2' * 130_000}\n", "line 3, cell 2 has 130,000 characters"),
        (f"a,b\n1,{'2' * 140_000}\n", "t.csv, line 2: field larger than field limit"),
        ("a\0,b\n1,2\n", "holds NUL characters"),
    ],
)
def test_tables_say_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_table(text, "t.csv", ["a", "b"])


def test_cells_that_are_no_numbers_are_named_and_missing_ones_are_nan() -> None:
    table = read_table("\ufeff #a , b\n1,100\n,x\n".encode(), "t.csv", ["a", "b"])
    assert np.isnan(table.numbers(["a"], missing=[""])).tolist() == [[False], [True]]
    with pytest.raises(DataError, match=r"2 cells are not numbers: line 3 a = '', line 3 b = 'x'"):
        table.numbers(["a", "b"])


def test_lines_are_named_as_an_editor_counts_them_whatever_ends_them() -> None:
    for end in ("\n", "\r\n", "\r"):
        table = read_table(end.join(["a,b", "1,2", "", '"3",x', ""]), "t.csv", ["a", "b"])
        assert table.texts("a") == ["1", "3"] and table.blank_lines == 1
        with pytest.raises(DataError, match="line 4 b = 'x'"):
            table.numbers(["b"])


def test_decimal_commas_are_read_when_declared_and_hinted_at_otherwise() -> None:
    text = "a;b\n-51,5;1\n"
    with pytest.raises(DataError, match=r"line 2 a = '-51,5'.*decimal = \",\""):
        read_table(text, "t.csv", ["a"], Dialect(";")).numbers(["a"])
    assert read_table(text, "t.csv", ["a"], Dialect(";", ",")).numbers(["a", "b"]).tolist() == [[-51.5, 1]]
    with pytest.raises(DataError, match=r"2 cells are not numbers: line 2 a = '1\.5', line 2 b = '1_0'"):
        read_table("a;b\n1.5;1_0\n", "t.csv", ["a"], Dialect(";", ",")).numbers(["a", "b"])


def test_stretches_alternate_and_lose_no_sample() -> None:
    samples = 25
    track = Recording(
        "t", np.zeros((samples, 1), np.float32), np.zeros((samples, 3), np.float32), np.arange(samples, dtype=np.int32),
        np.arange(samples, dtype=float),
    )  # fmt: skip
    train, held = alternating(track, 8, 4)
    assert [part.label.tolist() for part in train] == [list(range(8)), list(range(12, 20)), [24]]
    assert [part.label.tolist() for part in held] == [[8, 9, 10, 11], [20, 21, 22, 23]]


# --- ble_flat_kolakowski ---

FLAT = ["", "ts", "x", "heading", "y", *ble_flat.ANCHORS]


def flat_rows(count: int, start_s: float, x: float, y: float) -> list[list[object]]:
    return [[n, (start_s + n / 3) * 1e9, x, 0.0, y, -50.4, -60.6, "", -70, -80, -90] for n in range(count)]


def test_the_flat_has_rooms_positions_and_drives(tmp_path: Path) -> None:
    first, second = flat_rows(200, 1e9, 1.0, 5.0), flat_rows(170, 1e9 + 1000, 7.5, 5.0)
    (tmp_path / ble_flat.TRAINING_FILE).write_text(csv_text(FLAT, first + second))
    (tmp_path / ble_flat.TEST_FILE).write_text(csv_text(FLAT, flat_rows(30, 2e9, 3.0, 1.0)))
    data = ble_flat.load(tmp_path)
    assert [len(part) for part in data.train] == [120, 40, 120, 10]
    assert [len(part) for part in data.validation] == [40, 40]
    assert [data.classes[part.label[0]] for part in (data.train[0], data.train[2], data.test[0])] == [
        "bedroom", "study", "hall"
    ]  # fmt: skip
    assert data.train[0].rssi_dbm[0].tolist()[:2] == [-50, -61]
    assert np.isnan(data.train[0].rssi_dbm[0, 2])
    assert data.test[0].position_m[0].tolist() == [3.0, 1.0, 0.0]


def test_a_point_in_a_wall_belongs_to_the_nearest_room() -> None:
    assert ble_flat.ROOMS[ble_flat.rooms_of(np.array([9.5]), np.array([5.0]))[0]].name == "study"


# --- ble_position_annotated_danis ---

ORIENTATION = [0.0] * 9


def track_rows(seconds: float, x0: float, y: float) -> list[list[object]]:
    """Two sensors, 10 packets a second each, walking in x at 0.5 m/s."""
    times = np.arange(0, seconds, 0.1)
    heard = (("sensor10", -60), ("sensor42", -80))
    return [[1000 + t, s, "e78f", r, x0 + 0.5 * t, y, 1.8, *ORIENTATION] for t in times for s, r in heard]


@pytest.fixture
def tracks(tmp_path: Path) -> Path:
    """The same tracks joined, and as the publisher has them."""
    columns = ["ts", "sensor", "beacon", "rssi", "x", "y", "z", *(f"r{i}{j}" for i in range(3) for j in range(3))]
    parts = {"straight_01": track_rows(40, 0, 1), "straight_02": track_rows(20, 2, 1)}
    parts |= {name: track_rows(10, 1, 1) for name in ble_tracks.TEST_TRACKS}
    parts["straight_01"][0][3] = 60  # a receiver's fault
    joined = [[name, *row] for name, rows in parts.items() for row in rows]
    (tmp_path / "joined").mkdir()
    (tmp_path / "joined" / "tracks.csv").write_text(csv_text(["track", *columns], joined))
    place = tmp_path / "published"
    place.mkdir()
    macs = {"sensor10": "aaaaaaaaaa10", "sensor42": "aaaaaaaaaa42"}
    entries = ", ".join(f'"{mac}": [[7.00, 7.09, 1.22], 16711680, "{alias}"]' for alias, mac in macs.items())
    (place / "tetam.dev").write_text(f"Dongles:{{{entries}}}\n")
    for name, rows in parts.items():
        lines = [",".join(map(str, [row[0], macs[str(row[1])], *row[2:]])) for row in rows]
        (place / f"{name}_all_sensors.mbd").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_tracks_are_bins_of_half_a_second(tracks: Path) -> None:
    data = ble_tracks.load(tracks / "joined", cell_m=3.0, held_out=2)
    names = {split: [recording.name for recording in recordings] for split, recordings in data.splits.items()}
    assert names == {"train": ["straight_01"], "validation": ["straight_02"], "test": list(ble_tracks.TEST_TRACKS)}
    (first,) = data.train
    assert len(first) == 80 and data.rate_hz == 2.0
    assert first.rssi_dbm[0, [0, 11]].tolist() == [-60, -80] and np.isnan(first.rssi_dbm[0, 1:11]).all()
    assert first.position_m[10, 0] == pytest.approx(0.5 * (5 + 0.2), abs=0.03)  # the mean of the bin
    assert data.classes[first.label[0]] == "0/0" and data.classes[first.label[30]] == "2/0"


def test_published_and_joined_tracks_are_the_same(tracks: Path) -> None:
    one, other = (ble_tracks.load(tracks / form, held_out=1) for form in ("joined", "published"))
    for mine, theirs in zip((*one.train, *one.test), (*other.train, *other.test), strict=True):
        assert np.array_equal(mine.rssi_dbm, theirs.rssi_dbm, equal_nan=True)
        assert np.array_equal(mine.label, theirs.label)


def test_unknown_sensors_and_missing_tracks_are_told(tracks: Path) -> None:
    with pytest.raises(DataError, match="held_out = 3; choose one of 1 straight_01, 2 straight_02"):
        ble_tracks.load(tracks / "joined", held_out=3)
    path = tracks / "joined" / "tracks.csv"
    path.write_text(path.read_text().replace("sensor42", "sensor99"))
    with pytest.raises(DataError, match="unknown sensors sensor99"):
        ble_tracks.load(tracks / "joined")
    (tracks / "published" / "straight_01_all_sensors.mbd").unlink()
    with pytest.raises(DataError, match="at least two others"):
        ble_tracks.load(tracks / "published")


# --- movementaal ---


@pytest.fixture
def sequences(tmp_path: Path) -> Path:
    anchors = [f"rss_anchor{n}" for n in range(1, 5)]
    facts = [(number, 20 + number, 1 if number % 2 else -1, 1 + number % 3) for number in range(1, 37)]
    steps = [[n, step, -1, 0.5, 0.02, 1] for n, length, _, _ in facts for step in range(length)]
    joined = tmp_path / "joined"
    joined.mkdir()
    (joined / "rss_sequences.csv").write_text(csv_text(["sequence_id", "step", *anchors], steps))
    header = ["sequence_id", "length", "class_label", "dataset_id", "path_id"]
    (joined / "sequences.csv").write_text(csv_text(header, [[*fact, 1] for fact in facts]))
    published = tmp_path / "published" / "dataset"
    published.mkdir(parents=True)
    head = [f"RSS_anchor{n}" for n in range(1, 5)]
    for n, length, _, _ in facts:
        (published / f"MovementAAL_RSS_{n}.csv").write_text(csv_text(head, [[-1, 0.5, 0.02, 1]] * length))
    target, group = ([[fact[0], fact[place]] for fact in facts] for place in (2, 3))
    (published / "MovementAAL_target.csv").write_text(csv_text(["#sequence_ID", " class_label"], target))
    (published / "MovementAAL_DatasetGroup.csv").write_text(csv_text(["#sequence_ID", " dataset_ID"], group))
    return tmp_path


def test_sequences_keep_their_class_and_share_no_split(sequences: Path) -> None:
    data = movement_aal.load(sequences / "joined")
    names = [{recording.name for recording in split} for split in data.splits.values()]
    assert [len(split) for split in names] == [24, 6, 6]  # six of each class and setting: 4, 1 and 1
    assert not names[0] & names[1] and not names[0] & names[2] and not names[1] & names[2]
    for recording in data.test:
        number = files.natural(recording.name)[0]
        assert set(recording.label.tolist()) == {number % 2} and len(recording) == 20 + number
        assert recording.rssi_dbm[0].tolist() == [-100, -25, -49, 0]
    assert data.class_positions() is None


def test_a_walk_is_as_long_as_is_asked_and_ends_at_the_marker(sequences: Path) -> None:
    data, whole = movement_aal.load(sequences / "joined", last_s=4.0), movement_aal.load(sequences / "joined")
    assert {len(recording) for split in data.splits.values() for recording in split} == {32}
    for cut, all_of_it in zip(data.train, whole.train, strict=True):
        assert cut.name == all_of_it.name and set(cut.label.tolist()) == set(all_of_it.label.tolist())
        silent = max(0, 32 - len(all_of_it))
        assert np.isnan(cut.rssi_dbm[:silent]).all()
        assert np.array_equal(cut.rssi_dbm[silent:], all_of_it.rssi_dbm[-32:])
    with pytest.raises(DataError, match=r"last_s = 0.01 is shorter than a sample; use at least 0.125 s"):
        movement_aal.load(sequences / "joined", last_s=0.01)


def test_rooms_can_be_new_to_the_test(sequences: Path) -> None:
    data = movement_aal.load(sequences / "joined", new_rooms=2)
    setting = [{1 + files.natural(recording.name)[0] % 3 for recording in split} for split in data.splits.values()]
    assert setting == [{1, 3}, {1, 3}, {2}] and list(map(len, data.splits.values())) == [16, 8, 12]
    with pytest.raises(DataError, match="new_rooms = 4; choose a setting of 1, 2, 3, or 0"):
        movement_aal.load(sequences / "joined", new_rooms=4)


def test_published_and_joined_sequences_are_the_same(sequences: Path) -> None:
    one, other = movement_aal.load(sequences / "joined"), movement_aal.load(sequences / "published")
    assert [recording.name for recording in one.train] == [recording.name for recording in other.train]
    assert np.array_equal(one.train[0].rssi_dbm, other.train[0].rssi_dbm)


def test_a_sequence_without_a_class_is_told(sequences: Path) -> None:
    path = sequences / "published" / "dataset" / "MovementAAL_target.csv"
    path.write_text("#sequence_ID, class_label\n1,1\n2,3\n")
    with pytest.raises(DataError, match=r"sequence 10 has 30 samples, class 0, setting 2"):
        movement_aal.load(sequences / "published")


# --- UJIIndoorLoc as sequences ---


def scans(east_m: list[float], time_s: list[float], recorder: list[int]) -> uji.Scans:
    count = len(east_m)
    rssi = np.full((count, 520), np.nan, np.float32)
    rssi[:, 0] = -40 - np.arange(count)
    zeros = np.zeros(count)
    return uji.Scans(
        rssi, np.array(east_m), zeros, zeros.astype(int), zeros.astype(int), np.array(time_s, float), np.array(recorder)
    )


def test_recordings_end_at_blocks_pauses_and_recorders() -> None:
    training = scans([0, 1, 25, 26, 27, 1, 2, 3], [0, 10, 20, 30, 1000, 5, 15, 25], [1, 1, 1, 1, 1, 2, 2, 2])
    data = uji_blocks.build(training, scans([2, 90], [0, 10], [3, 3]), 0, 20.0, 300.0)
    whole = sorted((*data.train, *data.validation), key=lambda recording: int(recording.name.split()[1]))
    heard = [recording.rssi_dbm[:, 0].tolist() for recording in whole]
    assert heard == [[-40, -41], [-42, -43], [-44], [-45, -46, -47]]
    assert [recording.label.tolist() for recording in data.test] == [[0], [UNSEEN]]
    assert data.sequential and data.classes == ("B0 F0 0/0", "B0 F0 1/0")


def test_the_size_of_a_block_is_a_setting() -> None:
    training = scans([0, 25, 45, 65], [0, 1, 2, 3], [1, 1, 1, 1])
    assert len(uji_blocks.build(training, training, 0, 20.0, 300.0).classes) == 4
    assert len(uji_blocks.build(training, training, 0, 40.0, 300.0).classes) == 2
    cut = uji_blocks.build(training, scans([2, 90], [0, 10], [3, 3]), 0, 20.0, 300.0, longest=1)
    assert {len(one) for one in (*cut.train, *cut.validation, *cut.test)} == {1}
    tilted = uji_blocks.turned(training, -30.0)
    assert uji_blocks.axes_deg(tilted) == 30.0
    assert np.allclose(uji_blocks.turned(tilted, 30.0).longitude_m, training.longitude_m)
    with pytest.raises(DataError, match="block_m = 0 must be above 0"):
        uji_blocks.load(Path("nowhere"), block_m=0.0)


# --- UTSIndoorLoc ---


def uts_row(x: float, floor: int, **heard: int) -> list[object]:
    readings = [heard.get(name, 100) for name in uts.ACCESS_POINTS]
    return [*readings, x, 2.5, floor, "New IT", "root", "unknow", "8/03/2019 6:47"]


def test_uts_has_floors_below_ground(tmp_path: Path) -> None:
    header = [*uts.ACCESS_POINTS, "Pos_x", "Pos_y", "Floor_ID", "Building_ID", "User_ID", "Phone_type", "Time"]
    rows = [uts_row(float(n), floor, WAP001=-50 - n, WAP589=-90) for n in range(8) for floor in (-3, 0)]
    (tmp_path / uts.TRAINING_FILE).write_text(csv_text(header, rows))
    (tmp_path / uts.TEST_FILE).write_text(csv_text(header, [uts_row(1.0, -3, WAP001=-51)]))
    data = uts.load(tmp_path)
    assert data.classes == ("B0 F-3 0/0", "B0 F0 0/0") and len(data.access_points) == 589
    assert data.test[0].label.tolist() == [0]
    assert data.test[0].rssi_dbm[0, 0] == -51 and np.isnan(data.test[0].rssi_dbm[0, 1:]).all()
    assert data.train[0].time_s[0] > 1.5e9


# --- the real houses ---

HOUSE_ROOMS = "room, tags\n1,0,1\n2,2,3\n"


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """Byrne et al.'s layout: two rooms, two access points, three fingerprints and a living experiment of 8 s each."""
    place = tmp_path / in_home.FOLDER / "house_A"
    meta = place / "metadata"
    meta.mkdir(parents=True)
    (meta / "room_tags.dat").write_text(HOUSE_ROOMS)
    (meta / "room_names.dat").write_text("room, name\n1,foyer\n2,living room\n")
    (meta / "tag_coordinates.dat").write_text("\ufefftag, x, y, z\n0,0,0,0\n1,100,0,0\n2,300,200,0\n3,500,200,0\n")
    for name in ("fingerprint_1", "fingerprint_2", "fingerprint_10", "living_1"):
        folder = place / "experiments" / name
        folder.mkdir(parents=True)
        packets = [[f"2017-03-01 10:00:{n / 5:06.3f}", ap, 0, -60 - n % 3, 1] for n in range(40) for ap in (1, 2)]
        header = ["timestamp", " ap_id", " mac", " rssi", " wearable_id"]
        (folder / in_home.RSSI_FILE).write_text(csv_text(header, packets))
        tags = [[f"2017-03-01 10:00:{t:06.3f}", 0, 0 if t < 4 else 3] for t in np.arange(0.1, 8, 0.4)]
        (folder / in_home.TAG_FILE).write_text(csv_text(["timestamp", " camera", " tag"], tags))
    return tmp_path / in_home.FOLDER


def test_a_real_house_is_scripted_to_train_and_living_to_test(house: Path) -> None:
    data = in_home.load("A", house)
    assert data.classes == ("foyer", "living room") and data.access_points == ("1", "2")
    assert [recording.name for recording in data.train] == ["fingerprint_1 1", "fingerprint_2 1"]
    assert [recording.name for recording in data.validation] == ["fingerprint_10 1"]
    living = data.test[0]
    assert len(living) == 40 and data.rate_hz == 5.0
    assert living.rssi_dbm[:3, 0].tolist() == [-60, -61, -62]
    assert living.label[[0, 39]].tolist() == [0, 1] and 18 <= int((living.label == 0).sum()) <= 22
    assert living.position_m[39].tolist() == [5.0, 2.0, 0.0]
    assert data.class_position_m is not None and data.class_position_m[1].tolist() == [4.0, 2.0, 0.0]


def test_samples_far_from_an_annotation_are_left_out(house: Path) -> None:
    path = house / "house_A" / "experiments" / "living_1" / in_home.TAG_FILE
    seconds = [0.1, 0.5, *np.arange(3.0, 8.0, 0.4)]
    path.write_text("timestamp, camera, tag\n" + "".join(f"2017-03-01 10:00:{t:06.3f},0,2\n" for t in seconds))
    (living,) = in_home.load("A", house).test
    assert len(living) == 27  # from 2.6 s on; the first second is too short to be a recording
    assert set(living.label.tolist()) == {1}


def test_wearables_of_one_experiment_are_recordings_of_their_own(house: Path) -> None:
    path = house / "house_A" / "experiments" / "living_1" / in_home.RSSI_FILE
    lines = path.read_text().splitlines()
    second = [re.sub(r",-6\d,1$", ",-90,2", line) for line in lines]
    path.write_text("\n".join([*lines, *second[1:]]) + "\n")
    first, other = in_home.load("A", house).test
    assert (first.name, other.name) == ("living_1 1", "living_1 2") and len(first) == len(other) == 40
    assert first.rssi_dbm[:3, 0].tolist() == [-60, -61, -62] and set(other.rssi_dbm[:, 0].tolist()) == {-90}


def test_tags_of_activities_say_nothing_of_the_place(house: Path) -> None:
    (before,) = in_home.load("A", house).test
    path = house / "house_A" / "experiments" / "living_1" / in_home.TAG_FILE
    path.write_text(path.read_text() + "2017-03-01 10:00:02.000,0,90\n")
    with pytest.raises(DataError, match="tags 90 belong to no room"):
        in_home.load("A", house)
    (house / "house_A" / "metadata" / "act_desc.dat").write_text("90,sitting\n")
    (after,) = in_home.load("A", house).test
    assert after.label.tolist() == before.label.tolist()


def test_what_a_house_lacks_is_named(house: Path) -> None:
    with pytest.raises(DataError, match="no house_B with experiments/ and metadata/"):
        in_home.load("B", house)
    tags = house / "house_A" / "metadata" / "room_tags.dat"
    tags.write_text("room, tags\n1,0,1\n")
    with pytest.raises(DataError, match=r"tags 3 belong to no room"):
        in_home.load("A", house)
    tags.unlink()
    with pytest.raises(DataError, match=r"room_tags\.dat: missing"):
        in_home.load("A", house)


# --- the catalogue ---


def test_a_set_is_found_by_any_of_its_layouts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "search_places", lambda: [tmp_path])
    assert catalogue.find("movementaal") is None
    folder = tmp_path / "movementaal"
    folder.mkdir()
    (folder / "sequences.csv").write_text("")
    assert catalogue.find("movementaal") is None
    (folder / "rss_sequences.csv.xz").write_bytes(b"")
    assert catalogue.find("movementaal") == folder
    (tmp_path / in_home.FOLDER / "house_A").mkdir(parents=True)
    assert catalogue.find("in-home-a") == tmp_path / in_home.FOLDER
    assert catalogue.find("in-home-b") is None


def test_a_set_whose_bytes_are_not_known_is_not_downloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "search_places", list)
    with pytest.raises(DataError, match=r"no checksum of these files.*UTSIndoorLoc-dataset.*utsindoorloc/"):
        catalogue.get("utsindoorloc")
    with pytest.raises(DataError, match=r"not on this machine.*download https://github"):
        catalogue.load("utsindoorloc")


def test_sums_of_many_members_are_of_all_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    item = catalogue.DATA_SETS["movementaal"]
    assert item.source is not None
    sums = {"b_*.csv": hashlib.sha256(b"onetwo").hexdigest()}
    monkeypatch.setitem(catalogue.DATA_SETS, "movementaal", replace(item, source=replace(item.source, sha256=sums)))

    def send(*contents: bytes) -> None:
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for number, content in enumerate(contents):
                archive.writestr(f"x/b_{number}.csv", content)
        monkeypatch.setattr("urllib.request.urlopen", lambda url, timeout: io.BytesIO(buffer.getvalue()))

    send(b"one", b"tow")
    with pytest.raises(DataError, match=r"b_\*\.csv has another sha256"):
        catalogue.get("movementaal", tmp_path)
    send(b"one", b"two")
    assert catalogue.get("movementaal", tmp_path) == tmp_path / "movementaal.zip"


def test_every_set_names_its_licence_and_citation() -> None:
    for item in catalogue.DATA_SETS.values():
        assert item.licence, item.name
        assert item.citation or item.described, item.name
