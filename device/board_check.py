"""`tinyloc board check`: what a board lacks, what contradicts the facts of its part, and what is not verified.

All of it at once: what is wrong in one table of board.toml keeps no other table from being checked.
"""

import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError

from tinyloc import paths
from tinyloc.boards import Board, BoardError, PartFacts, load_board
from tinyloc.boards.parts import Block, load_part, part_file_names
from tinyloc.device.board_new import OPTIONAL, port_functions
from tinyloc.device.emulator.families import family_names, load_family, port_directory
from tinyloc.device.emulator.memory_map import PAGE
from tinyloc.device.image import build as building
from tinyloc.device.renode.files import files

_UNVERIFIED = re.compile(r"not verified|unverified|second hand|not tried|general knowledge")


@dataclass(frozen=True)
class Finding:
    """One thing to do or to know. `wrong` is False for what is only worth knowing."""

    where: str
    what: str
    wrong: bool = True


@dataclass(frozen=True)
class Tables:
    """The tables of a board.toml that are valid by themselves, and the facts of the part where they are known."""

    values: dict[str, Any]
    facts: PartFacts | None

    def __getattr__(self, name: str) -> Any:
        """A table, None when it is missing or wrong."""
        return self.values.get(name)


def check_board(name: str) -> list[Finding]:
    """List what is missing or wrong in a board, and what of it is marked as not verified.

    Raises:
        BoardError: There is no board of that name.
    """
    places = paths.board_files()
    if name not in places:
        known = ", ".join(sorted(places))
        raise BoardError(f"unknown board {name!r}; known boards: {known}; `tinyloc board new` makes one")
    findings = []
    if len(places[name]) > 1:
        both = " and ".join(str(place) for place in places[name])
        findings.append(Finding("boards", f"two boards are called {name!r}: {both}; rename or remove one"))
    path = places[name][0]
    findings += _todo(path)
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return [*findings, Finding("board.toml", f"not valid TOML: {error}")]
    findings += _schema(raw)
    facts, told = _facts(raw)
    findings += told
    tables = Tables(_valid_tables(raw), facts)
    findings += [Finding("board.toml", what) for rule in RULES for what in rule(tables)]
    if raw.get("name") != path.parent.name:
        findings.append(Finding("board.toml", f"name is {raw.get('name')!r}, its directory {path.parent.name!r}"))
    findings += _script(tables, path.parent) + _port(tables, name) + _emulation(tables, name)
    findings += _notes(path)
    if facts is not None:
        findings += _notes(part_file_names()[facts.name][0])
    return findings


def _todo(path: Path) -> list[Finding]:
    return [
        Finding(f"{path.name}:{number}", line.partition("#")[2].strip() if "#" in line else line.strip())
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if "TODO" in line and not line.startswith("#")
    ]


def _notes(path: Path) -> list[Finding]:
    return [
        Finding(f"{path.name}:{number}", f"not verified: {line.strip()}", wrong=False)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if _UNVERIFIED.search(line) and not line.startswith("#")
    ]


def _schema(raw: dict[str, Any]) -> list[Finding]:
    try:
        Board.model_validate(raw)
    except ValidationError as error:
        return [
            Finding("board.toml", f"{'.'.join(map(str, one['loc']))}: {one['msg'].removeprefix('Value error, ')}")
            for one in error.errors(include_url=False)
        ]
    return []


def _valid_tables(raw: dict[str, Any]) -> dict[str, Any]:
    valid: dict[str, Any] = {}
    for name, field in Board.model_fields.items():
        if name not in raw:
            valid[name] = None if field.is_required() else field.get_default(call_default_factory=True)
            continue
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(cast(Any, field.annotation))
            valid[name] = adapter.validate_python(raw[name], strict=True)
        except ValidationError:
            valid[name] = None
    return valid


def _facts(raw: dict[str, Any]) -> tuple[PartFacts | None, list[Finding]]:
    part = raw.get("part")
    if not isinstance(part, str):
        return None, []
    todo = [finding for path in part_file_names().get(part, []) for finding in _todo(path)]
    try:
        return load_part(part), todo
    except BoardError as error:
        _, _, rest = str(error).partition(".toml: ")
        parts = rest.split("; ") if rest else [str(error)]
        return None, [*todo, *(Finding(f"parts/{part}.toml", what) for what in parts)]


