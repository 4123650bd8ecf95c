"""Sources: lines, frames, files, a radio; and everything bad that they can send."""

import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.survey.fakes import Collected, Ports
from tests.survey.homes import write_recording
from tinyloc.device.link.frames import Frame
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.readings import LineError, Reading, format_line, parse_line
from tinyloc.survey.session import Mark
from tinyloc.survey.source_clock import SourceClock
from tinyloc.survey.sources.bluetooth import BluetoothSource
from tinyloc.survey.sources.names import make_source
from tinyloc.survey.sources.replay import ReplaySource
from tinyloc.survey.sources.serial_source import SerialSource
from tinyloc.survey.sources.stream import WRAP_S, StreamDecoder, heard_frame

MAC = bytes.fromhex("c00000000001")


def test_a_line_is_read_back_as_it_was_written() -> None:
    reading = Reading(1.5, "c0:00:00:00:00:01", -60, "port")
    assert parse_line(format_line(1.5, reading), "port") == reading


@pytest.mark.parametrize("line", ["", "# a comment", "time,id,dBm", "Time, ID, dBm", "1.0,beacon,"])
def test_what_is_no_reading_and_no_garbage_is_skipped(line: str) -> None:
    assert parse_line(line) is None


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("hello", "is not time,id,dBm"),
        ("1,beacon,loud", "no number of dBm"),
        ("1,beacon,-300", "must be -127 to 20"),
        ("1,beacon,nan", "must be -127 to 20"),
        ("x,beacon,-60", "no time"),
        ("1e300,beacon,-60", "must be 0 to"),
        ("1,bea\x1bcon,-60", "control character"),
        ("1,,-60", "blank"),
        ("1," + "x" * 300 + ",-60", "at most 200"),
    ],
)
def test_a_line_of_garbage_says_why(line: str, why: str) -> None:
    with pytest.raises(LineError, match=why):
        parse_line(line)


@given(st.binary(max_size=300), st.integers(1, 40))
def test_no_bytes_break_the_decoder_and_the_next_good_line_counts(noise: bytes, size: int) -> None:
    decoder = StreamDecoder("port", lambda why: None)
    data = noise + b"\n" + b"1.0,beacon,-60\n"
    found = [reading for at in range(0, len(data), size) for reading in decoder.feed(data[at : at + size])]
    assert found and found[-1] == Reading(1.0, "beacon", -60, "port")


def test_frames_and_lines_of_one_port_are_told_apart() -> None:
    spoilt: list[str] = []
    decoder = StreamDecoder("port", spoilt.append)
    assert decoder.feed(b"0.5,beacon,-70\n")[0].id == "beacon"
    frames = b"\0" + heard_frame(1, 1500, [(MAC, -60), (MAC, -61)]).encode() + heard_frame(2, 1600, []).encode()
    found = decoder.feed(frames)
    assert found == [Reading(1.5, "c0:00:00:00:00:01", level, "port") for level in (-60, -61)]
    cut = heard_frame(3, 1700, [(MAC, -60)]).encode()
    assert decoder.feed(cut[:4] + b"\0") == [] and spoilt == ["a damaged frame"]
    assert decoder.feed(Frame(0x50, 4, b"\1").encode()) == [] and "too short" in spoilt[-1]
    assert decoder.feed(Frame(0x50, 4, heard_frame(1, 1, [(MAC, -128)]).body).encode()) == []


def test_the_milliseconds_of_a_scanner_may_wrap() -> None:
    decoder = StreamDecoder("port", lambda why: None)
    (before,) = decoder.feed(heard_frame(1, 2**32 - 100, [(MAC, -60)]).encode())
    (after,) = decoder.feed(heard_frame(2, 100, [(MAC, -60)]).encode())
    assert after.time_s - before.time_s == pytest.approx(0.2) and after.time_s == pytest.approx(WRAP_S + 0.1)


def test_a_port_that_vanishes_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyloc.survey.sources.serial_source.LOOK_S", 0.001)
    stop, sink = threading.Event(), Collected()
    ports = Ports([b"1.0,a,-60\n", None, b"2.0,b,-61\n"], stop)
    SerialSource("/dev/ttyX", 115200, ports).run(sink, stop)
    assert [reading.id for reading in sink.readings] == ["a", "b"]
    told = [state for state, _ in sink.states]
    assert told == ["running", "waiting", "waiting", "running", "waiting", "waiting"]
    assert "the session goes on" in sink.states[1][1]
    assert sink.states[2][1] == "/dev/ttyX is not there; connect the scanner", "no option that nobody gave"


def test_a_source_that_is_mistyped_is_refused_at_once(tmp_path: Path) -> None:
    for text in ("/dev/nope", str(tmp_path / "walk.cvs")):
        with pytest.raises(SurveyError, match=r"no such port or file; ports here: .*or bluetooth") as refused:
            make_source(text)
        assert str(refused.value).count(text) == 1 and "--port" not in str(refused.value)
    (tmp_path / "walk.txt").write_text("time,id,dBm\n0,a,-60\n")
    assert make_source(str(tmp_path / "walk.txt")).name == "walk.txt"


def test_a_clock_that_drifts_is_followed_and_one_that_jumps_is_mended() -> None:
    clock = SourceClock()
    for second in range(1000):
        at, jumped = clock.at(5000.0 + second * 1.0001, 10.0 + second)
        assert jumped == 0 and abs(at - (10.0 + second)) < 0.06
    at, jumped = clock.at(100.0, 1010.0)
    assert at == 1010.0 and jumped < -5000 and clock.jumps == 1
    assert clock.at(101.0, 1011.0) == (1011.0, 0.0)


