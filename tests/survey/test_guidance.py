"""Guidance and the data that training gets."""

import csv
import tomllib
from pathlib import Path

import numpy as np
import pytest

from tests.png_files import png
from tests.survey.homes import walked, write_recording
from tests.survey.test_recorder import replay
from tinyloc.survey.aliases import Aliases
from tinyloc.survey.data_files import BLOCKS, write_data
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.guidance import coverage_of, guide, look_alike, second_round, weak_beacons
from tinyloc.survey.plan import Beacon, Plan, PlanFloor, PlanRoom
from tinyloc.survey.project import Project
from tinyloc.survey.recorder import Recorder
from tinyloc.survey.scans import Scan, ScanBook, Whereabouts
from tinyloc.survey.session import About, set_use
from tinyloc.survey.state import Desk
from tinyloc.survey.training_job import adjust
from tinyloc.training.data import own
from tinyloc.training.suggest import suggest

ROOMS = [
    PlanRoom(name=name, outline=[(x, 0), (x + 4, 0), (x + 4, 4), (x, 4)]) for name, x in (("a", 0), ("b", 4), ("c", 8))
]


def filled(levels: dict[str, dict[str, float]], scans: int = 90, stays: int = 3) -> ScanBook:
    """A book with noisy scans about a level for each beacon in each room."""
    generator = np.random.default_rng(1)
    book = ScanBook()
    for room, heard in levels.items():
        for number in range(scans):
            stay = f"{room} {number * stays // scans}"
            scan = Scan(float(number), {name: [round(level + generator.normal(0, 2))] for name, level in heard.items()})
            book.add(scan, Whereabouts(room, None, None, 0, stay), ("Anna", f"2026-11-{10 + number * stays // scans}"))
    return book


def test_rooms_that_look_alike_are_named_and_others_are_not() -> None:
    book = filled({"a": {"x": -50, "y": -80}, "b": {"x": -50, "y": -80}, "c": {"x": -80, "y": -50}})
    alike, right = look_alike(book)
    assert {(pair.room, pair.taken_for) for pair in alike} == {("a", "b"), ("b", "a")} and 0.4 < right < 0.9
    assert look_alike(filled({"a": {"x": -50}, "c": {"x": -80}})) == ([], 1.0)
    assert look_alike(filled({"a": {"x": -50}})) == ([], None)


def test_scans_of_one_stay_do_not_vote_for_themselves() -> None:
    """Two rooms that one visit each tells apart by chance only: neighbours in time must not make them look apart."""
    generator = np.random.default_rng(2)
    book = ScanBook()
    for room in ("a", "b"):
        for stay in range(4):
            level = generator.normal(-60, 6)  # of the visit, not of the room
            for number in range(20):
                scan = Scan(float(number), {"x": [round(level + generator.normal(0, 0.5))]})
                book.add(scan, Whereabouts(room, None, None, 0, f"{room} {stay}"), ("Anna", "2026-11-30"))
    assert look_alike(book)[1] < 0.8


def test_weak_beacons_gaps_and_what_is_missing_become_advice() -> None:
    book = filled({"a": {"x": -50, "far": -95}, "b": {"x": -80, "far": -96}}, scans=30)
    assert weak_beacons(book) == ["far"]
    book.add(Scan(0.0, {"x": [-50]}), Whereabouts("a", 0.5, 0.5, 0, "a 0"), ("Anna", "2026-11-30"))
    plan = Plan(rooms=ROOMS)
    book.unplaced.clear()
    found = coverage_of(book, plan)
    assert found.covered == [(0, 0, 0, 1)] and found.near == [(0, 0, 1), (0, 1, 0), (0, 1, 1)]
    assert (0, 3, 3) in found.gaps and len(found.gaps) == 16 - 4 + 32, "each room is covered to its walls"
    found = guide(book, plan, Aliases(names={"far": "the cellar's"}), vanished=["x"])
    told = " ".join(one.text for one in found.advice)
    for part in ("x went silent", "c (0 of 60)", "the cellar's", "second round", "have no scan near"):
        assert part in told
    assert [room.scans for room in found.rooms] == [31, 30, 0]


def test_a_second_round_is_another_person_on_another_day() -> None:
    assert second_round({("Anna", "1"), ("Ben", "2")})
    assert not second_round({("Anna", "1"), ("Ben", "1")}) and not second_round({("Anna", "1"), ("Anna", "2")})


