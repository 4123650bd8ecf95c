"""Loaders of sphere_house, home_rooms, tut_floors and rtt_walk, each on tiny files that the test writes."""

import lzma
from pathlib import Path

import numpy as np
import pytest

from tinyloc.training.data import catalogue, home_rooms, rtt_walk, sphere_house, tut_floors
from tinyloc.training.data.dataset import UNSEEN, DataSet
from tinyloc.training.errors import DataError


def names(data: DataSet) -> list[set[str]]:
    return [{part.name for part in split} for split in data.splits.values()]


@pytest.fixture
def house(tmp_path: Path) -> Path:
    rows = [
        f"{number},{second},-60.6,,{-70 - second},{'' if number < 7 else -80},0,0,20,{room}"
        for number in range(1, 11)
        for second, room in enumerate(["", "hall", "bath", "", "study" if number > 6 else "bath"])
    ]
    head = "recording,sec,rssi_kitchen,rssi_lounge,rssi_upstairs,rssi_study,acc_mean,acc_std,n,room"
    (tmp_path / f"{sphere_house.FILE}.xz").write_bytes(lzma.compress("\n".join([head, *rows]).encode()))
    return tmp_path


def test_sphere_house_keeps_recordings_whole_and_leaves_out_what_nobody_labelled(house: Path) -> None:
    data = catalogue.load("sphere_house", {}, house)
    train, validation, test = names(data)
    assert test == {"recording 05"} and len(train) == 3 and len(validation) == 1
    assert train | validation == {f"recording {number:02d}" for number in range(1, 5)}
    (recording,) = data.test
    assert recording.time_s.tolist() == [1, 2, 4] and recording.rssi_dbm[0, 0] == -61
    assert np.isnan(recording.rssi_dbm[:, 3]).all() and data.rate_hz == 1 and data.sequential
    assert any("20 seconds without a label left out" in note for note in data.notes)


def test_sphere_house_tests_on_other_receivers_or_on_one_recording_left_out(house: Path) -> None:
    changed = sphere_house.load(house, train_last=5, test_first=7, test_last=10)
    assert names(changed)[2] == {f"recording {number:02d}" for number in range(7, 11)}
    assert [part.label[-1] for part in changed.test] == [UNSEEN] * 4
    alone = sphere_house.load(house, leave_out=9)
    assert names(alone)[2] == {"recording 09"} and sum(map(len, names(alone))) == 10
    for options in ({"train_last": 5}, {"leave_out": 11}, {"train_last": 1}):
        with pytest.raises(DataError, match="none for both"):
            sphere_house.load(house, **options)


def test_home_rooms_splits_by_the_sources_sessions_and_keeps_each_room(tmp_path: Path) -> None:
    rows = [
        f"{split},{session},{4 * n},{room},-61,-100,-140,-92,-94,-50"
        for split, sessions in (("train", range(10)), ("test", range(10, 12)))
        for session in sessions
        for n, room in enumerate(["BED5", "GARAGE" if session == 3 else "HALL"])
    ]
    head = "split,session,t,room,ap1,ap2,ap3,ap4,ap5,ap6"
    (tmp_path / home_rooms.FILE).write_text("\n".join([head, *rows]) + "\n")
    for seed in range(5):
        data = catalogue.load("home_rooms", {"split_seed": seed}, tmp_path)
        train, validation, test = names(data)
        assert test == {"session 10", "session 11"} and len(validation) == 2 and not train & validation
        assert "session 3" in train and data.classes == ("BED5", "GARAGE", "HALL")
    assert np.isnan(data.test[0].rssi_dbm[:, 1:3]).all() and data.rate_hz == 0.25


