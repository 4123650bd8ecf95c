"""A survey's folder: survey.toml with plan and ids, pictures, sessions. One process at a time has it."""

import os
import re
import tomllib
from pathlib import Path

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyloc.files import write_whole
from tinyloc.names import FileName
from tinyloc.strict import problems
from tinyloc.survey.aliases import Aliases
from tinyloc.survey.errors import SurveyError
from tinyloc.survey.plan import Plan

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

FILE = "survey.toml"
LOCK = ".lock"
SESSIONS = "sessions"
ABOUT = "# Written by `tinyloc survey`. Correct it by hand while no page is open.\n"


class SurveyFile(BaseModel):
    """survey.toml."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: FileName
    """Name of the data set and of the run."""
    scan_s: float = Field(default=1.0, ge=0.05, le=60)
    """Readings within so many seconds are one scan."""
    plan: Plan = Plan()
    ids: Aliases = Aliases()


class Project:
    """A folder that is locked while it is open. Raises SurveyError."""

    def __init__(
        self, folder: Path, scan_s: float | None = None, plan: Plan | None = None, ids: Aliases | None = None
    ) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = "it is a file" if folder.is_file() else error.strerror or str(error)
            raise SurveyError(f"{folder}: cannot be the folder of a survey ({why}); name another folder") from error
        self.folder = folder
        self._lock = _locked(folder)
        path = folder / FILE
        fresh = not path.is_file()
        name = safe_name(folder.resolve().name)
        content = SurveyFile(name=name, plan=plan or Plan(), ids=ids or Aliases()) if fresh else read_survey(path)
        self.content = content if scan_s is None else content.model_copy(update={"scan_s": scan_s})
        self.revision = 0
        """Counts changes of the plan, so that an older page cannot undo a newer one's."""
        if fresh or content != self.content:
            self._save()

    @property
    def plan(self) -> Plan:
        return self.content.plan

    @property
    def ids(self) -> Aliases:
        return self.content.ids

    @property
    def sessions(self) -> Path:
        return self.folder / SESSIONS

    def set_plan(self, plan: Plan, revision: int | None = None) -> None:
        """Save a plan. SurveyError when it was made from an older one than `revision`, the present, says."""
        if revision is not None and revision != self.revision:
            raise SurveyError("the plan changed in another window meanwhile; it is shown again, repeat your change")
        self.content = self.content.model_copy(update={"plan": plan})
        self.revision += 1
        self._save()

    def set_ids(self, ids: Aliases) -> None:
        """Save names, ignored and merged ids."""
        self.content = self.content.model_copy(update={"ids": ids})
        self._save()

    def close(self) -> None:
        """Let another process have the folder."""
        os.close(self._lock)

    def _save(self) -> None:
        write_whole(self.folder / FILE, ABOUT + tomli_w.dumps(self.content.model_dump(mode="json", exclude_none=True)))


def read_survey(path: Path) -> SurveyFile:
    """Read survey.toml. SurveyError lists every problem."""
    try:
        return SurveyFile.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SurveyError(f"{path}: not valid TOML: {error}; correct it, or move it away to begin again") from error
    except ValidationError as error:
        told = "; ".join(problems(error))
        raise SurveyError(f"{path}: {told}; correct it, or move it away to begin again") from error


def safe_name(text: str) -> str:
    """A name for files, from any text."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", text).strip("._-")[:60] or "survey"


def _locked(folder: Path) -> int:
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    if fcntl:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(lock)
            raise SurveyError(
                f"{folder}: another tinyloc survey or live has this folder open; close it, or name another folder"
            ) from error
    return lock
