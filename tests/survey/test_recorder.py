"""The recorder: disk first, sessions, marks, bad sources."""

import os
from pathlib import Path

import pytest

from tests.survey.fakes import Clock
from tests.survey.homes import BEACONS, write_recording
from tinyloc.survey.addresses import Life, may_be_private, passing
from tinyloc.survey.aliases import Aliases
from tinyloc.survey.append_log import AppendLog
from tinyloc.survey.commands import obey
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.plan import Plan, PlanRoom
from tinyloc.survey.project import Project
from tinyloc.survey.readings import Reading
from tinyloc.survey.recorder import EVENT_S, RESUME_GAP_S, Recorder
from tinyloc.survey.session import READINGS, About, Mark, read_session, set_use
from tinyloc.survey.sources.replay import ReplaySource
from tinyloc.survey.sources.source import Source
from tinyloc.survey.state import Desk

ANNA = About(person="Anna", device="band", day="2026-11-30")


class Silent:
    """A source in real time whose readings the test hands over."""

    real_time = True

    def __init__(self, name: str) -> None:
        self.name = name

    def run(self, sink, stop) -> None:
        sink.state(self.name, "running")
        stop.wait()


def with_source(recorder: Recorder, source: Source) -> Recorder:
    recorder.add_source(source)
    while recorder.snapshot()["sources"][-1]["state"] == "starting":
        pass
    return recorder


def replay(recorder: Recorder, path: Path) -> None:
    source = ReplaySource(path, speed=0)
    recorder.add_source(source)
    recorder._sources[source.name].thread.join()


def test_a_reading_is_on_disk_before_it_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recorder = Recorder(Project(tmp_path / "home"))
    recorder.start_session(ANNA)
    seen: list[bool] = []
    add = recorder.levels.add

    def look(at: float, name: str, *more) -> None:
        kept = (tmp_path / "home" / "sessions" / "2026-11-30-Anna-1" / READINGS).read_text()
        seen.append(f",{name},-60," in kept)
        add(at, name, *more)

    monkeypatch.setattr(recorder.levels, "add", look)
    for number in range(5):
        recorder.take(Reading(None, f"beacon {number}", -60))
    recorder.close()
    assert seen == [True] * 5


def test_without_a_session_levels_are_shown_and_nothing_is_recorded(tmp_path: Path) -> None:
    recorder = Recorder(Project(tmp_path))
    recorder.take(Reading(None, "beacon", -60))
    assert recorder.snapshot()["levels"][0]["id"] == "beacon" and recorder.snapshot()["session"] is None
    assert not list(tmp_path.glob("sessions/*"))
    recorder.close()


def test_a_full_disk_is_told_and_nothing_is_shown_that_is_not_recorded(tmp_path: Path, monkeypatch) -> None:
    recorder = Recorder(Project(tmp_path))
    recorder.start_session(ANNA)
    write = os.write

    def full(file: int, data: bytes) -> int:
        if b"lost" not in data:
            return write(file, data)
        if len(data) > 4:
            return write(file, data[:4])  # a part still fits
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    recorder.take(Reading(None, "lost", -60))
    (note,) = recorder.snapshot()["notes"]
    assert "No space left" in note["text"] and "NOT recorded" in note["text"]
    recorder.take(Reading(None, "kept", -61))
    monkeypatch.undo()
    shown = recorder.snapshot()
    assert [level["id"] for level in shown["levels"]] == ["kept"] and shown["lost"] == 1
    assert shown["notes"] == [], "the disk has space again"
    recorder.close()
    kept = read_session(tmp_path / "sessions" / "2026-11-30-Anna-1")
    assert [one.id for one in kept.readings] == ["kept"] and kept.cut_lines == 0


def test_a_session_is_resumed_after_a_pause_that_training_cuts_at(tmp_path: Path) -> None:
    clock = Clock()
    first = Recorder(Project(tmp_path), clock)
    name = first.start_session(ANNA)
    clock.now = 10.0
    first.take(Reading(None, "beacon", -60))
    first.mark(room="hall")
    first.close()
    first.project.close()
    again = Recorder(Project(tmp_path), Clock())
    again.resume(name)
    again.take(Reading(None, "beacon", -61))
    again.close()
    found = read_session(tmp_path / "sessions" / name)
    assert found.time_s == [10.0, 10.0 + RESUME_GAP_S] and [mark.room for mark in found.marks] == ["hall"]


def test_a_session_is_found_by_no_name_that_leads_out(tmp_path: Path) -> None:
    recorder = Recorder(Project(tmp_path))
    for name in ("../x", "nothing", "", "a/b"):
        with pytest.raises(SurveyError, match="no session"):
            recorder.resume(name)
        with pytest.raises(SurveyError, match="no session"):
            set_use(recorder.project.sessions, name, "test")
    recorder.close()


