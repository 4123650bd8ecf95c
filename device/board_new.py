"""`tinyloc board new`: the files of a new board, and of its part or family where these are new too."""

import re
from pathlib import Path
from typing import get_args

from tinyloc import paths
from tinyloc.boards import BoardError, Core
from tinyloc.boards.parts import UartFacts, load_part, part_file_names
from tinyloc.device.emulator.families import family_names
from tinyloc.files import write_whole
from tinyloc.names import file_name, line_of_text

NAME = re.compile(r"(?!all$)[a-z][a-z0-9_]{0,14}")
"""`--board all` means every board."""
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


def new_board(
    name: str, part: str, title: str | None = None, family: str | None = None, core: str = "cortex-m3"
) -> list[Path]:
    """Write the files of a new board into ./boards, with a TODO for every fact that is not known.

    Args:
        name: Name of the board.
        part: Its microcontroller. If its facts are known, they fill board.toml; otherwise parts/<part>.toml is written.
        title: Name in reports; name and part when not given.
        family: Family of an unknown part. An unknown family gets a port and an emulator model to be written.
        core: Core of an unknown part.

    Returns:
        The files.

    Raises:
        BoardError: A name that exists or cannot be one, an unknown core, or an unknown part without a family.
    """
    if not NAME.fullmatch(name):
        raise BoardError(f"{name!r} is no name for a board; at most 15 small letters, digits and underscores, not all")
    if core not in get_args(Core):
        raise BoardError(f"unknown core {core!r}; there are: {', '.join(get_args(Core))}")
    for option, text in (("--part", part), ("--title", title or part)):
        _check_text(option, text)
    _check_file_name("--part", part)
    if found := paths.board_files().get(name):
        raise BoardError(f"{found[0].parent} exists already; choose another name")
    directory = paths.OWN_BOARDS / name
    written: dict[Path, str] = {}
    if part in part_file_names():
        facts = load_part(part)
        core, values = facts.core, _known_values(part)
    else:
        if family is None:
            raise BoardError(
                f"the facts of {part!r} are not known (known parts: {', '.join(sorted(part_file_names()))}); give "
                f"--family: {', '.join(family_names())}, or the name of a new one"
            )
        _check_file_name("--family", family)
        values = _unknown_values()
        written |= _part_files(part, family, core)
    values |= {"name": name, "title": title or f"{name} ({part})", "part": part, "core": core, "flags": FLAGS[core]}
    written[directory / "board.toml"] = _template("new_board.toml", values)
    written[directory / f"{name}.ld"] = _template("new_board.ld", values)
    for path, text in written.items():
        write_whole(path, text)
    return sorted(written)


def _template(name: str, values: dict[str, str]) -> str:
    return (paths.BOARDS_DIR / "common" / name).read_text(encoding="utf-8").format(**values)


def _check_text(option: str, text: str) -> None:
    """Raises BoardError for a text that would not stay in its string of TOML or its comment of C."""
    try:
        line_of_text(text)
    except ValueError as error:
        raise BoardError(f"{option}: {error}") from error
    if any(mark in text for mark in ('"', "\\", "*/")):
        raise BoardError(f"{option} {text}: leave out quotes, backslashes and comment marks")


def _check_file_name(option: str, text: str) -> None:
    try:
        file_name(text)
    except ValueError as error:
        raise BoardError(f"{option}: {error}") from error


def _known_values(part: str) -> dict[str, str]:
    """What the part's facts say, as text of board.toml."""
    facts = load_part(part)
    source, hz = max(facts.oscillators.items(), key=lambda item: item[1])
    limits = facts.wait_state_limits_hz
    states = next((number for number, limit in enumerate(limits) if facts.max_hz <= limit), 0)
    blocks = [block for block in facts.memory if block.same_as is None]
    flash = next(block for block in blocks if block.kind == "flash")
    ram = max((block for block in blocks if block.kind == "ram"), key=lambda block: block.size)
    instance, uart = next(iter(facts.uart.items()))
    return {
        "source": source, "sources": ", ".join(facts.oscillators), "hz": str(facts.max_hz if limits else hz),
        "wait_states": str(states), "flash_base": f"{flash.base:#010x}", "flash_size": f"{flash.size:#x}",
        "ram_base": f"{ram.base:#010x}", "ram_size": f"{ram.size:#x}", "flash_bytes": str(flash.size),
        "ram_bytes": str(ram.size), "instance": instance, "instances": ", ".join(facts.uart),
        "tx": _pin(uart, "tx"), "rx": _pin(uart, "rx"), "memory_todo": "check", "clock_todo": "check",
    }  # fmt: skip


def _pin(uart: UartFacts, signal: str) -> str:
    able = uart.tx if signal == "tx" else uart.rx
    pin, number = next(iter(able.items()))
    return f'{{ pin = "{"TODO" if pin == "*" else pin}", function = {number} }}'


def _unknown_values() -> dict[str, str]:
    pin = '{ pin = "TODO", function = 0 }'
    return {
        "source": "TODO", "sources": "its name in parts/", "hz": "0", "wait_states": "0", "flash_base": "0x0000_0000",
        "flash_size": "0", "ram_base": "0x2000_0000", "ram_size": "0", "flash_bytes": "0", "ram_bytes": "0",
        "instance": "TODO", "instances": "its name in parts/", "tx": pin, "rx": pin, "memory_todo": "TODO",
        "clock_todo": "TODO",
    }  # fmt: skip


def _part_files(part: str, family: str, core: str) -> dict[Path, str]:
    """The facts of an unknown part, and the port and model of an unknown family."""
    values = {"part": part, "family": family, "core": core}
    files = {paths.OWN_BOARDS / "parts" / f"{part}.toml": _template("new_part.toml", values)}
    if family not in family_names():
        place = paths.OWN_BOARDS / "families" / family
        files[place / "port" / "port.c"] = _port_source(family)
        files[place / "emulator.py"] = _template("new_family.py.txt", values)
    return files


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


def _port_source(family: str) -> str:
    bodies = [
        f"/* {comment or name} */\n{signature} {{\n#error {name}: to be written\n}}\n"
        for name, (signature, comment) in port_functions().items()
        if name not in OPTIONAL
    ]
    head = f'/* {family}: TODO clock, pins, watchdog, and where the registers are documented. */\n#include "board.h"\n'
    return head + '#include "port/cortex_m/core.h"\n#include "port/port.h"\n\n' + "\n".join(bodies)