@pytest.fixture
def campus(tmp_path: Path) -> Path:
    places = [(x, y, 3.7 * floor, floor, 1) for floor in (0, 1) for x in range(0, 40, 4) for y in range(0, 20, 4)]
    label = np.array(places, np.float32)
    rssi = np.full((len(label), 3), 127, np.int8)
    rssi[:, 0], rssi[:, 1] = -40 - label[:, 0], -50 - label[:, 3]
    moved = label + np.array([1, 0, 0, 0, 0], np.float32)
    np.savez(tmp_path / "tut2.npz", train_rssi=rssi, train_label=label, test_rssi=rssi, test_label=moved)
    return tmp_path


def test_tut_floors_are_groups_and_validate_on_other_places(campus: Path) -> None:
    data = catalogue.load("tut2", {"cell_m": 8}, campus)
    assert set(data.class_group) == {"B1 F0", "B1 F1"} and not data.sequential
    trained, held = ({tuple(row) for row in part.rssi_dbm.tolist()} for part in (data.train[0], data.validation[0]))
    assert len(data.train[0]) == 80 and len(data.validation[0]) == 20 and trained and held
    places = catalogue.load("tut2", {"places": 1}, campus)
    assert len(places.classes) == 80 and places.class_position_m is not None
    away = np.linalg.norm(places.class_position_m[places.test[0].label] - places.test[0].position_m, axis=1)
    assert away.max() < 10 and (places.test[0].position_m[:, 2] == 0).all()
    assert np.isnan(places.test[0].rssi_dbm[:, 2]).all()


def test_tut_files_of_another_shape_are_named(campus: Path) -> None:
    (campus / "tut2.npz").write_bytes(b"PK nothing")
    with pytest.raises(DataError, match=r"tut2\.npz: not the arrays that tut_floors/README\.md names"):
        catalogue.load("tut2", {}, campus)
    two = np.zeros((2, 3), np.int8)
    np.savez(campus / "tut2.npz", train_rssi=two, train_label=np.zeros((2, 4)), test_rssi=two, test_label=two)
    with pytest.raises(DataError, match="train arrays have shapes"):
        catalogue.load("tut2", {}, campus)
    with pytest.raises(DataError, match="cell_m = 0 must be above 0"):
        tut_floors.load(2, campus, cell_m=0)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    head = "scene,circle,user,t,x,y," + ",".join(f"rtt_{k},rss_{k},rttstd_{k}" for k in range(1, 9))
    rows = [
        f"{scene},{lap},{user},{n / 4},{x},{user},{x},{-50 - x},0,5,{'' if n == 3 else -60},0" + ",,," * 6
        for scene in ("mall", "canteen")
        for lap in (7, 9, 10)
        for user in (1, 2)
        for n, x in enumerate([0, 2, 2, 4, 6, 8])
    ]
    (tmp_path / rtt_walk.ANCHOR_FILE).write_text("scene,ap,hardware_ap,x,y\nmall,2,2,3.5,-1\ncanteen,1,1,9,9\n")
    (tmp_path / rtt_walk.FILE).write_text("\n".join([head, *rows]) + "\n")
    return tmp_path


def test_rtt_walk_tests_on_whole_laps_or_the_other_phone_and_drops_repeated_rows(site: Path) -> None:
    data = catalogue.load("rtt-mall", {}, site)
    assert names(data)[2] == {"lap 10 user 1", "lap 10 user 2"} and data.access_points == ("anchor 1", "anchor 2")
    assert data.rate_hz == 4 and all(len(part) == 5 for part in data.test)
    assert any("6 rows that repeat the row before left out" in note for note in data.notes)
    assert data.access_point_m is not None and data.access_point_m[1].tolist() == [3.5, -1, 0]
    assert np.isnan(data.access_point_m[0]).all()
    other = rtt_walk.load("mall", site, test_user=2)
    assert names(other)[2] == {f"lap {lap:02d} user 2" for lap in (7, 9, 10)}
    clusters = rtt_walk.load("mall", site, places=3)
    assert len(clusters.classes) == 3 and clusters.test[0].label.min() >= 0
    with pytest.raises(DataError, match="mall has 3 laps; leave some to train on"):
        rtt_walk.load("mall", site, test_laps=3)