def test_a_folder_is_open_once(tmp_path: Path) -> None:
    project = Project(tmp_path)
    with pytest.raises(SurveyError, match="has this folder open"):
        Project(tmp_path)
    project.close()
    Project(tmp_path).close()


def test_a_clock_that_jumps_is_told_and_its_readings_keep_their_place(tmp_path: Path) -> None:
    clock = Clock()
    recorder = with_source(Recorder(Project(tmp_path), clock), Silent("port"))
    recorder.start_session(ANNA)
    for second, says in ((0, 1000.0), (1, 1001.0), (2, 5.0), (3, 6.0)):
        clock.now = float(second)
        recorder.take(Reading(says, "beacon", -60, "port"))
    assert "its clock jumped by" in recorder.snapshot()["notes"][0]["text"]
    clock.now += EVENT_S
    assert recorder.snapshot()["notes"] == [], "an event is not shown for ever"
    recorder.close()
    assert read_session(tmp_path / "sessions" / "2026-11-30-Anna-1").time_s == [0.0, 1.0, 2.0, 3.0]


def test_two_sources_that_hear_one_beacon_are_told(tmp_path: Path) -> None:
    recorder = with_source(with_source(Recorder(Project(tmp_path)), Silent("a")), Silent("b"))
    with pytest.raises(SurveyError, match="a source already"):
        recorder.add_source(Silent("a"))
    for source in "ab":
        recorder.take(Reading(None, "beacon", -60, source))
        recorder.take(Reading(None, f"only {source}", -60, source))
    assert recorder.slow_snapshot()["shared"] == ["beacon"]
    recorder.close()


def test_random_addresses_are_offered_to_ignore_from_their_first_reading_on() -> None:
    phones = {f"4{n % 10}:{n:02x}:00:00:00:0{n % 10}": Life(60.0 * n, 60.0 * n) for n in range(10)}
    beacons = {name: Life(0.0, 900.0) for name in BEACONS}
    batch = {f"54:6c:0e:00:00:0{n}": Life(0.0, 1.0) for n in range(6)}
    assert passing({**phones, **beacons, **batch}) == sorted(phones), "beacons of one maker share three bytes"
    assert not may_be_private("c0:00:00:00:00:01") and not may_be_private("anchor 1")
    assert passing({**beacons, **dict(list(phones.items())[:2])}) == [], "two may be beacons of other makers"
    steady = {name: Life(0.0, 3600.0) for name in phones}
    assert passing(steady) == [], "no phone keeps its address for an hour"


def test_static_random_addresses_are_beacons_and_private_ones_are_phones(tmp_path: Path) -> None:
    recorder = Recorder(Project(tmp_path))
    desk = Desk(recorder.project, recorder, "cc2650")
    static = [f"{top:02x}:11:22:33:44:55" for top in range(0b11_000000, 0b11_000100)]
    resolvable = [f"{top:02x}:11:22:33:44:55" for top in range(0b01_000000, 0b01_000010)]
    unresolvable = [f"{top:02x}:11:22:33:44:55" for top in range(0b00_000001, 0b00_000011)]
    for name in (*static, *resolvable, *unresolvable):
        recorder.take(Reading(None, name, -60))
    assert recorder.snapshot()["passing"] == [*unresolvable, *resolvable]
    obey(desk, "ignore random", b'{"ignore": true}')
    recorder.take(Reading(None, "f0:aa:bb:cc:dd:ee", -60))
    assert [one["id"] for one in recorder.snapshot()["levels"]] == [*static, "f0:aa:bb:cc:dd:ee"]
    desk.close()


def test_ids_of_phones_that_will_come_are_ignored_as_well_and_beacons_are_kept(tmp_path: Path) -> None:
    recorder = Recorder(Project(tmp_path))
    desk = Desk(recorder.project, recorder, "cc2650")
    beacons = ["54:6c:0e:00:00:01", "54:6c:0e:00:00:02", "c0:00:00:00:00:01"]
    phones = [f"4{n}:0{n}:00:00:00:00" for n in range(4)]
    for name in (*beacons, *phones):
        recorder.take(Reading(None, name, -60))
    assert recorder.snapshot()["passing"] == phones
    obey(desk, "ignore random", b'{"ignore": true}')
    recorder.take(Reading(None, "6f:11:22:33:44:55", -60))
    assert [one["id"] for one in recorder.snapshot()["levels"]] == beacons
    obey(desk, "ignore random", b'{"ignore": false}')
    assert len(recorder.snapshot()["levels"]) == 8
    desk.close()