def _core(board: Tables) -> Iterator[str]:
    facts, flags = board.facts, board.build.flags if board.build else []
    if facts is None or board.core is None:
        return
    if board.core != facts.core:
        yield f"core is {board.core}, a {facts.name} has a {facts.core}"
    cpu = facts.core.removesuffix("f")
    if flags and f"-mcpu={cpu}" not in flags:
        yield f"build.flags: no -mcpu={cpu}"
    if facts.core == "cortex-m3" and any(flag.startswith(("-mfpu", "-mfloat-abi=hard")) for flag in flags):
        yield "build.flags: a Cortex-M3 has no floating-point unit"


def _clock(board: Tables) -> Iterator[str]:
    facts, clock = board.facts, board.clock
    if facts is None or clock is None:
        return
    if clock.hz > facts.max_hz:
        yield f"clock.hz is {clock.hz}, a {facts.name} takes at most {facts.max_hz}"
    if clock.source not in facts.oscillators:
        yield f"clock.source: a {facts.name} has no {clock.source!r}; it has {', '.join(facts.oscillators)}"
    limits = facts.wait_state_limits_hz
    if limits:
        needed = next((states for states, limit in enumerate(limits) if clock.hz <= limit), None)
        if clock.flash_wait_states >= len(limits):
            yield f"clock.flash_wait_states is {clock.flash_wait_states}, a {facts.name} has at most {len(limits) - 1}"
        elif needed is not None and clock.flash_wait_states < needed:
            yield (
                f"clock.flash_wait_states is {clock.flash_wait_states}; {clock.hz / 1e6:g} MHz need {needed} "
                f"({clock.flash_wait_states} allow {limits[clock.flash_wait_states] / 1e6:g} MHz)"
            )


def _memories(board: Tables) -> Iterator[str]:
    memories, aliases = board.memory, board.alias or []
    if memories is None:
        return
    for wanted, access in (("flash", "rx"), ("ram", "rw")):
        if not any(memory.name == wanted and memory.access == access for memory in memories):
            yield f"no memory called {wanted!r} with access {access!r}"
    for memory in memories:
        if memory.base % PAGE or memory.size % PAGE:
            yield f"memory {memory.name} is not made of whole pages of {PAGE} bytes"
        if memory.base + memory.size > 1 << 32:
            yield f"memory {memory.name} reaches beyond the 32-bit addresses"
    for one, other in combinations([*memories, *aliases], 2):
        if one.base < other.base + other.size and other.base < one.base + one.size:
            yield f"{one.name} and {other.name} overlap ({max(one.base, other.base):#010x})"
    for one, other in combinations(memories, 2):
        if one.name == other.name:
            yield f"two memories are called {one.name!r}"
    for alias in aliases:
        if not any(m.base <= alias.of and alias.of + alias.size <= m.base + m.size for m in memories):
            yield f"alias {alias.name} shows {alias.of:#010x}, where no memory of the board has all {alias.size} bytes"


def _silicon(board: Tables) -> Iterator[str]:
    facts = board.facts
    if facts is None:
        return
    for memory in board.memory or []:
        kind = "ram" if "w" in memory.access else "flash"
        if (hole := _uncovered(facts.memory, memory.base, memory.base + memory.size, kind)) is not None:
            has = ", ".join(f"{b.name} {b.base:#010x} to {b.base + b.size - 1:#010x}" for b in facts.memory)
            yield f"memory {memory.name}: a {facts.name} has no {kind} at {hole:#010x}; it has {has}"
    for alias in board.alias or []:
        if _uncovered(facts.memory, alias.base, alias.base + alias.size, None) is not None:
            yield f"alias {alias.name}: a {facts.name} has no memory at {alias.base:#010x}"


def _uncovered(blocks: list[Block], start: int, end: int, kind: str | None) -> int | None:
    """First address from `start` to `end` that is in no block of the kind."""
    for block in sorted(blocks, key=lambda block: block.base):
        if kind in (None, block.kind) and block.base <= start < block.base + block.size:
            start = block.base + block.size
    return None if start >= end else start