def test_a_replay_keeps_times_and_joins_recordings() -> None:
    clock = SourceClock(real_time=False)
    assert clock.at(100.0, 7.0) == (7.0, 0.0)
    assert clock.at(100.5, 7.0) == (7.5, 0.0)
    assert clock.at(0.0, 7.0)[0] == 8.5, "a second recording follows after a second"
    assert clock.at(0.5, 7.0) == (9.0, 0.0)


def replayed(path: Path) -> Collected:
    sink = Collected()
    ReplaySource(path, speed=0).run(sink, threading.Event())
    return sink


def test_long_and_wide_files_replay_alike(tmp_path: Path) -> None:
    (tmp_path / "long.csv").write_text("# made up\ntime,id,dBm,room\n0,a,-60,hall\n0,b,-70,hall\n1,a,-61,bed\n")
    (tmp_path / "wide.csv").write_text("t,room,a,b\n0,hall,-60,-70\n1,bed,-61,\n")
    long, wide = replayed(tmp_path / "long.csv"), replayed(tmp_path / "wide.csv")
    assert [(one.time_s, one.id, one.dbm) for one in long.readings] == [(0, "a", -60), (0, "b", -70), (1, "a", -61)]
    assert [(r.time_s, r.id, r.dbm) for r in wide.readings] == [(r.time_s, r.id, r.dbm) for r in long.readings]
    assert [(place.time_s, place.room) for place in wide.places] == [
        (0, "hall"),
        (1, "bed"),
    ] and long.places == wide.places


def test_rows_of_garbage_are_counted_and_the_rest_is_replayed(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('time,id,dBm\n0,a,-60\nnonsense\n1,a,-600\n2,"a\nb",-60\n3,a,-61\n')
    sink = replayed(tmp_path / "x.csv")
    assert [one.dbm for one in sink.readings] == [-60, -61] and len(sink.spoilt) == 3
    assert "row 3" in sink.spoilt[0]


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "columns are missing"), ("a,b\n1,2\n", "columns are a, b"), ("time,id\n1,a\n", "columns are time, id"),
     ("time,room\n1,a\n", "no column of a beacon")],
)  # fmt: skip
def test_a_file_that_is_no_recording_is_refused(tmp_path: Path, text: str, why: str) -> None:
    (tmp_path / "x.csv").write_text(text)
    with pytest.raises(SurveyError, match=why):
        make_source(str(tmp_path / "x.csv"))
    with pytest.raises(SurveyError, match="No such file"):
        make_source(str(tmp_path / "y.csv"))


def test_a_replayed_path_is_walked_from_tap_to_tap(tmp_path: Path) -> None:
    (tmp_path / "readings.csv").write_text("time,id,dBm\n" + "".join(f"{second},a,-60\n" for second in range(9)))
    marks = [Mark(time_s=0, x=0, y=0, room="hall", step=True), Mark(time_s=4, x=4, y=2, room="bed", step=True),
             Mark(time_s=6, x=9, y=9)]  # fmt: skip
    (tmp_path / "marks.jsonl").write_text("".join(mark.model_dump_json() + "\n" for mark in marks))
    found = [(one.time_s, one.x, one.y, one.room) for one in replayed(tmp_path / "readings.csv").places]
    assert found[0] == (0, 0, 0, "hall") and (2.0, 2.0, 1.0, None) in found and (4, 4, 2, "bed") in found
    assert len(found) == 8 + 2 and found[-1] == (6, 9, 9, None), "to a point where the person stood nobody is led"


def test_a_replay_paces_itself(tmp_path: Path) -> None:
    path = write_recording(tmp_path / "home.csv", minutes=0.1, hz=2)
    stop, sink = threading.Event(), Collected()
    stop.wait = lambda seconds: waits.append(seconds) or False
    waits: list[float] = []
    ReplaySource(path, speed=2.0).run(sink, stop)
    assert len(waits) > 5 and max(waits) <= 3.0 and sink.states[-1][0] == "ended"


def test_the_computers_own_radio_hands_over_advertisements() -> None:
    stop, sink = threading.Event(), Collected()

    class Scanner:
        def __init__(self, detection_callback) -> None:
            self.heard = detection_callback

        async def __aenter__(self) -> None:
            self.heard(SimpleNamespace(address="C0:00:00:00:00:01"), SimpleNamespace(rssi=-60))
            self.heard(SimpleNamespace(address="C0:00:00:00:00:02"), SimpleNamespace(rssi=-127))
            stop.set()

        async def __aexit__(self, *problem) -> None:
            pass

    BluetoothSource(Scanner).run(sink, stop)
    assert sink.readings == [Reading(None, "C0:00:00:00:00:01", -60, "bluetooth")]


def test_a_radio_that_is_off_is_told_and_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tinyloc.survey.sources.bluetooth.AGAIN_S", 0.0)
    stop, sink = threading.Event(), Collected()

    class Off:
        def __init__(self, detection_callback) -> None:
            if len(sink.states) == 2:
                stop.set()
            raise OSError("no adapter")

    BluetoothSource(Off).run(sink, stop)
    assert len(sink.states) == 3 and "no adapter" in sink.states[0][1]
