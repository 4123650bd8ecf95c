"""The recorder: sources run in threads, each reading goes to disk first, then to what the page shows.

Nothing here waits for a page: a slow, closed or hostile browser costs no reading.
"""

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from tinyloc.names import printable
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.levels import Levels
from tinyloc.survey.project import Project
from tinyloc.survey.readings import Reading
from tinyloc.survey.scans import Scan, ScanBook, ScanCutter, Track, enter_session
from tinyloc.survey.session import About, Mark, Session, new_session, read_session, resume_session, session_names
from tinyloc.survey.source_clock import SourceClock
from tinyloc.survey.sources.source import Place, Source, State
from tinyloc.survey.timeline import Timeline

DISK, CLOCK = "the disk", "clock of "
"""What notes are about, beside sources."""
SYNC_S = 1.0
"""After a power cut at most so much is lost; after a crash of the process nothing is."""
RESUME_GAP_S = 120.0
"""Between two parts of a resumed session; training cuts recordings at pauses longer than 60 s."""
EVENT_S = 30.0
"""For so long the page shows what happened once; what lasts is shown until its cause ends."""
OVER: tuple[State, ...] = ("ended", "failed")
"""States of a source that delivers nothing any more."""
SHOWN_S = 60.0
"""For so long the page shows an id that is silent."""
SHOWN_MARKS = 200
"""Marks of the session that the page draws."""


@dataclass
class Running:
    """A source and what became of it."""

    source: Source
    thread: threading.Thread
    stop: threading.Event
    clock: SourceClock
    state: State = "starting"
    text: str = ""
    readings: int = 0
    garbage: int = 0
    last_garbage: str = ""


@dataclass(frozen=True)
class Note:
    """One sentence for the page, until `until_s` on the recorder's own clock, or until its cause ends."""

    text: str
    kind: Literal["bad", "info"] = "bad"
    until_s: float | None = None


@dataclass
class Counts:
    """What the bench looks at."""

    taken: int = 0
    written: int = 0
    lost: int = 0
    """Readings that could not be written: the disk is full."""
    latest_s: float = 0.0
    """The longest time from `take` to disk."""


