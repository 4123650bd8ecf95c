"""The sessions of a survey as the data that training reads: NAME.csv, and NAME.data.toml with the plan."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from tinyloc.errors import counted
from tinyloc.files import write_whole
from tinyloc.survey.aliases import Aliases
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.plan import Plan
from tinyloc.survey.project import Project, SurveyFile
from tinyloc.survey.scans import CELL_M, LEAST_PLACES, LEAST_ROOMS, Learn, Track, session_of
from tinyloc.survey.session import About, Recorded, read_session, session_names

COLUMNS = ("time_s", "recording", "day", "device", "split", "room", "x", "y", "floor", "id", "dbm")
STAYS = 5
"""Visits of each room from which whole visits can be held out."""
BLOCKS = ("train", "train", "train", "validation", "test")
"""Of a stay, or a walk, in a row, when nothing whole can be held out."""
WALK_BLOCK_S = 12.0
"""Length of such a block of a walk with positions."""
GRIDS_M = (1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0)
MOST_PLACES = 96
"""Places that a position model learns: the finest grid that has no more."""


@dataclass(frozen=True)
class Labelled:
    """A reading of a session with where it was taken: a room, a place, or both."""

    time_s: float
    room: str | None
    stay: str
    id: str
    dbm: int
    x: float | None = None
    y: float | None = None
    floor: int = 0

    def fits(self, learn: Learn) -> bool:
        """Whether a model of this kind can learn from it."""
        return self.room is not None if learn == "rooms" else self.x is not None and self.y is not None


@dataclass(frozen=True)
class Written:
    """What `write_data` made."""

    csv: Path
    description: Path
    readings: int
    notes: list[str]
    """How scans are split, and what was left out; each a sentence."""


def write_data(project: Project, learn: Learn = "rooms") -> Written:
    """Write the labelled readings of all sessions, and their description. Raises SurveyError when there are too few.

    Args:
        project: Plan, ids and sessions.
        learn: What the model will say. Readings that do not say it are left out.

    Returns:
        The files.
    """
    sessions = [read_session(project.sessions / name) for name in session_names(project.sessions)]
    kept = [one for one in sessions if one.about.kind == "survey" and one.about.use != "leave out"]
    labelled = {one.name: labelled_readings(one, project.ids, project.plan) for one in kept}
    labelled = {name: [row for row in rows if row.fits(learn)] for name, rows in labelled.items()}
    labelled = {name: rows for name, rows in labelled.items() if rows}
    kept = [one for one in kept if one.name in labelled]
    _enough(labelled, learn)
    split, notes = split_of({one.name: one.about for one in kept})
    if split:
        rows = [(row, one.name, split[one.name]) for one in kept for row in labelled[one.name]]
    elif learn == "positions":
        notes = [
            f"No second round yet: stretches of {WALK_BLOCK_S:g} s train, validate and test in turn. They resemble one "
            "another, so the figures are too good. Record a second round."
        ]
        rows = [row for one in kept for row in _stretches(one.name, labelled[one.name])]
    elif min(_stays(labelled).values()) < STAYS:
        notes = [
            "Nothing whole can be held out: no second round, and rooms with fewer than "
            f"{STAYS} visits. The last parts of each stay validate and test; they resemble training, so the figures "
            "are too good. Record a second round."
        ]
        rows = [row for one in kept for row in _blocks(labelled[one.name], project.content.scan_s)]
    else:
        notes = ["No second round yet: whole visits are held out. A second round by another person is a better test."]
        rows = [(row, row.stay, "") for one in kept for row in labelled[one.name]]
    content, text = project.content, io.StringIO()
    path, about_path = project.folder / f"{content.name}.csv", project.folder / f"{content.name}.data.toml"
    table = csv.writer(text, lineterminator="\n")
    with_split = any(part for _, _, part in rows)
    names = [name for name in COLUMNS if name != "split" or with_split]
    table.writerow(names)
    abouts = {one.name: one.about for one in kept}
    for row, recording, part in rows:
        cells = _cells(row, recording, part, abouts[session_of(row.stay)])
        table.writerow([cells[name] for name in names])
    write_whole(path, text.getvalue())
    used = [row for row, _, _ in rows]
    write_whole(about_path, description(content, path.name, used, learn, with_split))
    left = sum(len(one.readings) for one in kept) - len(rows)
    heard, floors = {row.id for row in used}, {row.floor for row in used}
    where = {row.room for row in used} if learn == "rooms" else places_of(used, grid_m(used))
    what = counted(len(where), "room") if learn == "rooms" else counted(len(where), "place")
    on = f" on {counted(len(floors), 'floor')}" if len(floors) > 1 else ""
    notes = [*notes, f"{len(rows):,} readings of {counted(len(heard), 'beacon')} in {what}{on}"]
    if left:
        notes.append(f"{left:,} readings without a {learn[:-1]}, or of ignored ids, are left out")
    return Written(path, about_path, len(rows), notes)


def _enough(labelled: dict[str, list[Labelled]], learn: Learn) -> None:
    """Raise SurveyError when there is too little to learn."""
    rows = [row for part in labelled.values() for row in part]
    if learn == "rooms":
        rooms = len({row.room for row in rows})
        if rooms < LEAST_ROOMS:
            raise SurveyError(
                f"{counted(rooms, 'room')} with readings; record at least two rooms, or tap where you stand and learn "
                "positions, then train"
            )
        return
    places = len(places_of(rows, CELL_M))
    if places < LEAST_PLACES:
        raise SurveyError(
            f"{counted(places, 'place')} of {CELL_M:g} m with readings; tap the plan at {LEAST_PLACES} places or more, "
            "or learn rooms, then train"
        )


def _cells(row: Labelled, recording: str, part: str, about: About) -> dict[str, Any]:
    """One row of the file."""
    return {
        "time_s": f"{row.time_s:.3f}", "recording": recording, "day": about.day,
        "device": f"{about.person}, {about.device}", "split": part, "room": row.room or "",
        "x": "" if row.x is None else f"{row.x:.2f}", "y": "" if row.y is None else f"{row.y:.2f}",
        "floor": row.floor, "id": row.id, "dbm": row.dbm,
    }  # fmt: skip


def places_of(rows: Sequence[Labelled], step_m: float) -> set[tuple[int, int, int]]:
    """Cells of a grid, floor by floor, in which readings were taken."""
    return {
        (row.floor, round(row.x / step_m), round(row.y / step_m))
        for row in rows
        if row.x is not None and row.y is not None
    }


def grid_m(rows: Sequence[Labelled]) -> float:
    """The finest grid on which the readings lie in at most MOST_PLACES cells."""
    return next((step for step in GRIDS_M if len(places_of(rows, step)) <= MOST_PLACES), GRIDS_M[-1])


def description(content: SurveyFile, file: str, rows: Sequence[Labelled], learn: Learn, with_split: bool) -> str:
    """The TOML text that training reads; of rooms and beacons on the plan those that it can know."""
    floors = {row.floor for row in rows}
    columns = {
        "time": "time_s", "recording": "recording", "day": "day", "device": "device", "access_point": "id",
        "dbm": "dbm",
    }  # fmt: skip
    columns |= {"split": "split"} if with_split else {}
    columns |= {"floor": "floor"} if len(floors) > 1 else {}
    columns |= {"label": "room"} if learn == "rooms" else {"x": "x", "y": "y"}
    plan = content.plan
    rooms = [
        {"name": room.name, "outline": [list(corner) for corner in room.outline]}
        | ({"floor": f"F{room.floor}"} if len(floors) > 1 else {})
        for room in plan.rooms
        if room.floor in floors
    ]
    heard = {row.id for row in rows}
    places = {
        beacon.id: [beacon.x, beacon.y] + ([] if beacon.z is None else [beacon.z])
        for beacon in plan.beacons
        if beacon.id in heard
    }
    top: dict[str, Any] = {
        "name": content.name, "title": f"Survey of {content.name}", "licence": "not stated", "file": file,
        "missing": [], "time_unit": "s", "scan_s": content.scan_s, "rate_hz": round(1 / content.scan_s, 6),
        "unlabelled": "drop", "coordinates": "m", "columns": columns, "rooms": rooms,
        "access_point_positions": places,
        "floors": [
            floor.model_dump(exclude_none=True, exclude_defaults=True)
            | ({"floor": f"F{number}"} if len(floors) > 1 else {})
            for number, floor in enumerate(plan.floors)
            if number in floors
        ],
    }  # fmt: skip
    top |= {"place_m": grid_m(rows)} if learn == "positions" else {}
    return (
        "# Written by `tinyloc survey` from survey.toml and the sessions, anew before each training.\n"
        + tomli_w.dumps(top)
    )


def labelled_readings(session: Recorded, ids: Aliases, plan: Plan) -> list[Labelled]:
    """Readings that were taken in a room or at a place, in the order of their times; ids as the user counts them."""
    track = Track(session.name, session.marks, plan)
    floors = {room.name: room.floor for room in plan.rooms}
    found = []
    for number in sorted(range(len(session.time_s)), key=session.time_s.__getitem__):
        time_s = session.time_s[number]
        where, name = track.at(time_s), ids.resolve(session.readings[number].id)
        if name is not None and (where.room is not None or where.x is not None):
            dbm = session.readings[number].dbm
            floor = where.floor if where.x is not None else floors.get(where.room or "", where.floor)
            found.append(Labelled(time_s, where.room, where.stay, name, dbm, where.x, where.y, floor))
    return found


def split_of(sessions: Mapping[str, About]) -> tuple[dict[str, str], list[str]]:
    """Which sessions train and which test.

    What the user said of a session counts. Of the others the first person trains, and sessions of another person on
    another day test; without such, sessions of another day.

    Args:
        sessions: Name -> what is known of it; the first trains.

    Returns:
        Session -> "train" or "test", empty when all sessions would train; and a sentence about it.
    """
    given = {name: str(one.use) for name, one in sessions.items() if one.use in ("train", "test")}
    open_sessions = {name: one for name, one in sessions.items() if name not in given}
    trained = [one for name, one in sessions.items() if given.get(name) == "train"] or [*open_sessions.values()][:1]
    people, days = {one.person for one in trained}, {one.day for one in trained}
    new_days = [name for name, one in open_sessions.items() if one.day not in days]
    new_people = [name for name in new_days if open_sessions[name].person not in people]
    if "test" in given.values():
        testing, why = [], "The sessions that you chose are the test set."
    elif new_people:
        testing, why = new_people, "The test set is a second round: another person on another day."
    else:
        testing, why = (
            new_days,
            "The test set is another day of the same person; another person would be a harder test.",
        )
    found = given | {name: "test" if name in testing else "train" for name in open_sessions}
    if len(set(found.values())) < 2:
        return {}, []
    tested = {one.person for name, one in sessions.items() if found[name] == "test"}
    both = sorted(tested & {one.person for name, one in sessions.items() if found[name] == "train"})
    return found, [why, *([f"{', '.join(both)} recorded for both training and test."] if both else [])]


def _stays(labelled: dict[str, list[Labelled]]) -> Counter[str]:
    """How many visits each room has."""
    return Counter(room for room, _ in {(row.room or "", row.stay) for rows in labelled.values() for row in rows})


def _blocks(rows: list[Labelled], scan_s: float) -> list[tuple[Labelled, str, str]]:
    """Cut each stay into blocks in a row that train, validate and test."""
    first = {row.stay: row.time_s for row in rows[::-1]}
    last = {row.stay: row.time_s for row in rows}
    found = []
    for row in rows:
        length = max(scan_s, last[row.stay] - first[row.stay] + 1e-6)
        block = min(len(BLOCKS) - 1, int(len(BLOCKS) * (row.time_s - first[row.stay]) / length))
        found.append((row, f"{row.stay} {block}", BLOCKS[block]))
    return found


def _stretches(session: str, rows: list[Labelled]) -> list[tuple[Labelled, str, str]]:
    """Cut a session into stretches of time that train, validate and test in turn."""
    numbers = [int((row.time_s - rows[0].time_s) // WALK_BLOCK_S) for row in rows]
    return [
        (row, f"{session} {number}", BLOCKS[number % len(BLOCKS)]) for row, number in zip(rows, numbers, strict=True)
    ]
