"""What a survey still lacks: scans by room, gaps, weak beacons, rooms that look alike, a second round."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from tinyloc.survey.aliases import Aliases
from tinyloc.survey.plan import Plan, PlanRoom
from tinyloc.survey.scans import CELL_M, ScanBook

ENOUGH_SCANS = 60
"""Scans of a room in a round; a minute at one scan per second."""
ENOUGH_STAYS = 3
NOT_HEARD_DBM = -105.0
NEIGHBOURS = 5
NEAR_S = 30.0
"""Scans of one stay that are closer in time resemble each other whatever the room; they do not vote."""
ALIKE_SHARE = 0.2
WEAK_DBM = -85.0
MOST_CELLS = 4000
"""Of a room; a larger one has no map."""
INSIDE = (0.1, 0.5, 0.9)
"""Shares of a cell's sides; a cell one of whose points lies in a room belongs to it."""
REACH_CELLS = 1
"""A cell without scans beside one with scans is no gap."""


@dataclass(frozen=True)
class RoomLine:
    """One room."""

    name: str
    scans: int
    stays: int
    rounds: int
    """Pairs of person and day."""


@dataclass(frozen=True)
class Alike:
    """Scans of one room that look like another's."""

    room: str
    taken_for: str
    share: float


@dataclass(frozen=True)
class Coverage:
    """Where scans were taken."""

    covered: list[tuple[int, int, int, int]]
    """Floor, column, row, scans of each cell of CELL_M."""
    near: list[tuple[int, int, int]]
    """Cells of rooms beside these."""
    gaps: list[tuple[int, int, int]]
    """Cells of rooms without scans at or beside them."""
    whole: list[str]
    """Rooms with scans that say the room and no place in it; these have no gaps."""


@dataclass(frozen=True)
class Advice:
    """One sentence about what to do next."""

    kind: Literal["todo", "warn", "ok"]
    text: str


@dataclass(frozen=True)
class Guidance:
    """Everything that the page shows of it."""

    rooms: list[RoomLine]
    alike: list[Alike]
    right_share: float | None
    """Share of scans whose nearest neighbours of other stays are of the same room."""
    weak: list[str]
    coverage: "Coverage"
    cell_m: float = CELL_M
    advice: list[Advice] = field(default_factory=list)

    def plain(self) -> dict[str, Any]:
        """For the page."""
        return asdict(self)


def guide(book: ScanBook, plan: Plan, ids: Aliases, vanished: Sequence[str] = ()) -> Guidance:
    """Look at what was recorded so far.

    Args:
        book: Scans by room and place.
        plan: Rooms that should be recorded.
        ids: Names for messages.
        vanished: Beacons that went silent.

    Returns:
        Figures and advice, most urgent first.
    """
    names = [*dict.fromkeys([*(room.name for room in plan.rooms), *book.rooms])]
    rooms = []
    for name in names:
        found = book.rooms.get(name)
        if found is None:
            rooms.append(RoomLine(name, 0, 0, 0))
        else:
            rooms.append(RoomLine(name, found.count, len(found.stays), len(book.people[name])))
    alike, right = look_alike(book)
    weak = weak_beacons(book)
    coverage = coverage_of(book, plan)
    shown = ([ids.shown(name) for name in weak], [ids.shown(name) for name in vanished])
    advice = _advice(rooms, alike, *shown, coverage.gaps, book)
    return Guidance(rooms, alike, right, weak, coverage, advice=advice)


def look_alike(book: ScanBook) -> tuple[list[Alike], float | None]:
    """Which rooms nearest neighbours confuse, and the share of scans that they place right.

    The neighbours of a scan come from other stays, or at the least from NEAR_S away in its own: scans in a row
    resemble each other whatever the room. None when there are fewer than two rooms with scans.
    """
    names = [name for name, room in book.rooms.items() if len(room.kept) >= NEIGHBOURS]
    if len(names) < 2:
        return [], None
    entries = [(number, *entry) for number, name in enumerate(names) for entry in book.rooms[name].kept]
    room = np.array([entry[0] for entry in entries])
    stay = np.unique([entry[1] for entry in entries], return_inverse=True)[1]
    start = np.array([entry[2] for entry in entries])
    levels = _matrix([entry[3] for entry in entries])
    wins = _votes(levels, room, stay, start, len(names))
    counts = np.zeros((len(names), len(names)))
    judged = wins >= 0
    np.add.at(counts, (room[judged], wins[judged]), 1)
    total = np.maximum(1, counts.sum(axis=1, keepdims=True))
    share = counts / total
    found = [
        Alike(names[a], names[b], round(float(share[a, b]), 3))
        for a in range(len(names))
        for b in range(len(names))
        if a != b and share[a, b] >= ALIKE_SHARE
    ]
    right = float(counts.trace() / counts.sum()) if counts.sum() else None
    return sorted(found, key=lambda one: -one.share), None if right is None else round(right, 3)


def _matrix(scans: list[dict[str, float]]) -> npt.NDArray[np.float32]:
    """(N, P) levels in dBm, NOT_HEARD_DBM where an id was not heard."""
    ids = {name: number for number, name in enumerate(sorted({name for scan in scans for name in scan}))}
    levels = np.full((len(scans), len(ids)), NOT_HEARD_DBM, np.float32)
    for row, scan in enumerate(scans):
        for name, dbm in scan.items():
            levels[row, ids[name]] = dbm
    return levels