class Recorder:
    """Records readings and marks of a project. Callable from any thread; `listeners` get every finished scan."""

    def __init__(
        self, project: Project, clock: Callable[[], float] = time.monotonic, scan_s: float | None = None
    ) -> None:
        self.project = project
        self.levels = Levels()
        self.counts = Counts()
        self.session: Session | None = None
        self.where = Mark(time_s=0.0)
        self.listeners: list[Callable[[Scan, Mark], None]] = []
        self._clock = clock
        self._timeline = Timeline(clock)
        self._newest = 0.0
        self._start_s = self._opened_s = 0.0
        """On the recorder's clock: when the session began, and when it was opened or resumed; no reading is earlier."""
        self._lock = threading.RLock()
        self._sources: dict[str, Running] = {}
        self._notes: dict[str, Note] = {}
        self._scan_s = scan_s or project.content.scan_s
        self._cutter = ScanCutter(self._scan_s)
        self._marks: list[Mark] = []
        self._track: Track | None = None
        self.book = ScanBook()
        self.reload()
        self._stopped = threading.Event()
        self._syncer = threading.Thread(target=self._sync_each_second, name="sync", daemon=True)
        self._syncer.start()

    # --- sources -----------------------------------------------------------------------------------------------------

    def add_source(self, source: Source) -> None:
        """Start a source. Raises SurveyError when it runs already."""
        with self._lock:
            known = self._sources.get(source.name)
            if known is not None and known.thread.is_alive():
                raise SurveyError(f"{source.name} is a source already")
            self.now()  # up to here the clock ran without this source
            stop = threading.Event()
            thread = threading.Thread(target=self._run, args=(source, stop), name=source.name, daemon=True)
            self._sources[source.name] = Running(source, thread, stop, SourceClock(source.real_time))
        thread.start()

    def remove_source(self, name: str) -> None:
        """Stop a source and forget it."""
        with self._lock:
            self.now()
            running = self._sources.pop(name, None)
        if running is None:
            raise SurveyError(f"there is no source {printable(name)!r}")
        running.stop.set()
        running.thread.join(timeout=2.0)
        with self._lock:
            self._unsay(name)

    def replay_again(self, name: str) -> None:
        """Start a source that ended once more. Raises SurveyError."""
        with self._lock:
            running = self._sources.get(name)
        if running is None or running.thread.is_alive():
            raise SurveyError(f"{printable(name)} is no source that ended")
        self.remove_source(name)
        self.add_source(running.source)

    def _run(self, source: Source, stop: threading.Event) -> None:
        try:
            source.run(self, stop)
        except Exception as error:
            self.state(source.name, "failed", f"{source.name}: {type(error).__name__}: {error}")

    @property
    def busy(self) -> bool:
        """Whether a source still delivers."""
        return any(running.thread.is_alive() for running in self._sources.values())

    # --- what sources call -------------------------------------------------------------------------------------------

    def take(self, reading: Reading) -> None:
        """Record a reading, then show it."""
        arrived = self._clock()
        with self._lock:
            self.counts.taken += 1
            running = self._sources.get(reading.source)
            at = self._place_in_time(reading.time_s, running)
            if self.session is not None:
                try:
                    self.session.add(self._in_session(at), reading)
                except OSError as error:
                    self.counts.lost += 1
                    self._say(DISK, f"{error.filename}: {error.strerror}; readings are NOT recorded. Free some space")
                    return
                self.counts.written += 1
                self._notes.pop(DISK, None)
                self.counts.latest_s = max(self.counts.latest_s, self._clock() - arrived)
            if running is not None:
                running.readings += 1
            self._newest = max(self._newest, at)
            self.levels.add(at, reading.id, reading.dbm, reading.source)
            name = self.project.ids.resolve(reading.id)
            if name is not None:
                self._enter(self._cutter.add(at, name, reading.dbm))

    def place(self, source: str, place: Place) -> None:
        """A replayed file says where the person was."""
        with self._lock:
            running = self._sources.get(source)
            at = self._place_in_time(place.time_s, running)
            self._newest = max(self._newest, at)
            room = place.room
            if room is None and place.x is not None and place.y is not None:
                room = self.project.plan.room_at(place.x, place.y, place.floor)
            self._mark(Mark(time_s=at, room=room, x=place.x, y=place.y, floor=place.floor))

    def garbage(self, source: str, why: str) -> None:
        """Count what is no reading."""
        with self._lock:
            running = self._sources.get(source)
            if running is not None:
                running.garbage += 1
                running.last_garbage = printable(why, 160)

    def state(self, source: str, state: State, text: str = "") -> None:
        """Keep what a source says of itself."""
        with self._lock:
            running = self._sources.get(source)
            if running is not None:
                self.now()
                running.state, running.text = state, printable(text, 300)
                if state in OVER and not running.source.real_time and not self._hearing:
                    self._enter(self._cutter.end())
                if state in ("waiting", "failed"):
                    self._say(source, text)
                elif state == "ended":
                    self._say(source, f"{source} is replayed to its end: {running.readings:,} readings.", "info")
                else:
                    self._unsay(source)

    # --- sessions ----------------------------------------------------------------------------------------------------

    def start_session(self, about: About) -> str:
        """Begin to record; gives the session's name. Raises SurveyError when one is open."""
        with self._lock:
            if self.session is not None:
                raise SurveyError(f"session {self.session.name} is open; end it first")
            self.session = new_session(self.project.sessions, about)
            self._start_s = self._opened_s = self.now()
            self._begin_track()
            return self.session.name

    def resume(self, name: str) -> None:
        """Go on with an earlier session; its next reading comes RESUME_GAP_S after its last."""
        with self._lock:
            if self.session is not None:
                raise SurveyError(f"session {self.session.name} is open; end it first")
            self.session, last = resume_session(self.project.sessions, name)
            self._opened_s = self.now()
            self._start_s = self._opened_s - (last + RESUME_GAP_S if self.session.count else 0.0)
            self._begin_track()

    def end_session(self) -> None:
        """Stop recording; sources go on."""
        with self._lock:
            if self.session is None:
                raise SurveyError("no session is open")
            self._enter(self._cutter.advance(self._newest + self._scan_s))
            self.session.close()
            self.session = None
            self.where = Mark(time_s=self.now())

    def mark(
        self,
        room: str | None = None,
        x: float | None = None,
        y: float | None = None,
        floor: int = 0,
        step: bool = False,
    ) -> Mark:
        """The person is here from now on. A place without a room is in the room that the plan has there."""
        with self._lock:
            if room is None and x is not None and y is not None:
                room = self.project.plan.room_at(x, y, floor)
            elif x is None:
                floor = next((one.floor for one in self.project.plan.rooms if one.name == room), floor)
            return self._mark(Mark(time_s=self.now(), room=room, x=x, y=y, floor=floor, step=step))

    def _mark(self, mark: Mark) -> Mark:
        self._enter(self._cutter.advance(mark.time_s))
        if self.session is not None:
            in_session = mark.model_copy(update={"time_s": self._in_session(mark.time_s)})
            try:
                self.session.mark(in_session)
            except OSError as error:
                raise SurveyError(f"{error.filename}: {error.strerror}; free some space") from error
        self.where = mark
        self._marks.append(mark)
        if self.session is None:
            del self._marks[:-SHOWN_MARKS]
        return mark

    # --- time and scans ----------------------------------------------------------------------------------------------

    def now(self) -> float:
        """Seconds on the recorder's clock: real time, or that of a replay while nothing else delivers. Never back."""
        with self._lock:
            replays = any(not one.source.real_time and one.state not in OVER for one in self._sources.values())
            return self._timeline.now(replaying=replays and not self._beside_scanner)

    @property
    def _beside_scanner(self) -> bool:
        return any(one.source.real_time for one in self._sources.values())

    @property
    def _hearing(self) -> bool:
        """Whether a source may deliver more."""
        return any(one.state not in OVER for one in self._sources.values())

    def tick(self) -> None:
        """End scans in which nothing was heard; a live model needs those too."""
        with self._lock:
            if any(one.source.real_time and one.state == "running" for one in self._sources.values()):
                self._enter(self._cutter.advance(self.now() - 0.5 * self._scan_s))

    def _place_in_time(self, time_s: float | None, running: Running | None) -> float:
        """Where on the recorder's clock something of a source lies; of a replay not before now."""
        now = self.now()
        if running is None:
            return now
        if not running.source.real_time and self._beside_scanner:
            running.clock.restart()  # a scanner keeps real time: what is replayed beside it gets its arrival
        at, jumped = running.clock.at(time_s, now)
        if running.source.real_time:
            if jumped:
                name = running.source.name
                text = f"{name}: its clock jumped by {jumped:+.1f} s; times continue from the arrival"
                self._say(CLOCK + name, text, until_s=self._clock() + EVENT_S)
            return at
        at = max(at, now)
        self._timeline.reach(at)
        return at

    def _in_session(self, at: float) -> float:
        """Seconds since the session began, in whole milliseconds: files have no finer ones, and order must last."""
        return round(max(at, self._opened_s) - self._start_s, 3)

    def _begin_track(self) -> None:
        self._marks = []
        self.where = Mark(time_s=self.now())
        self._track = None

    def _enter(self, scans: list[Scan]) -> None:
        for scan in scans:
            for listener in self.listeners:
                listener(scan, self.where)
            if self.session is None or self.session.about.kind != "survey":
                continue
            if self._track is None:
                self._track = Track(self.session.name, self._marks, self.project.plan)
            self._track.plan = self.project.plan
            middle = scan.start_s + self.project.content.scan_s / 2
            self.book.add(scan, self._track.at(middle), (self.session.about.person, self.session.about.day))
            self._track.trim()

    def reload(self) -> None:
        """Count all sessions anew: at the start, and after ids were merged or ignored."""
        book = ScanBook()
        for name in session_names(self.project.sessions):
            found = read_session(self.project.sessions / name)
            if found.about.kind == "survey" and found.about.use != "leave out":
                enter_session(book, found, self.project.ids, self.project.plan, self.project.content.scan_s)
        with self._lock:
            self.book = book

    # --- the end -----------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Stop all sources and end the session."""
        for name in [*self._sources]:
            self.remove_source(name)
        self._stopped.set()
        self._syncer.join(timeout=2.0)
        with self._lock:
            if self.session is not None:
                self.end_session()

    def _sync_each_second(self) -> None:
        while not self._stopped.wait(SYNC_S):
            session = self.session
            if session is not None:
                try:
                    session.sync()
                except (OSError, ValueError) as error:
                    self._say(DISK, f"{session.folder}: {error}")

    def _say(self, about: str, text: str, kind: Literal["bad", "info"] = "bad", until_s: float | None = None) -> None:
        """Show a sentence about something in place of what was said about it before."""
        self._notes[about] = Note(printable(text, 400), kind, until_s)

    def _unsay(self, source: str) -> None:
        """A source works again, or is no more."""
        self._notes.pop(source, None)
        self._notes.pop(CLOCK + source, None)

    def _shown_notes(self) -> list[dict[str, str]]:
        now = self._clock()
        self._notes = {about: one for about, one in self._notes.items() if one.until_s is None or now < one.until_s}
        return [{"about": about, "text": one.text, "kind": one.kind} for about, one in self._notes.items()]

    def _path(self) -> list[list[float]]:
        """x, y, floor, whether a step, of the session's marks with a place, the last ones."""
        if self.session is None:
            return []
        return [
            [mark.x, mark.y, mark.floor, int(mark.step)]
            for mark in self._marks[-SHOWN_MARKS:]
            if mark.x is not None and mark.y is not None
        ]

    def snapshot(self) -> dict[str, Any]:
        """What the page shows several times a second."""
        with self._lock:
            now, ids = self.now(), self.project.ids
            session, hearing = self.session, self._hearing
            looked = now if hearing else self._newest  # after the end what was heard last can still be named and placed
            sources = [
                {
                    "name": name, "state": one.state, "text": one.text, "readings": one.readings,
                    "garbage": one.garbage, "last_garbage": one.last_garbage, "jumps": one.clock.jumps,
                    "real_time": one.source.real_time,
                }
                for name, one in self._sources.items()
            ]  # fmt: skip
            levels = [
                {
                    "id": name, "dbm": round(one.level_dbm, 1), "ago_s": round(now - one.last_s, 2),
                    "hz": round(one.rate_hz, 1), "count": one.count,
                }
                for name, one in self.levels.ids.items()
                if ids.resolve(name) == name and looked - one.last_s < SHOWN_S
            ]  # fmt: skip
            levels.sort(key=lambda one: str(one["id"]))
            return {
                "now_s": round(now, 2),
                "sources": sources,
                "levels": levels,
                "hearing": hearing,
                "passing": self.levels.passing(ids, {beacon.id for beacon in self.project.plan.beacons}),
                "heard_ids": len(self.levels.ids),
                "beyond": self.levels.beyond,
                "session": None if session is None else {
                    "name": session.name, "readings": session.count, "seconds": round(now - self._start_s, 1),
                    "person": session.about.person, "device": session.about.device, "day": session.about.day,
                },
                "where": self.where.model_dump(exclude_none=True),
                "lost": self.counts.lost,
                "notes": self._shown_notes(),
                "path": self._path(),
                "scans": dict(Counter({name: room.count for name, room in self.book.rooms.items()})),
            }  # fmt: skip

    def slow_snapshot(self) -> dict[str, Any]:
        """What changes slowly and costs more: lists of ids by what is odd about them."""
        with self._lock:
            ids = self.project.ids
            return {
                "vanished": self.levels.vanished(ids),
                "shared": self.levels.shared(ids),
            }
