"""Write an image to a board with the tool that board.toml names."""

import os
import shlex
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from tinyloc.boards import Board, FlashTool, part_names
from tinyloc.boards.fixed import fixed_problems
from tinyloc.device.image.build import BuildResult, read_record
from tinyloc.device.image.footprint import flash_content
from tinyloc.errors import UserError

TIMEOUT_S = 120.0

_HINTS = {
    "openocd": "`apt install openocd`",
    "st-flash": "`apt install stlink-tools`",
    "pyocd": "`pip install pyocd`",
    "probe-rs": "see https://probe.rs/docs/getting-started/installation",
    "cc2538-bsl": "`pip install cc2538-bsl`, or https://github.com/JelmerT/cc2538-bsl",
}
# What the tools say when no probe answers, or a probe without a part behind it.
_NO_BOARD = (
    "open failed", "unable to find a matching", "no device found", "init mode failed", "Error connecting",
    "No connected debug probes", "No probe was found", "No available debug probes", "Couldn't find ST-Link",
    "Could not connect to target", "No serial port",
)  # fmt: skip
_DRIVES = ("/media/*", "/run/media/*", "/media", "/Volumes", "/mnt")
COPY = "copy"
"""First word of a command that is no program but a copy to the USB drive of the probe."""


class FlashError(UserError):
    """No tool, no board, or an image that was not written."""


def flash_tool(board: Board, tool: str | None = None) -> FlashTool:
    """Return the tool of a name, or the board's preferred one without a name.

    Raises:
        FlashError: no such tool; the message lists all.
    """
    tools = board.flash_tools
    if board.flash is None:
        raise FlashError(
            f"{board.title} cannot be flashed: it is a virtual board; run it with `tinyloc emulate`, or choose one of "
            f"{', '.join(part_names())}"
        )
    if tool is None:
        return board.flash
    if tool not in tools:
        raise FlashError(f"{board.title} cannot be flashed with {tool!r}; tools: {', '.join(tools)}")
    return tools[tool]


def flash_command(build: BuildResult, board: Board, tool: str | None = None) -> list[str]:
    """Return the command that writes an image; `{elf}` and `{bin}` of board.toml become the files of the build.

    Raises:
        FlashError: the board has no such tool.
    """
    files = {"elf": str(build.elf.resolve()), "bin": str(build.bin.resolve())}
    return [part.format(**files) for part in flash_tool(board, tool).command]


def check_image(build: BuildResult, board: Board) -> None:
    """Refuse an image that is missing, too large, or made for another part.

    Raises:
        FlashError: every problem at once.
    """
    again = f"make it with `tinyloc build --board {board.name}`"
    if not build.elf.is_file():
        raise FlashError(f"{build.elf}: no such image; {again}")
    flash_memory = board.region("flash")
    problems = []
    if (build.elf.parent / "build.json").is_file():
        record = read_record(build.elf.parent)
        if record.board != board.name:  # another board of the same part has other pins
            problems.append(f"built for {record.part} ({record.board})")
    if build.sizes.flash > flash_memory.size:
        problems.append(f"takes {build.sizes.flash} bytes, {board.part} has {flash_memory.size} bytes of flash")
    segments = flash_content(build.elf)
    for address, content in segments:
        if not flash_memory.base <= address <= flash_memory.base + flash_memory.size - len(content):
            problems.append(f"{len(content)} bytes at {address:#010x} lie outside the flash")
    vectors = next((content for address, content in segments if address == flash_memory.base), b"")[:8]
    stack, start = (int.from_bytes(vectors[i : i + 4], "little") for i in (0, 4))
    if not any(memory.base < stack <= memory.base + memory.size for memory in board.ram):
        problems.append(f"the stack would start at {stack:#010x}, where the part has no RAM")
    if not start & 1 or not flash_memory.base <= start < flash_memory.base + flash_memory.size:
        problems.append(f"the reset vector {start:#010x} is not Thumb code in flash")
    problems += fixed_problems(board, segments)
    if problems:
        raise FlashError(f"{build.elf} is not for {board.title}: {'; '.join(problems)}; {again}")


def flash(
    build: BuildResult,
    board: Board,
    dry_run: bool = False,
    report: Callable[[str], None] = print,
    tool: str | None = None,
) -> list[str]:
    """Write an image to a connected board and verify it as far as the tool does.

    Args:
        build: the image.
        board: the board that is connected.
        dry_run: only report the command.
        report: called with each line for the user.
        tool: one of the board's tools; without it the preferred one.

    Returns:
        The command.

    Raises:
        FlashError: the image, the tool or the board is missing, or the image is not for this part.
    """
    chosen = flash_tool(board, tool)
    check_image(build, board)
    command = flash_command(build, board, tool)
    if chosen.note:
        report(f"{chosen.tool}: {chosen.note}")
    if command[0] == COPY:
        return _copy(command, build, board, dry_run, report)
    report(shlex.join(command))
    if dry_run:
        return command
    if shutil.which(command[0]) is None:
        others = [name for name in board.flash_tools if name != chosen.tool]
        hint = _HINTS.get(chosen.tool, "see its documentation")
        instead = f"; or choose another with --tool: {', '.join(others)}" if others else ""
        raise FlashError(f"{chosen.tool} is not installed: {hint}{instead}; the image is ready at {build.elf}")
    try:
        result = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired as error:
        raise FlashError(f"{chosen.tool} did not answer within {TIMEOUT_S:.0f} s; reconnect the board") from error
    said = (result.stdout + result.stderr).strip()
    if result.returncode != 0:
        if any(sign in said for sign in _NO_BOARD):
            raise FlashError(f"no {board.title} found; connect it by USB. {chosen.tool} said:\n{said}")
        raise FlashError(f"{chosen.tool} could not write the image (exit code {result.returncode}):\n{said}")
    report(f"{build.elf} written to {board.title}{_verified(command)}")
    return command


def _verified(command: list[str]) -> str:
    checks = any("verify" in part or part == "-v" for part in command) or command[0] == "st-flash"
    return " and verified" if checks else "; not verified: this tool does not read it back"


def _copy(
    command: list[str], build: BuildResult, board: Board, dry_run: bool, report: Callable[[str], None]
) -> list[str]:
    """Copy to the drive whose label ends the command."""
    source, label = Path(command[1]), command[2]
    found = sorted(path for pattern in _DRIVES for path in Path("/").glob(f"{pattern.lstrip('/')}/{label}"))
    drive = found[0] if found else Path(f"/media/{label}")
    plain = ["cp", str(source), str(drive)]
    report(shlex.join(plain))
    if dry_run:
        return plain
    if not found:
        raise FlashError(f"no drive called {label} is mounted; connect {board.title} by USB and mount it")
    with (drive / source.name).open("wb") as target:
        target.write(source.read_bytes())
        target.flush()
        os.fsync(target.fileno())
    report(f"{build.bin} copied to {drive}; press reset. The copy is not verified; check it with `tinyloc evaluate`")
    return plain