def _votes(
    levels: npt.NDArray[np.float32],
    room: npt.NDArray[np.int64],
    stay: npt.NDArray[np.int64],
    start: npt.NDArray[np.float64],
    rooms: int,
) -> npt.NDArray[np.int64]:
    """(N,) the room that each scan's neighbours name, -1 where it has none."""
    square = (levels**2).sum(axis=1)
    found = np.full(len(room), -1)
    for row in range(len(room)):
        apart = square + square[row] - 2 * (levels @ levels[row])
        apart[(stay == stay[row]) & (np.abs(start - start[row]) < NEAR_S)] = np.inf
        nearest = np.argpartition(apart, NEIGHBOURS - 1)[:NEIGHBOURS]
        nearest = nearest[np.isfinite(apart[nearest])]
        if len(nearest):
            found[row] = np.bincount(room[nearest], minlength=rooms).argmax()
    return found


def weak_beacons(book: ScanBook) -> list[str]:
    """Ids that no room hears above WEAK_DBM on average: they tell little, and other radios may not hear them."""
    best: dict[str, float] = {}
    for room in book.rooms.values():
        total: dict[str, list[float]] = {}
        for _, _, heard in room.kept:
            for name, dbm in heard.items():
                total.setdefault(name, []).append(dbm)
        for name, levels in total.items():
            if len(levels) >= NEIGHBOURS:
                best[name] = max(best.get(name, -math.inf), sum(levels) / len(levels))
    return sorted(name for name, level in best.items() if level < WEAK_DBM)


def coverage_of(book: ScanBook, plan: Plan) -> Coverage:
    """Where scans are and where none is; gaps on floors where positions were recorded."""
    floors = {cell[0] for cell in book.cells}
    near: set[tuple[int, int, int]] = set()
    gaps: set[tuple[int, int, int]] = set()
    for room in plan.rooms:
        if room.floor not in floors or book.unplaced[room.name]:
            continue
        for cell in _cells_of(room):
            if cell not in book.cells:
                (near if _near(book, *cell) else gaps).add(cell)
    covered = [(*cell, count) for cell, count in sorted(book.cells.items())]
    whole = [room.name for room in plan.rooms if book.unplaced[room.name]]
    return Coverage(covered, sorted(near - gaps), sorted(gaps), whole)


def _cells_of(room: PlanRoom) -> list[tuple[int, int, int]]:
    """Floor, column, row of the cells that reach into a room."""
    (left, low), (right, high) = room.shape().low_m, room.shape().high_m
    columns = range(int(left // CELL_M), int(right // CELL_M) + 1)
    rows = range(int(low // CELL_M), int(high // CELL_M) + 1)
    if len(columns) * len(rows) > MOST_CELLS:
        return []
    return [
        (room.floor, column, row)
        for column in columns
        for row in rows
        if any(room.holds((column + a) * CELL_M, (row + b) * CELL_M) for a in INSIDE for b in INSIDE)
    ]


def _near(book: ScanBook, floor: int, column: int, row: int) -> bool:
    around = range(-REACH_CELLS, REACH_CELLS + 1)
    return any((floor, column + right, row + up) in book.cells for right in around for up in around)


def _advice(
    rooms: list[RoomLine],
    alike: list[Alike],
    weak: list[str],
    vanished: list[str],
    gaps: list[tuple[int, int, int]],
    book: ScanBook,
) -> list[Advice]:
    found = [Advice("warn", f"{_list(vanished)} went silent. Check the battery.")] if vanished else []
    recorded = [room for room in rooms if room.scans]
    if len(rooms) < 2:
        return [*found, Advice("todo", "Draw at least two rooms on the plan.")]
    few = [room for room in rooms if room.scans < ENOUGH_SCANS]
    if few:
        lack = _list([f"{room.name} ({room.scans} of {ENOUGH_SCANS})" for room in few])
        found.append(Advice("todo", f"Record more scans in {lack}. Turn round as you stand: your body shields."))
    once = [room.name for room in recorded if room.stays < ENOUGH_STAYS]
    if once:
        found.append(
            Advice("todo", f"Enter {_list(once)} again: {ENOUGH_STAYS} visits at different times let one test.")
        )
    if gaps:
        found.append(
            Advice("todo", f"{len(gaps)} places of {CELL_M:g} m in the rooms have no scan near: red on the plan.")
        )
    for pair in alike[:3]:
        found.append(
            Advice(
                "warn",
                f"{100 * pair.share:.0f} % of the scans of {pair.room} look like {pair.taken_for}. Move a beacon next "
                "to the wall between them, add one, or merge the rooms.",
            )
        )
    if weak:
        found.append(Advice("warn", f"{_list(weak)}: weaker than {WEAK_DBM:g} dBm in every room. Move or ignore."))
    rounds = {who for people in book.people.values() for who in people}
    if recorded and not second_round(rounds):
        found.append(
            Advice(
                "todo",
                "Let another person record a second round on another day. It becomes the test set, and the figures "
                "become honest: they show a person and a day that the model does not know.",
            )
        )
    return found or [Advice("ok", "Every room has enough scans and a second round. Train now.")]


def second_round(rounds: set[tuple[str, str]]) -> bool:
    """Whether another person recorded on another day than the first."""
    return any(one[0] != other[0] and one[1] != other[1] for one in rounds for other in rounds)


def _list(names: Sequence[str], most: int = 4) -> str:
    shown = [*names[:most], *([f"{len(names) - most} more"] if len(names) > most else [])]
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
