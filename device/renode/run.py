"""Run a board's robot test with an installed Renode."""

import logging
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.errors import UserError

VERSION = "1.16.0"
"""The Renode that ran these files; renode-run downloads the latest nightly build unless it is told another one."""
GET_RENODE = (
    f"Renode is not installed: take release {VERSION} from https://github.com/renode/renode/releases and put "
    "renode-test on the PATH, or `pip install git+https://github.com/antmicro/renode-run`"
)


class RenodeError(UserError):
    """No Renode, or no platform of the board; the message says what to do."""


def renode_commands(board: Board, prepared: Path) -> list[list[str]]:
    """The commands that run the robot test in `prepared`, in order, programs by their resolved paths.

    Reports go into `prepared`/reports.

    Raises:
        RenodeError: The board is virtual, or no Renode is installed; the message says how to get it.
    """
    if board.virtual:
        raise RenodeError(f"{board.title}: Renode has no platform for it; run it with `tinyloc emulate`")
    options = [str(prepared / f"{board.name}.robot"), "-r", str(prepared / "reports")]
    if (renode_test := _program("renode-test")) is not None:
        return [[renode_test, *options]]
    if (renode_run := _program("renode-run")) is not None:
        return [[renode_run, "download", VERSION], [renode_run, "test", "--", *options]]
    raise RenodeError(f"{GET_RENODE}; the image and the expected answers are ready in {prepared}")


def run_renode(board: Board, prepared: Path) -> bool:
    """Run the robot test; its output goes where ours goes. Return whether it passed."""
    for command in renode_commands(board, prepared):
        logging.getLogger(__name__).debug("%s", shlex.join(command))
        if subprocess.run(command, env=child_environment()).returncode != 0:
            return False
    return True


def child_environment() -> dict[str, str]:
    """This process's environment without our virtual environment: renode-test needs a Python with Robot and psutil."""
    ours = Path(sys.executable).parent.resolve()
    kept = [folder for folder in os.environ.get("PATH", "").split(os.pathsep) if Path(folder).resolve() != ours]
    inherited = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "PYTHONHOME")}
    return {**inherited, "PATH": os.pathsep.join(kept)}


def _program(name: str) -> str | None:
    """Its resolved path: first outside our virtual environment, then in it."""
    found = shutil.which(name, path=child_environment()["PATH"]) or shutil.which(name)
    return None if found is None else str(Path(found).resolve())
