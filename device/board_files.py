"""`tinyloc board new` and `check`: the files of a new board, and what an existing one still lacks."""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import get_args

from tinyloc import paths
from tinyloc.boards import Board, BoardError, Core, board_names, load_board
from tinyloc.device.emulator.machine import PART_MODELS
from tinyloc.device.emulator.memory_map import PAGE
from tinyloc.device.image import build as building
from tinyloc.device.renode.files import UART_LINES, files
from tinyloc.files import write_whole
from tinyloc.names import line_of_text

NAME = re.compile(r"[a-z][a-z0-9_]{0,14}")
"""HELLO carries 15 bytes of it; it names directories and C files."""
FLAGS = {
    "cortex-m3": '["-mcpu=cortex-m3", "-mthumb", "-mfloat-abi=soft"]',
    "cortex-m4f": '["-mcpu=cortex-m4", "-mthumb", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"]',
}
OPTIONAL = frozenset({"tl_port_memory_on"})
"""Functions that port/cortex_m brings when a port does not."""
_CHIP = re.compile(r"/// The chip.*?///\n(.*?)/// The core", re.S)
_DECLARATION = re.compile(
    r"(?:/\*(?P<comment>.*?)\*/\s*)?(?P<signature>[\w ]+?\b(?P<name>tl_port_\w+)\([^)]*\));", re.S
)


@dataclass(frozen=True)
class Finding:
    """One thing to do or to know. `wrong` is False for what is only worth knowing."""

    where: str
    what: str
    wrong: bool = True


def new_board(name: str, part: str, title: str | None = None, core: str = "cortex-m3") -> list[Path]:
    """Write board.toml, linker script and port of a new board, with a TODO for every fact; gives the files.

    Raises BoardError for a name that exists or cannot be one, and for an unknown core; InstalledError outside a clone.
    """
    if not NAME.fullmatch(name):
        raise BoardError(f"{name!r} is no name for a board; use at most 15 small letters, digits and underscores")
    if core not in get_args(Core):
        raise BoardError(f"unknown core {core!r}; there are: {', '.join(get_args(Core))}")
    for option, text in (("--part", part), ("--title", title or part)):
        _check_text(option, text)
    directory = paths.folder_of_clone(paths.BOARDS_DIR, "add a board in a clone of the repository") / name
    port = paths.FIRMWARE_DIR / "port" / name
    if directory.exists() or port.exists():
        raise BoardError(f"{directory if directory.exists() else port} exists already; choose another name")
    values = {"name": name, "title": title or part, "part": part, "core": core, "flags": FLAGS[core],
              "model": next(iter(PART_MODELS)), "models": ", ".join(PART_MODELS)}  # fmt: skip
    template = paths.BOARDS_DIR / "common"
    written = {
        directory / "board.toml": (template / "new_board.toml").read_text(encoding="utf-8").format(**values),
        directory / f"{name}.ld": (template / "new_board.ld").read_text(encoding="utf-8").format(**values),
        port / "port.c": _port_source(part),
    }
    for path, text in written.items():
        write_whole(path, text)
    return list(written)


def _check_text(option: str, text: str) -> None:
    """Raises BoardError for a text that would not stay in its string of TOML or its comment of C."""
    try:
        line_of_text(text)
    except ValueError as error:
        raise BoardError(f"{option}: {error}") from error
    if any(mark in text for mark in ('"', "\\", "*/")):
        raise BoardError(f"{option} {text}: leave out quotes, backslashes and comment marks")


def port_functions() -> dict[str, tuple[str, str]]:
    """Name -> signature and comment of what a port must define, from port.h."""
    header = (paths.FIRMWARE_DIR / "port" / "port.h").read_text(encoding="utf-8")
    chip = _CHIP.search(header)
    if chip is None:
        raise BoardError("firmware/port/port.h has no section about the chip; install tinyloc again")
    return {
        found["name"]: (" ".join(found["signature"].split()), (found["comment"] or "").strip())
        for found in _DECLARATION.finditer(chip[1])
    }


def _port_source(part: str) -> str:
    bodies = [
        f"/* {comment or name} */\n{signature} {{\n#error {name}: to be written\n}}\n"
        for name, (signature, comment) in port_functions().items()
        if name not in OPTIONAL
    ]
    head = f'/* {part}: TODO clock, pins, watchdog, and where the registers are documented. */\n#include "board.h"\n'
    return head + '#include "port/cortex_m/core.h"\n#include "port/port.h"\n\n' + "\n".join(bodies)


def check_board(name: str) -> list[Finding]:
    """What is missing or wrong in a board, and what of it is marked as not verified. Raises BoardError when unknown."""
    if name not in board_names():
        known = ", ".join(board_names())
        raise BoardError(f"unknown board {name!r}; known boards: {known}; `tinyloc board new` makes one")
    path = paths.BOARDS_DIR / name / "board.toml"
    findings = [
        Finding(f"{path.name}:{number}", line.partition("#")[2].strip() if "#" in line else line.strip())
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if "TODO" in line and not line.startswith("#")
    ]
    try:
        board = load_board(name)
    except BoardError as error:
        return [*findings, *(Finding(path.name, part) for part in str(error).partition(": ")[2].split("; "))]
    findings += _facts(board) + _script(board) + _port(board) + _emulation(board) + _flashing(board)
    findings += [
        Finding(f"{path.name}:{number}", f"not verified: {line.strip()}", wrong=False)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"not verified|unverified|second hand|not tried", line) and not line.startswith("#")
    ]
    return findings