def _uart(board: Tables) -> Iterator[str]:
    facts, uart = board.facts, board.uart
    if uart is None:
        return
    if uart.baud > uart.max_baud:
        yield f"uart.baud is {uart.baud}, uart.max_baud {uart.max_baud}"
    yield from (f"uart.usb_ids: {one!r} is no vendor:product in hexadecimal" for one in uart.usb_ids
                if not re.fullmatch(r"[0-9a-f]{4}:[0-9a-f]{4}", one))  # fmt: skip
    if facts is None:
        return
    if uart.instance not in facts.uart:
        yield f"uart.instance: a {facts.name} has no {uart.instance!r}; it has {', '.join(facts.uart)}"
        return
    if not facts.pins:
        return
    if board.clock is not None and uart.max_baud > board.clock.hz // 16:
        yield f"uart.max_baud is {uart.max_baud}, a clock of {board.clock.hz} Hz gives at most {board.clock.hz // 16}"
    for signal, pin in (("tx", uart.tx), ("rx", uart.rx)):
        if pin is None:
            yield f"uart.{signal}: missing; {facts.uart[uart.instance].able(signal)} can be {uart.instance}_{signal}"
            continue
        needed = facts.uart[uart.instance].function(signal, pin.pin)
        if pin.pin not in facts.pin_names:
            yield f"uart.{signal}: the {facts.name} has no pin {pin.pin}; it has {facts.pins}"
        elif needed is None:
            able = facts.uart[uart.instance].able(signal)
            yield f"uart.{signal}: {pin.pin} cannot be {uart.instance}_{signal}; {able} can"
        elif needed != pin.function:
            yield f"uart.{signal}: {pin.pin} is {uart.instance}_{signal} by function {needed}, not {pin.function}"
    if uart.tx is not None and uart.rx is not None and uart.tx.pin == uart.rx.pin:
        yield f"uart: tx and rx are both {uart.tx.pin}"


def _energy(board: Tables) -> Iterator[str]:
    energy, facts = board.energy, board.facts
    if energy is None:
        return
    if (energy.wake_us is None) != (energy.awake_hz is None):
        yield "energy: wake_us and awake_hz belong together; one of them is missing"
    if facts is None:
        return
    clocks = {"energy.awake_hz": energy.awake_hz, "energy.study.hz": energy.study.hz if energy.study else None}
    for key, hz in clocks.items():
        if hz is not None and hz > facts.max_hz:
            yield f"{key} is {hz}, a {facts.name} takes at most {facts.max_hz}"
    if energy.wake_us is not None and not (port_directory(facts.family) / "sleep.c").is_file():
        yield f"energy.wake_us: the port of {facts.family} has no sleep.c"


def _budget(board: Tables) -> Iterator[str]:
    if board.memory is None:
        return
    ram = sum(m.size for m in board.memory if "w" in m.access)
    flash = sum(m.size for m in board.memory if m.name == "flash")
    if board.budget is not None and board.budget.ram_bytes > ram:
        yield f"the budget has {board.budget.ram_bytes} bytes of RAM, the part {ram}"
    if board.budget is not None and board.budget.flash_bytes > flash:
        yield f"the budget has {board.budget.flash_bytes} bytes of flash, the part {flash}"
    first = next((m for m in board.memory if m.name == "ram"), None)
    if board.build is not None and first is not None and board.build.stack_bytes >= first.size:
        yield f"build.stack_bytes is {board.build.stack_bytes}, the memory ram has {first.size} bytes"


def _fixed(board: Tables) -> Iterator[str]:
    blocks = board.fixed or []
    for block in blocks:
        if block.base % 4:
            yield f"fixed words {block.name}: {block.base:#x} is not a multiple of 4"
        inside = any(m.base <= block.base and block.base + block.size <= m.base + m.size for m in board.memory or [])
        if board.memory is not None and not inside:
            yield f"fixed words {block.name} lie outside every memory"
    for one, other in combinations(blocks, 2):
        if one.base < other.base + other.size and other.base < one.base + one.size:
            yield f"fixed words {one.name} and {other.name} overlap"


def _flashing(board: Tables) -> Iterator[str]:
    if board.flash is None:
        return
    tools = [board.flash, *board.flash.other]
    for tool in tools:
        if not any("{elf}" in part or "{bin}" in part for part in tool.command):
            yield f"the command of {tool.tool} names neither {{elf}} nor {{bin}}"
    names = [tool.tool for tool in tools]
    yield from (f"two flash tools are called {name!r}" for name in sorted({n for n in names if names.count(n) > 1}))


