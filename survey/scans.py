"""Readings cut into scans, as the training data's `scan_s` does; and the scans of each room, in bounded memory."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from tinyloc.survey.aliases import Aliases
from tinyloc.survey.plan import Plan
from tinyloc.survey.session import Mark, Recorded

MOST_SCANS = 240
"""Scans of a room that are kept for comparisons; which ones is drawn evenly from all."""
MOST_CELLS = 20_000
"""Cells of the coverage map; more is a plan in other units."""
CELL_M = 1.0
Learn = Literal["rooms", "positions"]
"""What a model says."""
LEAST_ROOMS = 2
LEAST_PLACES = 6
"""Cells of CELL_M in which a position model needs scans."""
MOST_MARKS = 1000


@dataclass(frozen=True)
class Scan:
    """What was heard within `scan_s`: levels in dBm in the order of their times."""

    start_s: float
    heard: dict[str, list[int]]


class ScanCutter:
    """Cuts a stream of readings; a reading that comes late counts for the present scan."""

    def __init__(self, scan_s: float) -> None:
        self.scan_s = scan_s
        self._start: float | None = None
        self._heard: dict[str, list[int]] = {}

    def add(self, time_s: float, name: str, dbm: int) -> list[Scan]:
        """Take a reading; gives the scans that end before it, silent ones too."""
        if self._start is None:
            self._start = time_s
        done = self.advance(time_s)
        self._heard.setdefault(name, []).append(dbm)
        return done

    def advance(self, time_s: float, most: int = 1000) -> list[Scan]:
        """Give the scans that end at or before a time; after a gap of more than `most` scans, begin anew."""
        done: list[Scan] = []
        if self._start is None:
            return done
        if time_s - self._start > most * self.scan_s:
            done.append(Scan(self._start, self._heard))
            self._start, self._heard = time_s, {}
        while time_s >= self._start + self.scan_s:
            done.append(Scan(self._start, self._heard))
            self._start, self._heard = self._start + self.scan_s, {}
        return done

    def end(self) -> list[Scan]:
        """Give the scan that has begun; the next reading begins one of its own."""
        done = [] if self._start is None else [Scan(self._start, self._heard)]
        self._start, self._heard = None, {}
        return done


@dataclass
class RoomScans:
    """The scans of one room."""

    count: int = 0
    kept: list[tuple[str, float, dict[str, float]]] = field(default_factory=list)
    """(stay, start_s, id -> mean dBm); a stay is one visit of one session."""
    stays: set[str] = field(default_factory=set)

    def add(self, stay: str, scan: Scan, generator: np.random.Generator) -> None:
        """Count a scan, and keep it with the probability that keeps all alike."""
        self.count += 1
        self.stays.add(stay)
        entry = (stay, scan.start_s, {name: sum(levels) / len(levels) for name, levels in scan.heard.items()})
        if len(self.kept) < MOST_SCANS:
            self.kept.append(entry)
        elif (place := int(generator.integers(self.count))) < MOST_SCANS:
            self.kept[place] = entry


class ScanBook:
    """Scans by room and by place."""

    def __init__(self) -> None:
        self.rooms: dict[str, RoomScans] = defaultdict(RoomScans)
        self.cells: dict[tuple[int, int, int], int] = defaultdict(int)
        """(floor, column, row) of CELL_M -> scans with a known position there."""
        self.people: dict[str, set[tuple[str, str]]] = defaultdict(set)
        """Room -> (person, day) that recorded it."""
        self.sessions: set[str] = set()
        """Sessions with a scan that has a room or a place."""
        self.unplaced: Counter[str] = Counter()
        """Room -> scans that say the room only."""
        self.placed = self.labelled = 0
        """Scans with a place; scans with a room or a place."""
        self._generator = np.random.default_rng(0)

    @property
    def learnable(self) -> dict[Learn, bool]:
        """What there are enough rooms or places for."""
        rooms = sum(1 for room in self.rooms.values() if room.count)
        return {"rooms": rooms >= LEAST_ROOMS, "positions": len(self.cells) >= LEAST_PLACES}

    @property
    def suits(self) -> Learn:
        """What was recorded: positions where at least half of the scans say a place, else rooms."""
        able = self.learnable
        if not able["positions"]:
            return "rooms"
        return "positions" if not able["rooms"] or 2 * self.placed >= self.labelled else "rooms"

    def add(self, scan: Scan, where: "Whereabouts", who: tuple[str, str]) -> None:
        """Enter one scan; without a label it counts nowhere."""
        placed = where.x is not None and where.y is not None
        if not scan.heard or (where.room is None and not placed):
            return
        self.labelled += 1
        self.sessions.add(session_of(where.stay))
        if where.room is not None:
            self.rooms[where.room].add(where.stay, scan, self._generator)
            self.people[where.room].add(who)
            self.unplaced[where.room] += not placed
        if where.x is not None and where.y is not None:
            self.placed += 1
            cell = (where.floor, int(where.x // CELL_M), int(where.y // CELL_M))
            if cell in self.cells or len(self.cells) < MOST_CELLS:
                self.cells[cell] += 1


@dataclass(frozen=True)
class Whereabouts:
    """Where the person was during a scan."""

    room: str | None
    x: float | None
    y: float | None
    floor: int
    stay: str


class Track:
    """Where the person is at any time, from marks; `Mark.step`s are joined by straight, even walks."""

    def __init__(self, session: str, marks: list[Mark], plan: Plan) -> None:
        self.session, self.plan = session, plan
        self.marks = marks
        self._stay = 0
        self._room: str | None = None
        self._number = -1

    def at(self, time_s: float) -> Whereabouts:
        """Where the person is; times are asked for in ascending order."""
        while self._number + 1 < len(self.marks) and self.marks[self._number + 1].time_s <= time_s:
            self._number += 1
        if self._number < 0:
            return Whereabouts(None, None, None, 0, self._name())
        mark = self.marks[self._number]
        x, y = self._between(mark, time_s)
        room = mark.room
        if mark.step and x is not None and y is not None:
            room = self.plan.room_at(x, y, mark.floor)
        if room != self._room:
            self._room = room
            self._stay += 1
        return Whereabouts(room, x, y, mark.floor, self._name())

    def trim(self) -> None:
        """Forget marks that are over, so that a long recording takes no memory."""
        if self._number > MOST_MARKS:
            del self.marks[: self._number]
            self._number = 0

    def _between(self, mark: Mark, time_s: float) -> tuple[float | None, float | None]:
        after = self.marks[self._number + 1] if self._number + 1 < len(self.marks) else None
        walked = mark.step and after is not None and after.step and after.floor == mark.floor
        if not walked or after is None or None in (mark.x, mark.y, after.x, after.y):
            return mark.x, mark.y
        assert mark.x is not None and mark.y is not None and after.x is not None and after.y is not None
        share = (time_s - mark.time_s) / max(1e-9, after.time_s - mark.time_s)
        return mark.x + share * (after.x - mark.x), mark.y + share * (after.y - mark.y)

    def _name(self) -> str:
        return f"{self.session} {self._stay}"


def session_of(stay: str) -> str:
    """The session of a stay."""
    return stay.rsplit(" ", 1)[0]


def scans_of(session: Recorded, ids: Aliases, scan_s: float) -> Iterator[Scan]:
    """The scans of a recorded session, with ids as the user counts them."""
    cutter = ScanCutter(scan_s)
    order = sorted(range(len(session.time_s)), key=session.time_s.__getitem__)
    for place in order:
        name = ids.resolve(session.readings[place].id)
        if name is not None:
            yield from cutter.add(session.time_s[place], name, session.readings[place].dbm)
    if order:
        yield from cutter.advance(session.time_s[order[-1]] + scan_s)


def enter_session(book: ScanBook, session: Recorded, ids: Aliases, plan: Plan, scan_s: float) -> None:
    """Enter a recorded session into a book."""
    track = Track(session.name, session.marks, plan)
    who = (session.about.person, session.about.day)
    for scan in scans_of(session, ids, scan_s):
        book.add(scan, track.at(scan.start_s + scan_s / 2), who)
