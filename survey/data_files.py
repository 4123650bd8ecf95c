"""The sessions of a survey as the data that training reads: NAME.csv, and NAME.data.toml with the plan."""

import csv
import io
from collections import Counter
from collections.abc import Sequence
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
from tinyloc.survey.scans import Track
from tinyloc.survey.session import Recorded, read_session, session_names

COLUMNS = ("time_s", "recording", "day", "device", "split", "room", "id", "dbm")
FLOOR = "floor"
STAYS = 5
"""Visits of each room from which whole visits can be held out."""
BLOCKS = ("train", "train", "train", "validation", "test")
"""Of a stay, in a row, when nothing whole can be held out."""


@dataclass(frozen=True)
class Labelled:
    """A reading of a session with where it was taken."""

    time_s: float
    room: str
    stay: str
    id: str
    dbm: int


@dataclass(frozen=True)
class Written:
    """What `write_data` made."""

    csv: Path
    description: Path
    readings: int
    notes: list[str]
    """How scans are split, and what was left out; each a sentence."""


def write_data(project: Project) -> Written:
    """Write the labelled readings of all sessions, and their description. Raises SurveyError when there are none."""
    sessions = [read_session(project.sessions / name) for name in session_names(project.sessions)]
    kept = [one for one in sessions if one.about.kind == "survey" and one.about.use != "leave out"]
    labelled = {one.name: labelled_readings(one, project.ids, project.plan) for one in kept}
    labelled = {name: rows for name, rows in labelled.items() if rows}
    kept = [one for one in kept if one.name in labelled]
    rooms = {row.room for rows in labelled.values() for row in rows}
    if len(rooms) < 2:
        raise SurveyError(f"{counted(len(rooms), 'room')} with readings; record at least two rooms, then train")
    of, notes = split_of(kept)
    floors = {room.name: room.floor for room in project.plan.rooms}
    several = len(project.plan.floors) > 1
    split = of or None
    if split is None and min(_stays(labelled).values()) < STAYS:
        notes = [
            "Nothing whole can be held out: no second round, and rooms with fewer than "
            f"{STAYS} visits. The last parts of each stay validate and test; they resemble training, so the figures "
            "are too good. Record a second round."
        ]
        rows = [row for one in kept for row in _blocks(one, labelled[one.name], project.content.scan_s)]
    else:
        rows = [
            (row, _recording(one, row, bool(split)), split[one.name] if split else "")
            for one in kept
            for row in labelled[one.name]
        ]
        if split is None:
            notes = [
                "No second round yet: whole visits are held out. A second round by another person is a better test."
            ]
    abouts = {one.name: one.about for one in kept}
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    with_split = any(part for _, _, part in rows)
    names = [name for name in COLUMNS if name != "split" or with_split] + ([FLOOR] if several else [])
    table.writerow(names)
    for row, recording, part in rows:
        about = abouts[row.stay.rsplit(" ", 1)[0]]
        cells: dict[str, Any] = {
            "time_s": f"{row.time_s:.3f}", "recording": recording, "day": about.day,
            "device": f"{about.person}, {about.device}", "split": part, "room": row.room, "id": row.id, "dbm": row.dbm,
            FLOOR: floors.get(row.room, 0),
        }  # fmt: skip
        table.writerow([cells[name] for name in names])
    name = project.content.name
    path, about_path = project.folder / f"{name}.csv", project.folder / f"{name}.data.toml"
    write_whole(path, text.getvalue())
    heard = {row.id for row, _, _ in rows}
    write_whole(about_path, description(project.content, path.name, heard, with_split, several))
    left = sum(len(one.readings) for one in kept) - len(rows)
    notes = [*notes, f"{len(rows):,} readings of {counted(len(heard), 'beacon')} in {counted(len(rooms), 'room')}"]
    if left:
        notes.append(f"{left:,} readings without a room, or of ignored ids, are left out")
    return Written(path, about_path, len(rows), notes)


