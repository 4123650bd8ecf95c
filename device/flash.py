"""Write an image to a board with the tool that board.toml names."""

import shlex
import shutil
import subprocess
from collections.abc import Callable

from tinyloc.boards import Board
from tinyloc.boards.errors import UserError
from tinyloc.device.build import BuildResult

TIMEOUT_S = 120.0

_HINTS = {"openocd": "`apt install openocd`"}
# What OpenOCD says when no probe answers, or a probe without a part behind it.
_NO_BOARD = ("open failed", "unable to find a matching", "no device found", "init mode failed", "Error connecting")


class FlashError(UserError):
    """No tool, no board, or an image that was not written."""


def flash_command(build: BuildResult, board: Board) -> list[str]:
    """The command that would be run; `{elf}` and `{bin}` of board.toml become the files of the build."""
    files = {"elf": str(build.elf.resolve()), "bin": str(build.bin.resolve())}
    return [part.format(**files) for part in board.flash.command]


def flash(
    build: BuildResult, board: Board, dry_run: bool = False, report: Callable[[str], None] = print
) -> list[str]:
    """Write the image and verify it; with `dry_run` only say what would be run.

    Raises FlashError saying plainly whether the image, the tool or the board is missing.
    """
    if not build.elf.is_file():
        raise FlashError(f"{build.elf}: no such image; make it with `tinyloc build --board {board.name}`")
    limit = board.region("flash").size
    if build.sizes.flash > limit:
        raise FlashError(f"{build.elf} takes {build.sizes.flash} bytes, {board.part} has {limit} bytes of flash")
    command = flash_command(build, board)
    report(shlex.join(command))
    if dry_run:
        return command
    if shutil.which(command[0]) is None:
        hint = _HINTS.get(board.flash.tool, "see its documentation")
        raise FlashError(f"{board.flash.tool} is not installed: {hint}; the image is ready at {build.elf}")
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"{board.flash.tool} gave no answer in {TIMEOUT_S:.0f} s; reconnect the board") from error
    said = (result.stdout + result.stderr).strip()
    if result.returncode != 0:
        if any(sign in said for sign in _NO_BOARD):
            raise FlashError(f"no {board.title} found; connect it by USB. {board.flash.tool} said:\n{said}")
        raise FlashError(f"{board.flash.tool} could not write the image (exit code {result.returncode}):\n{said}")
    report(f"{build.elf} written to {board.title} and verified")
    return command