RULES: tuple[Callable[[Tables], Iterator[str]], ...] = (
    _core, _clock, _memories, _silicon, _uart, _energy, _budget, _fixed, _flashing,
)  # fmt: skip
"""What each table must say for itself, and against the facts of the part."""


def _script(board: Tables, directory: Path) -> list[Finding]:
    if board.build is None:
        return []
    path = directory / board.build.linker_script
    if not path.is_file():
        return [Finding(board.build.linker_script, "missing: the linker script, see boards/stm32l4/stm32l4.ld")]
    text = path.read_text(encoding="utf-8")
    wanted = [(f"INCLUDE {file}", f"does not INCLUDE {file}") for file in ("memory.ld", "vectors.ld", "cortex_m.ld")]
    wanted += [
        (f".fixed.{block.name}", f"does not place the fixed words: KEEP(*(.fixed.{block.name}))")
        for block in board.fixed or []
        if not block.blank
    ]
    if sum("w" in memory.access for memory in board.memory or []) > 1:
        wanted.append((".bss2", "does not place .bss2 in the second bank, with __bss2_start and __bss2_end"))
    return [Finding(path.name, what) for words, what in wanted if words not in text]


def _port(board: Tables, name: str) -> list[Finding]:
    if board.facts is None:
        return []
    directory = port_directory(board.facts.family)
    where = str(directory)
    sources = sorted(directory.glob("*.c"))
    if not sources:
        return [Finding(where, "missing: the port, C files that define what firmware/port/port.h asks of the chip")]
    text = "\n".join(source.read_text(encoding="utf-8") for source in sources)
    found = [
        Finding(where, f"{function} is not written yet")
        for function in port_functions()
        if re.search(rf"^#error {function}\b", text, re.M)
    ]
    found += [
        Finding(where, f"{function} is missing: {signature};")
        for function, (signature, _) in port_functions().items()
        if function not in OPTIONAL and not re.search(rf"\b{function}\([^;{{]*\{{", text)
    ]
    return found or _compiles(name, sources, where)


def _compiles(name: str, sources: list[Path], where: str) -> list[Finding]:
    try:
        board = load_board(name)
        header = building.board_header(board)
    except BoardError:
        return []  # told already
    compiler = shutil.which(building.COMPILER)
    if compiler is None:
        return [Finding(where, f"not compiled: no {building.COMPILER}; {building.INSTALL_HINT}", wrong=False)]
    found = []
    with tempfile.TemporaryDirectory(prefix="tinyloc-port-") as work:
        (Path(work) / "board.h").write_text(header, encoding="utf-8", newline="\n")
        for source in sources:
            command = [compiler, "-std=c11", "-ffreestanding", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-Os"]
            command += [*board.build.flags, "-I.", f"-I{paths.FIRMWARE_DIR}", "-c", str(source), "-o", "port.o"]
            result = subprocess.run(command, cwd=work, capture_output=True, text=True)
            if result.returncode:
                found.append(Finding(where, f"does not compile: {result.stderr.strip()}"))
    return found


def _emulation(board: Tables, name: str) -> list[Finding]:
    facts = board.facts
    if facts is None:
        return []
    try:
        family = load_family(facts.family)
    except BoardError as error:
        return [Finding("family", f"{error}")]
    try:
        whole = load_board(name)
        if whole.virtual or whole.directory.parent != paths.BOARDS_DIR:
            return []
        if family.renode is None:
            return [Finding("family", f"no notes for Renode in FAMILY of {facts.family}", wrong=False)]
        wanted = files(whole)
    except BoardError as error:
        known = facts.family in family_names() and "registers" in str(error)
        return [Finding("emulator", str(error))] if known else []
    stale = [
        file for file, text in wanted.items()
        if not (paths.RENODE_DIR / file).is_file() or (paths.RENODE_DIR / file).read_text(encoding="utf-8") != text
    ]  # fmt: skip
    if not stale:
        return []
    again = "make them again with `python -m tinyloc.device.renode.files`"
    return [Finding("renode", f"{', '.join(stale)} out of date; {again}")]
