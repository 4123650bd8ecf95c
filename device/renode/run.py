"""Run a board's robot test with an installed Renode."""

import logging
import shlex
import shutil
import subprocess

from tinyloc import paths
from tinyloc.boards import Board
from tinyloc.errors import UserError

RUNNERS = (("renode-test", ()), ("renode-run", ("test", "--")))
"""Programs that run robot files, and what stands before the file."""


class RenodeError(UserError):
    """No Renode, or no files for it; the message says how to get them."""


def renode_command(board: Board) -> list[str]:
    """The command that runs the board's robot test. Raises RenodeError with how to get Renode."""
    if board.virtual:
        raise RenodeError(f"{board.title}: Renode has no platform of it; run it with `tinyloc emulate`")
    robot = paths.RENODE_DIR / f"{board.name}.robot"
    if not robot.is_file():
        raise RenodeError(f"{robot} is not there; in a checkout `python -m tinyloc.device.renode.files` makes it")
    for program, options in RUNNERS:
        if shutil.which(program):
            return [program, *options, str(robot)]
    raise RenodeError(
        "Renode 1.16 is not installed: take it from https://github.com/renode/renode/releases/tag/v1.16.0 and put "
        "renode-test on the PATH, or `pip install git+https://github.com/antmicro/renode-run`; the image and the "
        f"expected answers are ready in {paths.RENODE_DIR / 'build' / board.name}"
    )


def run_renode(board: Board) -> bool:
    """Run the robot test; its output goes where ours goes. Whether it passed."""
    command = renode_command(board)
    logging.getLogger(__name__).debug("%s", shlex.join(command))
    return subprocess.run(command).returncode == 0