def test_a_note_ends_with_its_cause_and_an_ended_replay_says_so_and_can_be_played_again(tmp_path: Path) -> None:
    recorder = with_source(Recorder(Project(tmp_path / "home")), Silent("port"))
    recorder.state("port", "waiting", "port is gone; connect it again, the session goes on")
    assert [one["text"] for one in recorder.snapshot()["notes"]] == [
        "port is gone; connect it again, the session goes on"
    ]
    recorder.state("port", "running")
    assert recorder.snapshot()["notes"] == []
    recorder.state("port", "waiting", "port is gone")
    recorder.remove_source("port")
    assert recorder.snapshot()["notes"] == []
    replay(recorder, write_recording(tmp_path / "a.csv", minutes=0.2))
    (note,) = recorder.snapshot()["notes"]
    assert note["kind"] == "info" and note["text"].startswith("a.csv is replayed to its end: ")
    heard = recorder.counts.taken
    recorder.replay_again("a.csv")
    recorder._sources["a.csv"].thread.join()
    assert recorder.counts.taken == 2 * heard > 0
    with pytest.raises(SurveyError, match="no source that ended"):
        recorder.replay_again("port")
    recorder.close()


def test_after_a_replay_nothing_is_heard_and_what_was_heard_last_can_still_be_named(tmp_path: Path) -> None:
    clock = Clock()
    recorder = Recorder(Project(tmp_path / "home"), clock)
    replay(recorder, write_recording(tmp_path / "a.csv", minutes=0.2))
    heard = [one["id"] for one in recorder.snapshot()["levels"]]
    clock.now += 3600.0
    shown = recorder.snapshot()
    assert not shown["hearing"] and heard and [one["id"] for one in shown["levels"]] == heard
    assert min(one["ago_s"] for one in shown["levels"]) >= 3600.0
    with_source(recorder, Silent("port"))
    assert recorder.snapshot()["hearing"] and recorder.snapshot()["levels"] == []
    recorder.close()


def test_a_flood_of_ids_is_recorded_and_takes_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyloc.survey.levels.MOST_IDS", 20)
    recorder = Recorder(Project(tmp_path))
    recorder.start_session(ANNA)
    for number in range(100):
        recorder.take(Reading(None, f"id {number}", -60))
    assert recorder.snapshot()["heard_ids"] == 20 and recorder.snapshot()["beyond"] == 80
    recorder.close()
    assert len(read_session(tmp_path / "sessions" / "2026-11-30-Anna-1").readings) == 100


def test_ids_are_merged_ignored_and_named_but_kept_as_heard(tmp_path: Path) -> None:
    recorder = Recorder(Project(tmp_path))
    recorder.project.set_ids(Aliases().with_merged("old", "new").with_ignored(["phone"], True).with_name("new", "door"))
    recorder.start_session(ANNA)
    recorder.mark(room="hall")
    for name in ("old", "new", "phone"):
        recorder.take(Reading(None, name, -60))
    recorder.close()
    recorder.project.close()
    assert [one.id for one in read_session(tmp_path / "sessions" / "2026-11-30-Anna-1").readings] == [
        "old",
        "new",
        "phone",
    ]
    again = Project(tmp_path)
    assert again.ids.resolve("old") == "new" and again.ids.resolve("phone") is None and again.ids.shown("new") == "door"
    with pytest.raises(ValueError, match=r"not merged itself|already counted"):
        again.ids.with_merged("new", "old")


def test_a_replay_with_rooms_is_labelled_by_itself(tmp_path: Path) -> None:
    recorder = Recorder(Project(tmp_path / "home"))
    recorder.start_session(ANNA)
    replay(recorder, write_recording(tmp_path / "a.csv", minutes=2, stay_s=20))
    assert recorder.snapshot()["scans"] == {"hall": 40, "kitchen": 40, "bed": 40}, "the replay's end ends its last scan"
    recorder.close()
    before = {name: (room.count, room.stays) for name, room in recorder.book.rooms.items()}
    recorder.reload()
    after = {name: (room.count, room.stays) for name, room in recorder.book.rooms.items()}
    assert {name: count for name, (count, _) in after.items()} == {"hall": 40, "kitchen": 40, "bed": 40}
    assert before.keys() == after.keys()