def _facts(board: Board) -> list[Finding]:
    where = "board.toml"
    found = []
    if board.name != board.directory.name:
        found.append(Finding(where, f"name is {board.name!r}, its directory {board.directory.name!r}"))
    for wanted, access in (("flash", "rx"), ("ram", "rw")):
        if not any(memory.name == wanted and memory.access == access for memory in board.memory):
            found.append(Finding(where, f"no memory called {wanted!r} with access {access!r}"))
    for memory in board.memory:
        if memory.base % PAGE or memory.size % PAGE:
            found.append(Finding(where, f"memory {memory.name} is not made of whole pages of {PAGE} bytes"))
    places = sorted(
        [(m.base, m.base + m.size, m.name) for m in board.memory]
        + [(a.base, a.base + a.size, a.name) for a in board.alias]
    )
    for (_, end, before), (start, _, after) in pairwise(places):
        if start < end:
            found.append(Finding(where, f"{before} and {after} overlap"))
    ram, flash = sum(m.size for m in board.ram), sum(m.size for m in board.memory if m.name == "flash")
    if board.budget.ram_bytes > ram:
        found.append(Finding(where, f"the budget has {board.budget.ram_bytes} bytes of RAM, the part {ram}"))
    if board.budget.flash_bytes > flash:
        found.append(Finding(where, f"the budget has {board.budget.flash_bytes} bytes of flash, the part {flash}"))
    for block in board.fixed:
        if not any(m.base <= block.base and block.base + block.size <= m.base + m.size for m in board.memory):
            found.append(Finding(where, f"fixed words {block.name} lie outside every memory"))
    return found


def _script(board: Board) -> list[Finding]:
    path = board.directory / board.build.linker_script
    if not path.is_file():
        return [Finding(board.build.linker_script, "missing: the linker script, see boards/stm32l4/stm32l4.ld")]
    text = path.read_text(encoding="utf-8")
    wanted = [(f"INCLUDE {file}", f"does not INCLUDE {file}") for file in ("memory.ld", "vectors.ld", "cortex_m.ld")]
    wanted += [
        (f".fixed.{block.name}", f"does not place the fixed words: KEEP(*(.fixed.{block.name}))")
        for block in board.fixed
        if not block.blank
    ]
    if len(board.ram) > 1:
        wanted.append((".bss2", "does not place .bss2 in the second bank, with __bss2_start and __bss2_end"))
    return [Finding(path.name, what) for words, what in wanted if words not in text]


def _port(board: Board) -> list[Finding]:
    directory = paths.FIRMWARE_DIR / "port" / board.build.port
    where = f"firmware/port/{board.build.port}"
    sources = sorted(directory.glob("*.c"))
    if not sources:
        return [Finding(where, "missing: the port, C files that define what firmware/port/port.h asks of the chip")]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    found = [
        Finding(where, f"{name} is not written yet")
        for name in port_functions()
        if re.search(rf"^#error {name}\b", text, re.M)
    ]
    found += [
        Finding(where, f"{name} is missing: {signature};")
        for name, (signature, _) in port_functions().items()
        if name not in OPTIONAL and not re.search(rf"\b{name}\([^;{{]*\{{", text)
    ]
    return found or _compiles(board, sources, where)


def _compiles(board: Board, sources: list[Path], where: str) -> list[Finding]:
    compiler = shutil.which(building.COMPILER)
    if compiler is None:
        return [Finding(where, f"not compiled: no {building.COMPILER}; {building.INSTALL_HINT}", wrong=False)]
    found = []
    with tempfile.TemporaryDirectory(prefix="tinyloc-port-") as name:
        (Path(name) / "board.h").write_text(building.board_header(board), encoding="utf-8", newline="\n")
        for source in sources:
            command = [compiler, "-std=c11", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Os"]
            command += [*board.build.flags, "-I.", f"-I{paths.FIRMWARE_DIR}", "-c", str(source), "-o", "port.o"]
            result = subprocess.run(command, cwd=name, capture_output=True, text=True)
            if result.returncode:
                found.append(Finding(where, f"does not compile: {result.stderr.strip()}"))
    return found


def _emulation(board: Board) -> list[Finding]:
    if board.uart.model not in PART_MODELS:
        what = f"no model {board.uart.model!r} for its peripherals; write one and add it to PART_MODELS"
        return [Finding("device/emulator", f"{what}, which has {', '.join(PART_MODELS)}")]
    if board.virtual:
        return []
    if board.uart.model not in UART_LINES:
        return [Finding("device/renode/files.py", f"no UART {board.uart.model!r} of Renode in UART_LINES", wrong=False)]
    stale = [
        file for file, text in files(board).items()
        if not (paths.RENODE_DIR / file).is_file() or (paths.RENODE_DIR / file).read_text(encoding="utf-8") != text
    ]  # fmt: skip
    if stale:
        return [
            Finding(
                "renode",
                f"{', '.join(stale)} out of date; make them again with `python -m tinyloc.device.renode.files`",
            )
        ]
    return []


def _flashing(board: Board) -> list[Finding]:
    return [
        Finding("board.toml", f"the command of {tool.tool} names neither {{elf}} nor {{bin}}")
        for tool in board.flash_tools.values()
        if not any("{elf}" in part or "{bin}" in part for part in tool.command)
    ]