def home(tmp_path: Path, rounds: list[tuple[str, str, float]], plan: Plan | None = None) -> Project:
    """A project with a session for each (person, day, minutes)."""
    recorder = Recorder(Project(tmp_path / "home", plan=plan))
    for number, (person, day, minutes) in enumerate(rounds):
        recorder.start_session(About(person=person, device="band", day=day))
        replay(recorder, write_recording(tmp_path / f"{number}.csv", minutes, seed=number))
        recorder.end_session()
    recorder.close()
    return recorder.project


def test_a_second_round_by_another_person_becomes_the_test_set(tmp_path: Path) -> None:
    plan = Plan(
        floors=[PlanFloor(name="flat", image="floor-0.png", metres_per_pixel=0.1, width_px=40, height_px=30)],
        rooms=[PlanRoom(name="hall", outline=[(0, 0), (2, 0), (2, 2)])],
        beacons=[Beacon(id="c0:00:00:00:00:01", x=1, y=1), Beacon(id="never heard", x=0, y=0)],
    )
    project = home(tmp_path, [("Anna", "2026-11-29", 3), ("Ben", "2026-11-30", 2)], plan)
    (project.folder / "floor-0.png").write_bytes(png(40, 30))
    written = write_data(project)
    data = own.load(written.description)
    assert (data.floor_pictures[0].width_m, data.floor_pictures[0].height_m) == (4.0, 3.0)
    assert "another person on another day" in written.notes[0]
    assert {one.name for one in data.test} == {"2026-11-30-Ben-1"} and data.rate_hz == 1.0
    assert sum(map(len, data.test)) == 120 and sum(map(len, (*data.train, *data.validation))) == 180
    assert set(data.classes) == {"hall", "kitchen", "bed"} and data.floor_plan[0].name == "hall"
    assert data.access_point_m is not None and data.access_point_m[0].tolist() == [1.0, 1.0, 0.0]


def test_without_a_second_round_whole_visits_are_held_out_or_it_is_told(tmp_path: Path) -> None:
    project = home(tmp_path, [("Anna", "2026-11-29", 6)])
    written = write_data(project)
    data = own.load(written.description)
    trained, tested = ({one.name for one in part} for part in (data.train, data.test))
    assert "whole visits" in written.notes[0] and tested and not trained & tested
    short = home(tmp_path / "short", [("Anna", "2026-11-29", 2)]) if (tmp_path / "short").mkdir() is None else None
    written = write_data(short)
    assert "the figures are too good" in written.notes[0]
    assert len(own.load(written.description).test) == 6 and len(BLOCKS) == 5


def test_a_room_recorded_by_its_name_has_no_gaps_and_a_cell_that_reaches_into_a_room_is_one_of_it() -> None:
    book = filled({"a": {"x": -50}, "b": {"x": -80}})
    book.add(Scan(0.0, {"x": [-50]}), Whereabouts("c", 9.0, 1.0, 0, "c 0"), ("Anna", "2026-11-30"))
    odd = PlanRoom(name="c", outline=[(8.3, 0.3), (12.4, 0.3), (12.4, 3.6), (8.3, 3.6)])
    found = coverage_of(book, Plan(rooms=[*ROOMS[:2], odd]))
    assert found.whole == ["a", "b"]
    assert {cell[1] for cell in found.gaps} == {8, 9, 10, 11, 12} and {cell[2] for cell in found.gaps} == {0, 1, 2, 3}


@pytest.mark.parametrize("path", [False, True])
def test_taps_become_positions_that_a_model_learns(tmp_path: Path, path: bool) -> None:
    project = walked(tmp_path, [("Anna", "2026-11-29"), ("Ben", "2026-11-30")], path)
    written = write_data(project, "positions")
    with written.csv.open() as file:
        saved = list(csv.DictReader(file))
    assert all(row["x"] and row["y"] and row["room"] for row in saved)
    told = tomllib.loads(written.description.read_text())
    assert told["columns"]["x"] == "x" and "label" not in told["columns"] and told["place_m"] == 1.0
    data = own.load(written.description)
    assert {one.name for one in data.test} == {"2026-11-30-Ben-1"} and "another person" in written.notes[0]
    places = data.class_position_m
    assert places is not None and len(places) >= 12
    where = np.concatenate([one.position_m for one in data.test])[:, :2]
    assert where.min() >= 0.5 and where[:, 0].max() <= 8.6 and len(np.unique(where, axis=0)) >= (40 if path else 15)
    _, recipe = suggest(data, "home", str(written.description), 131072, 20480)
    assert recipe.output.position == "mean", "the recipe of a position model"
    rooms = own.load(write_data(project, "rooms").description)
    assert set(rooms.classes) == {"e", "w"}


