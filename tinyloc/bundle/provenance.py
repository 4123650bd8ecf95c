"""Where a bundle comes from: data, seeds, versions, and each command with its date and commit."""

import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from tinyloc.bundle.quantities import Count
from tinyloc.names import LONGEST_LINE, FileName, Line, OptionalLine, Sha256, printable
from tinyloc.paths import CLONE_DIR
from tinyloc.strict import Strict

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{7,40}(-changed)?$")]
Date = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}Z$")]


class Source(Strict):
    """The data set that the model was trained on."""

    name: FileName
    """Name in the catalogue, or in an own description."""
    title: Line
    """Name of the data set in reports."""
    licence: Line
    """Licence of the data."""
    citation: OptionalLine = ""
    """Publication to cite."""
    sha256: Sha256 | None = None
    """SHA-256 of all that training, validation and test read; null in bundles of format 1."""


class Step(Strict):
    """One command on the way to the bundle."""

    stage: Literal["train", "export", "evaluate"]
    """Stage that the command ran."""
    date: Date
    """Start of the command, UTC, ISO 8601."""
    command: Line | None = None
    """The command as it was typed; null when it was called from Python."""
    commit: Commit | None = None
    """Commit of tinyloc's checkout, with `-changed` where files differed from it; null for an installed package."""


class Provenance(Strict):
    """How the bundle was made."""

    seeds: dict[FileName, Count] = Field(default_factory=dict)
    """Random seeds: `training`, and `data.NAME` for each seed among the options of the data set."""
    versions: dict[Line, OptionalLine] = Field(default_factory=dict)
    """Versions of Python and of the packages that made the bundle."""
    steps: list[Step] = Field(default_factory=list)
    """Commands in the order in which they ran; empty in bundles of format 1."""


def step(stage: Literal["train", "export", "evaluate"]) -> Step:
    """Record the command that runs now."""
    program, *arguments = sys.argv or [""]
    typed = Path(program).name in ("tinyloc", "__main__.py")
    command = printable(shlex.join(["tinyloc", *arguments]), LONGEST_LINE - 10) if typed else None
    return Step(stage=stage, date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), command=command, commit=commit())


def commit() -> str | None:
    """The checkout's commit, None where this is no checkout or git is not there."""
    root = CLONE_DIR
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{head}-changed" if changed else head


def _git(root: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=root, check=True, capture_output=True, text=True, timeout=20)
    return done.stdout.strip()