def test_a_replay_that_is_added_to_a_running_session_begins_now_and_no_time_runs_back(
    tmp_path: Path, monkeypatch
) -> None:
    clock = Clock()
    recorder = Recorder(Project(tmp_path / "home"), clock)
    clock.now = 90.0
    recorder.start_session(ANNA)
    clock.now = 93.0
    recorder.mark(room="hall")
    clock.now = 95.0
    (tmp_path / "walk.csv").write_text("time,id,dBm\n" + "".join(f"{1000 + n},a,-60\n" for n in range(41)))
    take = recorder.take

    def faster(reading: Reading) -> None:
        clock.now += 0.05  # 20 times as fast as it was recorded
        take(reading)
        if reading.time_s == 1020.0:
            recorder.mark(room="kitchen")

    monkeypatch.setattr(recorder, "take", faster)
    replay(recorder, tmp_path / "walk.csv")
    clock.now += 3.0
    assert recorder.mark(room="bed").time_s == pytest.approx(95.0 + 40.0 + 3.0), "after the replay the clock is real"
    recorder.close()
    found = read_session(tmp_path / "home" / "sessions" / "2026-11-30-Anna-1")
    assert found.cut_lines == 0 and found.time_s == [5.0 + number for number in range(41)]
    marks = [(mark.room, mark.time_s) for mark in found.marks]
    assert marks == [("hall", 3.0), ("kitchen", pytest.approx(25.0)), ("bed", pytest.approx(48.0))]


def test_what_is_replayed_beside_a_scanner_gets_its_arrival(tmp_path: Path) -> None:
    clock = Clock()
    recorder = with_source(Recorder(Project(tmp_path / "home"), clock), Silent("port"))
    recorder.start_session(ANNA)
    clock.now = 5.0
    replay(recorder, write_recording(tmp_path / "a.csv", minutes=0.2))
    recorder.take(Reading(1.0, "beacon", -60, "port"))
    recorder.close()
    assert {*read_session(tmp_path / "home" / "sessions" / "2026-11-30-Anna-1").time_s} == {5.0}


def test_taps_name_the_room_and_steps_are_joined(tmp_path: Path) -> None:
    clock = Clock()
    recorder = with_source(Recorder(Project(tmp_path), clock), Silent("port"))
    rooms = [PlanRoom(name="a", outline=[(0, 0), (4, 0), (4, 4), (0, 4)]),
             PlanRoom(name="b", outline=[(4, 0), (8, 0), (8, 4), (4, 4)])]  # fmt: skip
    recorder.project.set_plan(Plan(rooms=rooms))
    recorder.start_session(ANNA)
    assert recorder.mark(x=1.0, y=1.0, step=True).room == "a"
    for second in range(9):
        clock.now = float(second)
        recorder.take(Reading(None, "beacon", -60, "port"))
    assert recorder.mark(x=7.0, y=1.0, step=True).room == "b"
    assert recorder.mark(x=9.0, y=9.0).room is None
    recorder.close()
    recorder.reload()
    assert recorder.book.rooms["a"].count == 4 and recorder.book.rooms["b"].count == 4
    assert {*recorder.book.cells} >= {(0, column, 1) for column in range(1, 7)}


def test_a_plan_from_an_older_page_is_refused(tmp_path: Path) -> None:
    project = Project(tmp_path)
    project.set_plan(Plan(), revision=0)
    with pytest.raises(SurveyError, match="changed in another window"):
        project.set_plan(Plan(), revision=0)
    project.close()


@pytest.mark.parametrize(
    "rooms",
    [
        [PlanRoom(name="a", outline=[(0, 0), (1, 0), (1, 1)])] * 2,
        [PlanRoom(name="a", outline=[(0, 0), (1, 0), (1, 1)], floor=3)],
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(rooms: list[PlanRoom]) -> None:
    with pytest.raises(ValueError, match=r"two rooms are called|lies on floor"):
        Plan(rooms=rooms)


def test_a_survey_file_of_somebody_elses_hand_is_checked(tmp_path: Path) -> None:
    (tmp_path / "survey.toml").write_text('name = "../x"\nnonsense = 1\n')
    with pytest.raises(SurveyError, match="nonsense"):
        Project(tmp_path)


def test_a_log_drops_a_cut_line_only(tmp_path: Path) -> None:
    with AppendLog(tmp_path / "x", "head") as log:
        log.append("one\n")
    with (tmp_path / "x").open("a") as file:
        file.write("cu")
    with AppendLog(tmp_path / "x", "head") as log:
        assert log.mended_bytes == 2
        log.append("two\n")
    assert (tmp_path / "x").read_text() == "head\none\ntwo\n"


def test_marks_that_are_none_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "session.json").write_text(ANNA.model_dump_json())
    (tmp_path / "marks.jsonl").write_text(Mark(time_s=1.0, room="a").model_dump_json() + '\n{"time_s": "x"}\nnot\n')
    assert [mark.room for mark in read_session(tmp_path).marks] == ["a"]
