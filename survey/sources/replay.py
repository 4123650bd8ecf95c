"""A recorded file as a source, in real time or faster: long (`time,id,dBm`) or wide (a column per beacon)."""

import csv
import threading
import time
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from tinyloc.names import printable
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.readings import LineError, Reading, check_dbm, check_id, check_time
from tinyloc.survey.session import MARKS, Mark, read_marks
from tinyloc.survey.sources.source import Place, Sink

TIMES, IDS, LEVELS, ROOMS = ("time", "t", "time_s"), ("id", "access_point"), ("dbm", "rssi"), ("room", "label")
OTHERS = ("x", "y", "floor", "source", "recording", "walk", "day", "device", "person", "split")
"""Columns of a wide file that are no beacons."""
MOST_GARBAGE = 1000
STEP_S, MOST_STEPS = 0.5, 2000
"""Between two places on a walk from tap to tap, and how many of them at most."""


class ReplaySource:
    """Replays a file. `speed`: 1 is real time, 0 as fast as possible.

    Marks of a session (marks.jsonl beside the file) and columns room, x, y, floor say where the person was. Raises
    SurveyError when the file is no recording.
    """

    def __init__(self, path: Path, speed: float = 1.0) -> None:
        self.path, self.speed = path, speed
        self._columns = _Columns(path)
        self._marks = read_marks(path.with_name(MARKS))

    @property
    def real_time(self) -> bool:
        return False

    @property
    def name(self) -> str:
        return self.path.name.replace(",", "_")

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Replay the file once."""
        self._columns.begin()
        sink.state(self.name, "running", "as fast as possible" if not self.speed else f"{self.speed:g} x real time")
        began = time.monotonic()
        first: float | None = None
        garbage = 0
        for event in merged(self._events(), self._marks):
            if stop.is_set():
                return
            if isinstance(event, str):
                sink.garbage(self.name, event)
                garbage += 1
                if garbage > MOST_GARBAGE:
                    sink.state(self.name, "failed", f"{self.path}: too many lines are no readings; the last: {event}")
                    return
                continue
            at = event.time_s or 0.0
            first = at if first is None else first
            if self.speed:
                left = (at - first) / self.speed - (time.monotonic() - began)
                if left > 0 and stop.wait(left):
                    return
            if isinstance(event, Place):
                sink.place(self.name, event)
            else:
                sink.take(event)
        sink.state(self.name, "ended", "the file is replayed")

    def _events(self) -> "Iterator[Reading | Place | str]":
        with self.path.open(encoding="utf-8", errors="replace", newline="") as file:
            for number, cells in enumerate(csv.reader(_without_comments(file)), start=1):
                if number == 1 or not cells:
                    continue
                try:
                    yield from self._columns.row(cells, self.name)
                except LineError as error:
                    yield f"row {number}: {error}"


class _Columns:
    """What each column of a file is."""

    def __init__(self, path: Path) -> None:
        try:
            with path.open(encoding="utf-8", errors="replace", newline="") as file:
                header = next(csv.reader(_without_comments(file)), [])
        except OSError as error:
            raise SurveyError(f"{path}: {error.strerror}; name a CSV file to replay") from error
        names = [name.strip() for name in header]
        lower = [name.lower() for name in names]

        def place(wanted: tuple[str, ...]) -> int | None:
            return next((lower.index(name) for name in wanted if name in lower), None)

        self.time, self.id, self.level = place(TIMES), place(IDS), place(LEVELS)
        self.room, self.x, self.y, self.floor = (place(one) for one in (ROOMS, ("x",), ("y",), ("floor",)))
        self._last: Place | None = None
        known = {*TIMES, *ROOMS, *OTHERS}
        self.beacons: list[tuple[int, str]] = []
        if self.time is None or (self.id is None) != (self.level is None):
            shown = ", ".join(printable(name, 20) for name in names[:8])
            raise SurveyError(
                f"{path}: columns are {shown or 'missing'}; a recording has time,id,dBm or time,BEACON,..."
            )
        if self.id is None:
            try:
                self.beacons = [(at, check_id(name)) for at, name in enumerate(names) if lower[at] not in known]
            except LineError as error:
                raise SurveyError(f"{path}: header: {error}") from error
            if not self.beacons:
                raise SurveyError(f"{path}: there is no column of a beacon")

    def begin(self) -> None:
        """The file is read from its start."""
        self._last = None

    def row(self, cells: list[str], source: str) -> "Iterator[Reading | Place]":
        """A row's place, where it changed, and readings. Raises LineError."""

        def cell(at: int | None) -> str:
            return cells[at].strip() if at is not None and at < len(cells) else ""

        time_s = check_time(cell(self.time))
        if time_s is None:
            raise LineError("it has no time")
        if self.room is not None or self.x is not None:
            place = Place(0.0, cell(self.room) or None, _number(cell(self.x)), _number(cell(self.y)),
                          int(_number(cell(self.floor)) or 0))  # fmt: skip
            if place != self._last:
                self._last = place
                yield Place(time_s, place.room, place.x, place.y, place.floor)
        if self.id is not None:
            if cell(self.level):
                yield Reading(time_s, check_id(cell(self.id)), check_dbm(cell(self.level)), source)
            return
        for at, name in self.beacons:
            if cell(at):
                yield Reading(time_s, name, check_dbm(cell(at)), source)


def merged(events: "Iterator[Reading | Place | str]", marks: list[Mark]) -> "Iterator[Reading | Place | str]":
    """Readings with the marks of their session, in order of time."""
    waiting = places_of(marks)[::-1]
    for event in events:
        while waiting and not isinstance(event, str) and waiting[-1].time_s <= (event.time_s or 0.0):
            yield waiting.pop()
        yield event


def places_of(marks: list[Mark]) -> list[Place]:
    """Where the person was: at each mark, and every STEP_S on the straight walk from one step to the next."""
    found: list[Place] = []
    for mark, after in zip_longest(marks, marks[1:]):
        found.append(Place(mark.time_s, mark.room, mark.x, mark.y, mark.floor))
        if after is None or not (mark.step and after.step) or mark.floor != after.floor:
            continue
        if mark.x is None or mark.y is None or after.x is None or after.y is None:
            continue
        walk_s = after.time_s - mark.time_s
        for number in range(1, min(MOST_STEPS, int(walk_s / STEP_S))):
            share = number * STEP_S / walk_s
            x, y = (a + share * (b - a) for a, b in ((mark.x, after.x), (mark.y, after.y)))
            found.append(Place(mark.time_s + number * STEP_S, None, x, y, mark.floor))
    return found


def _number(text: str) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        raise LineError(f"{printable(text, 20)!r} is no coordinate") from None


def _without_comments(lines: "Iterator[str]") -> Iterator[str]:
    return (line for line in lines if not line.startswith("#"))
