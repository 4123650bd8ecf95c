"""One session: a person, a device, a day; readings and marks as they came. It can be resumed after any end."""

import json
import re
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyloc.bundle.quantities import Metres
from tinyloc.files import write_whole
from tinyloc.names import Line
from tinyloc.strict import problems
from tinyloc.survey.append_log import AppendLog
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.project import safe_name
from tinyloc.survey.readings import HEADER, LineError, Reading, format_line, parse_line

ABOUT, READINGS, MARKS = "session.json", "readings.csv", "marks.jsonl"
Use = Literal["auto", "train", "test", "leave out"]


class About(BaseModel):
    """session.json."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    person: Line
    device: Line
    day: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    use: Use = "auto"
    """What it is for; auto: see `data_files.split_of`."""
    kind: Literal["survey", "live"] = "survey"
    note: str = ""


class Mark(BaseModel):
    """Where the person is from now on; without room and place: nowhere that is labelled."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    time_s: float
    room: Line | None = None
    x: Metres | None = None
    y: Metres | None = None
    floor: int = 0
    step: bool = False
    """A step along a path: between two of them the person walked straight, at an even speed."""


@dataclass(frozen=True)
class Recorded:
    """What a session holds. Times are seconds since it began."""

    name: str
    about: About
    time_s: list[float]
    readings: list[Reading]
    marks: list[Mark]
    cut_lines: int
    """Lines that are none: cut by a crash."""


class Session:
    """A session that is being recorded, below `sessions/NAME/`."""

    def __init__(self, folder: Path, about: About) -> None:
        self.folder, self.about = folder, about
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / ABOUT).is_file():
            write_whole(folder / ABOUT, about.model_dump_json(indent=1) + "\n")
        self._readings = AppendLog(folder / READINGS, HEADER + ",source")
        self._marks = AppendLog(folder / MARKS)
        self.count = 0

    @property
    def name(self) -> str:
        return self.folder.name

    def add(self, time_s: float, reading: Reading) -> None:
        """Append a reading; it is on disk when this returns. Raises OSError."""
        self._readings.append(format_line(time_s, reading))
        self.count += 1

    def mark(self, mark: Mark) -> None:
        """Append a mark. Raises OSError."""
        self._marks.append(mark.model_dump_json(exclude_defaults=True) + "\n")

    def sync(self) -> None:
        """Make all of it survive a power cut."""
        self._readings.sync()
        self._marks.sync()

    def close(self) -> None:
        """End of the recording."""
        self._readings.close()
        self._marks.close()


def new_session(sessions: Path, about: About) -> Session:
    """Begin a session in a new directory: DAY-PERSON-NUMBER."""
    start = safe_name(f"{about.day}-{about.person}")
    number = 1
    while (sessions / f"{start}-{number}").exists():
        number += 1
    return Session(sessions / f"{start}-{number}", about)


def resume_session(sessions: Path, name: str) -> tuple[Session, float]:
    """Go on with a session; gives it and the time (s) of its last entry."""
    found = read_session(_checked(sessions, name))
    last = max([*found.time_s[-1:], *(mark.time_s for mark in found.marks[-1:])], default=0.0)
    session = Session(sessions / name, found.about)
    session.count = len(found.readings)
    return session, last


def set_use(sessions: Path, name: str, use: Use) -> None:
    """Say what a session is for."""
    folder = _checked(sessions, name)
    about = read_about(folder).model_copy(update={"use": use})
    write_whole(folder / ABOUT, About.model_validate(about.model_dump()).model_dump_json(indent=1) + "\n")


def session_names(sessions: Path) -> list[str]:
    """Sessions in a folder, sorted by day."""
    return sorted(path.parent.name for path in sessions.glob(f"*/{ABOUT}"))


def read_about(folder: Path) -> About:
    """Read session.json. Raises SurveyError."""
    path = folder / ABOUT
    try:
        return About.model_validate_json(path.read_bytes())
    except (OSError, ValidationError) as error:
        why = "; ".join(problems(error)) if isinstance(error, ValidationError) else error
        raise SurveyError(f"{path}: {why}; correct it, or move the session away") from error


def read_session(folder: Path) -> Recorded:
    """Read a session, also one that a crash ended. Raises SurveyError."""
    about = read_about(folder)
    times: list[float] = []
    readings: list[Reading] = []
    cut = 0
    for line in _whole_lines(folder / READINGS):
        try:
            reading = parse_line(line, source=line.rstrip("\n").split(",")[-1])
        except LineError:
            cut += 1
            continue
        if reading is not None and reading.time_s is not None:
            times.append(reading.time_s)
            readings.append(reading)
    return Recorded(folder.name, about, times, readings, read_marks(folder / MARKS), cut)


def read_marks(path: Path) -> list[Mark]:
    """Marks in the order of their times; a line that is none is left out."""
    marks = []
    for line in _whole_lines(path):
        try:
            marks.append(Mark.model_validate_json(line))
        except ValidationError:
            continue
    return sorted(marks, key=lambda mark: mark.time_s)


def _whole_lines(path: Path) -> list[str]:
    """Lines that end in a newline; what follows the last one is left out."""
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8", errors="replace")
    return text[: text.rfind("\n") + 1].split("\n")[:-1]


def today() -> str:
    """The day as sessions have it."""
    return date.today().isoformat()


def _checked(sessions: Path, name: str) -> Path:
    """The folder of a session that a page names. Raises SurveyError for what is none, such as a way out."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", name) or not (sessions / name / ABOUT).is_file():
        raise SurveyError(f"there is no session {json.dumps(name)[:80]}")
    return sessions / name


def as_plain(mark: Mark) -> dict[str, Any]:
    """A mark for the page."""
    return mark.model_dump(exclude_none=True)