def test_what_was_recorded_decides_what_is_learned(tmp_path: Path) -> None:
    project = walked(tmp_path, [("Anna", "2026-11-29")], path=False)
    book = Recorder(project).book
    assert book.suits == "positions" and book.learnable == {"rooms": True, "positions": True}
    written = write_data(project, "positions")
    assert "stretches of 12 s" in written.notes[0] and len(own.load(written.description).test) > 1
    named = (
        Recorder(home(tmp_path / "named", [("Anna", "2026-11-29", 2)])).book
        if not (tmp_path / "named").mkdir()
        else None
    )
    assert named is not None and named.suits == "rooms" and not named.learnable["positions"]
    with pytest.raises(SurveyError, match="tap the plan at 6 places"):
        write_data(Project(tmp_path / "empty"), "positions")


def test_a_floor_without_recordings_does_not_stop_training_and_rooms_keep_their_floor(tmp_path: Path) -> None:
    floors = [PlanFloor(name="cellar"), PlanFloor(name="ground floor"), PlanFloor(name="attic")]
    rooms = [
        PlanRoom(name=name, outline=[(0, 0), (2, 0), (2, 2)], floor=floor)
        for name, floor in (("hall", 1), ("kitchen", 1), ("bed", 2), ("wine", 0))
    ]
    written = write_data(home(tmp_path, [("Anna", "2026-11-29", 3)], Plan(floors=floors, rooms=rooms)))
    data = own.load(written.description)
    assert dict(zip(data.classes, data.class_group, strict=True)) == {"bed": "F2", "hall": "F1", "kitchen": "F1"}
    names = [floor.name for floor in data.site().floors]
    assert {room.name: names[room.floor] for room in data.floor_plan} == {
        "bed": "attic", "hall": "ground floor", "kitchen": "ground floor"
    }  # fmt: skip
    assert {room.name for room in data.floor_plan} == {"hall", "kitchen", "bed"} and "on 2 floors" in written.notes[-1]


def test_the_page_is_told_which_session_tests(tmp_path: Path) -> None:
    project = home(tmp_path, [("Anna", "2026-11-29", 2), ("Ben", "2026-11-30", 2)])
    recorder = Recorder(project)
    recorder.start_session(About(person="Cleo", device="band", day="2026-12-01"))
    recorder.end_session()
    desk = Desk(project, recorder, "cc2650")
    roles = {one["person"]: (one["role"], one["why"]) for one in desk.all()["sessions"]}
    assert roles["Anna"][0] == "train" and roles["Ben"][0] == "test" and "another person" in roles["Ben"][1]
    assert roles["Cleo"][0] == "", "it has nothing to learn from"
    set_use(project.sessions, "2026-11-30-Ben-1", "leave out")
    recorder.reload()
    assert {one["role"] for one in desk.all()["sessions"]} == {"held out", ""}
    desk.close()


def test_one_room_is_too_few_to_train(tmp_path: Path) -> None:
    with pytest.raises(SurveyError, match="at least two rooms"):
        write_data(home(tmp_path, []))


def test_a_recipe_is_adjusted_and_says_so(tmp_path: Path) -> None:
    recipe = tmp_path / "x.toml"
    recipe.write_text('[training]\nepochs = 60\n[export]\narithmetics = ["int8", "int16x8"]\ndefault = "int8"\n')
    assert len(adjust(recipe, epochs=4)) == 2 and adjust(recipe) == []
    stepped = tmp_path / "y.toml"
    stepped.write_text("[training]\nsteps = 1200\n")
    assert adjust(stepped, epochs=4) and "steps = 200" in stepped.read_text() and "epochs" not in stepped.read_text()
    assert 'default = "int16x8"' in recipe.read_text() and "epochs = 4" in recipe.read_text()