def description(content: SurveyFile, file: str, heard: set[str], with_split: bool, several_floors: bool) -> str:
    """The TOML text that training reads; of the beacons on the plan those that were heard."""
    columns = {
        "time": "time_s", "recording": "recording", "day": "day", "device": "device", "label": "room",
        "access_point": "id", "dbm": "dbm",
    }  # fmt: skip
    columns |= {"split": "split"} if with_split else {}
    columns |= {"floor": FLOOR} if several_floors else {}
    plan = content.plan
    rooms = [
        {"name": room.name, "outline": [list(corner) for corner in room.outline]}
        | ({"floor": f"F{room.floor}"} if several_floors else {})
        for room in plan.rooms
    ]
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
        "floors": [floor.model_dump(exclude_none=True, exclude_defaults=True) for floor in plan.floors],
    }  # fmt: skip
    return (
        "# Written by `tinyloc survey` from survey.toml and the sessions, anew before each training.\n"
        + tomli_w.dumps(top)
    )


def labelled_readings(session: Recorded, ids: Aliases, plan: Plan) -> list[Labelled]:
    """Readings that were taken in a room, in the order of their times; ids as the user counts them."""
    track = Track(session.name, session.marks, plan)
    found = []
    for place in sorted(range(len(session.time_s)), key=session.time_s.__getitem__):
        where = track.at(session.time_s[place])
        name = ids.resolve(session.readings[place].id)
        if name is not None and where.room is not None:
            found.append(Labelled(session.time_s[place], where.room, where.stay, name, session.readings[place].dbm))
    return found


def split_of(sessions: Sequence[Recorded]) -> tuple[dict[str, str], list[str]]:
    """Which sessions train and which test.

    What the user said of a session counts. Of the others the first person trains, and sessions of another person on
    another day test; without such, sessions of another day.

    Returns:
        Session -> "train" or "test", empty when all sessions would train; and a sentence about it.
    """
    given = {one.name: one.about.use for one in sessions if one.about.use in ("train", "test")}
    open_sessions = [one for one in sessions if one.name not in given]
    trained = [one for one in sessions if given.get(one.name) == "train"] or open_sessions[:1]
    people, days = {one.about.person for one in trained}, {one.about.day for one in trained}
    found = {name: str(use) for name, use in given.items()}
    new_people = [one for one in open_sessions if one.about.person not in people and one.about.day not in days]
    new_days = [one for one in open_sessions if one.about.day not in days]
    if "test" in given.values():
        testing, why = [], "The sessions that you chose are the test set."
    elif new_people:
        testing, why = new_people, "The test set is a second round: another person on another day."
    else:
        testing, why = (
            new_days,
            "The test set is another day of the same person; another person would be a harder test.",
        )
    for one in open_sessions:
        found[one.name] = "test" if one in testing else "train"
    if len(set(found.values())) < 2:
        return {}, []
    tested = {one.about.person for one in sessions if found[one.name] == "test"}
    both = sorted(tested & {one.about.person for one in sessions if found[one.name] == "train"})
    return found, [why, *([f"{', '.join(both)} recorded for both training and test."] if both else [])]


def _stays(labelled: dict[str, list[Labelled]]) -> Counter[str]:
    """How many visits each room has."""
    return Counter(room for room, _ in {(row.room, row.stay) for rows in labelled.values() for row in rows})


def _recording(session: Recorded, row: Labelled, whole: bool) -> str:
    """Whole sessions are recordings where the split names them, else visits, so that visits can be held out."""
    return session.name if whole else row.stay


def _blocks(session: Recorded, rows: list[Labelled], scan_s: float) -> list[tuple[Labelled, str, str]]:
    """Cut each stay into blocks in a row that train, validate and test."""
    first = {row.stay: row.time_s for row in rows[::-1]}
    last = {row.stay: row.time_s for row in rows}
    found = []
    for row in rows:
        length = max(scan_s, last[row.stay] - first[row.stay] + 1e-6)
        block = min(len(BLOCKS) - 1, int(len(BLOCKS) * (row.time_s - first[row.stay]) / length))
        found.append((row, f"{row.stay} {block}", BLOCKS[block]))
    return found
