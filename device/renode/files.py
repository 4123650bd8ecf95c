"""Files for Renode 1.16: a platform, a script and a robot test of each board, and the golden exchanges of an image.

The platform is made from board.toml (memories, aliases, UART, clock) and from the emulator's register tables: each
modelled peripheral becomes a piece of memory that holds its reset values, with the ready bits that start-up code waits
for already set. So Renode runs the same start-up code on the same map; what a register does is tested in our emulator.
The files lie in renode/, a test keeps them in step with what is generated here.

Renode executes one instruction a cycle here (PerformanceInMips = clock in MHz), so its DWT counts instructions.
"""

import itertools
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc import paths
from tinyloc.boards import Board, BoardError
from tinyloc.bundle.schema import load_bundle, load_test_set
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.emulator.families import RenodeNotes, load_family, make_part
from tinyloc.device.emulator.flash_memory import FlashMemory
from tinyloc.device.emulator.memory_map import PAGE
from tinyloc.device.emulator.peripherals import Host, RegisterFile, Uart
from tinyloc.device.image.build import BuildResult
from tinyloc.device.link.frames import Frame, Message, decode, dense_body, parse_hello, parse_result, sparse_body
from tinyloc.files import whole_directory

CORES = {"cortex-m3": "cortex-m3", "cortex-m4f": "cortex-m4f"}
OWN = ("system control space", "DWT")
"""Peripherals for which Renode has its own model beside the UART."""
INSTRUCTION_TOLERANCE = 0.01
"""Renode 1.16.0 and 1.16.1 ran these files within 0.36 % of the emulator's counts."""


@dataclass(frozen=True)
class Window:
    """A piece of memory that stands for registers."""

    name: str
    base: int
    size: int


class _Still:
    """A clock that stands, for register tables that nothing runs on."""

    def cycles(self) -> int:
        return 0


def _notes(board: Board) -> RenodeNotes:
    family = board.facts.family
    notes = load_family(family).renode
    if notes is None:
        raise BoardError(f"board {board.name}: the family {family} has no notes for Renode (FAMILY.renode)")
    return notes


def _peripherals(board: Board) -> list[RegisterFile]:
    def nothing(*_: object) -> None:
        return None

    flash = FlashMemory(lambda address, size: bytes(size), nothing, board.facts.flash_page or PAGE)
    host = Host(board, board.facts, _Still(), nothing, nothing, nothing, lambda base, size, closed: None, flash)
    part = make_part(host)
    return [p for p in part.peripherals if isinstance(p, RegisterFile)]


def _registers(board: Board) -> list[RegisterFile]:
    return [p for p in _peripherals(board) if p.name not in OWN and not isinstance(p, Uart)]


def _identifier(name: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in name.lower())


def _windows(board: Board) -> tuple[list[Window], list[tuple[str, int, int]]]:
    """Memory for the registers, and tags (name, address, value) in the holes left for them."""
    windows, tags = [], []
    taken = {"cpu", "nvic", "dwt", "uart", *(name for name, _, _ in _memories(board))}
    for peripheral in _registers(board):
        sticky = _notes(board).sticky.get(peripheral.name, {})
        places = {register.name: peripheral.base + offset for offset, register in peripheral.registers.items()}
        holes = sorted((places[name], name, value) for name, value in sticky.items())
        name, start, end = _identifier(peripheral.name), peripheral.base, peripheral.base + peripheral.size
        name += "_registers" if name in taken else ""
        for number, (address, register, value) in enumerate(holes):
            tags.append((f"{peripheral.name}_{register}", address, value))
            windows.append(Window(f"{name}_{number}", start, address - start))
            start = address + 4
        windows.append(Window(name, start, end - start))
    return windows, tags


def _presets(board: Board) -> list[tuple[int, int, str]]:
    """Address, value and name of every register that does not start at 0."""
    ready = _notes(board).ready
    sticky = _notes(board).sticky
    presets = []
    for peripheral in _registers(board):
        peripheral.reset()
        for offset, register in sorted(peripheral.registers.items()):
            value = peripheral.values[register.name] | ready.get(peripheral.name, {}).get(register.name, 0)
            if value and register.name not in sticky.get(peripheral.name, {}):
                presets.append((peripheral.base + offset, value, f"{peripheral.name} {register.name}"))
    return presets


def _memories(board: Board) -> list[tuple[str, list[int], int]]:
    """Name, addresses and size of each memory, cut where an alias shows a part of it."""
    pieces = []
    for memory in board.memory:
        aliases = [a for a in board.alias if memory.base <= a.of < memory.base + memory.size]
        cuts = sorted({memory.base, memory.base + memory.size, *(x for a in aliases for x in (a.of, a.of + a.size))})
        for number, (start, end) in enumerate(itertools.pairwise(cuts)):
            others = [a.base + start - a.of for a in aliases if a.of <= start and end <= a.of + a.size]
            name = memory.name if number == 0 else f"{memory.name}_{number}"
            pieces.append((name, [start, *others], end - start))
    return pieces


def platform(board: Board) -> str:
    """The .repl file."""
    lines = [
        f"// {board.title} for Renode 1.16. Made from boards/{board.name}/board.toml and device/emulator by",
        "// device/renode/files.py; to be made again with `python -m tinyloc.device.renode.files`.",
        "",
        "nvic: IRQControllers.NVIC @ sysbus 0xE000E000",
        f"    systickFrequency: {board.clock.hz}",
        "    IRQ -> cpu@0",
        "",
        "cpu: CPU.CortexM @ sysbus",
        f'    cpuType: "{CORES[board.core]}"',
        "    nvic: nvic",
        f"    PerformanceInMips: {board.clock.hz // 1_000_000}",
        "",
        "dwt: Miscellaneous.DWT @ sysbus 0xE0001000",
        f"    frequency: {board.clock.hz}",
    ]
    for name, places, size in _memories(board):
        where = f"sysbus {places[0]:#010x}" if len(places) == 1 else (
            "{ " + "; ".join(f"sysbus {place:#010x}" for place in places) + " }"
        )  # fmt: skip
        lines += ["", f"{name}: Memory.MappedMemory @ {where}", f"    size: {size:#x}"]
    notes = _notes(board)
    lines += ["", f"uart: {notes.uart} @ sysbus {board.uart_base:#010x}"]
    lines += ["    " + option.format(hz=board.clock.hz) for option in notes.options.splitlines()]
    windows, tags = _windows(board)
    for window in windows:
        lines += ["", f"{window.name}: Memory.ArrayMemory @ sysbus {window.base:#010x}", f"    size: {window.size:#x}"]
    if tags:
        lines += ["", "sysbus:", "    init:"]
        lines += [f'        Tag <{base:#010x}, {base + 3:#010x}> "{name}" {value:#x}' for name, base, value in tags]
    return "\n".join(lines) + "\n"


def script(board: Board) -> str:
    """The .resc file: a powered-on board with the image beside it in its flash."""
    lines = [
        f":name: {board.title}",
        f":description: The firmware of tinyloc on {board.title}. Made by device/renode/files.py.",
        "",
        f'mach create "{board.name}"',
        f"machine LoadPlatformDescription $ORIGIN/{board.name}.repl",
        "",
        "# reset values, and the ready bits that the start-up code waits for",
        *(f"# {name}\nsysbus WriteDoubleWord {base:#010x} {value:#x}" for base, value, name in _presets(board)),
        "",
        "sysbus LoadELF $ORIGIN/firmware.elf",
        f"cpu VectorTableOffset {board.region('flash').base:#010x}",
    ]
    return "\n".join(lines) + "\n"


def robot(board: Board) -> str:
    """The .robot file. Its exchanges come from the golden file beside the image."""
    return f"""\
*** Settings ***
Documentation     {board.title}: the same image and the same answers as in the emulator. Made by device/renode/files.py.
Library           ${{CURDIR}}/golden.py

*** Variables ***
# An access by the core that hits no memory, no model and no tag.
${{UNKNOWN}}        0x[0-9A-Fa-f]+. (Read|Write)[A-Za-z]+ (from|to) non existing peripheral

*** Keywords ***
Power On
    Load Golden               ${{CURDIR}}/golden.json
    ${{script}}=                Monitor Path  ${{CURDIR}}/{board.name}.resc
    Execute Command           include @${{script}}
    Create Log Tester         0
    ${{file}}=                  New Capture File
    Set Test Variable         ${{FILE}}  ${{file}}
    ${{capture}}=               Monitor Path  ${{file}}
    Execute Command           sysbus.uart CreateFileBackend @${{capture}} true
    Execute Command           emulation RunFor "0.05"

Exchange
    [Arguments]               ${{name}}
    @{{bytes}}=                 Request Bytes  ${{name}}
    FOR  ${{byte}}  IN  @{{bytes}}
        Execute Command       sysbus.uart WriteChar ${{byte}}
    END
    Execute Command           emulation RunFor "0.1"
    Reply Should Match        ${{name}}  ${{FILE}}

Only Known Addresses
    Should Not Be In Log      ${{UNKNOWN}}  treatAsRegex=true

*** Test Cases ***
Should Boot And Greet
    Power On
    Exchange                  hello
    Only Known Addresses

Should Classify Golden Scans
    Power On
    Exchange                  hello
    Exchange                  reset
    @{{names}}=                 Sample Names
    FOR  ${{name}}  IN  @{{names}}
        Exchange              ${{name}}
    END
    Only Known Addresses

Should Report A Corrupted Frame And Recover
    Power On
    Exchange                  reset
    Exchange                  corrupted
    Exchange                  sample 0
    Only Known Addresses
"""


def files(board: Board) -> dict[str, str]:
    """Name -> content of what lies in renode/ for a board."""
    return {
        f"{board.name}.repl": platform(board),
        f"{board.name}.resc": script(board),
        f"{board.name}.robot": robot(board),
    }


PROGRAMS = ("golden.py", "compare_counts.py")
"""The library of the robot tests and the comparison of instruction counts, in renode/."""

Scan = tuple[npt.NDArray[np.uint16], npt.NDArray[np.int8]]


def bundle_scans(bundle_dir: Path, limit: int = 40) -> list[Scan]:
    """The first scans of the first recording of a test set: enough for three decisions where a window decides."""
    bundle = load_bundle(bundle_dir)
    test_set = load_test_set(bundle_dir, bundle)
    recording = next(test_set.recordings())
    wanted = min(limit, max(6, bundle.window.steps + 2 * bundle.window.hop))
    return [test_set.sparse(index) for index in range(recording.start, min(recording.stop, recording.start + wanted))]


def golden(build: BuildResult, board: Board, scans: Sequence[Scan] | None = None) -> dict[str, object]:
    """Exchanges with the emulated board: requests, decoded replies, and instructions of each sample.

    Args:
        scans: indices and dBm of the heard access points; a handful of made-up ones when not given.
    """
    device = EmulatedDevice(build.elf, board, measure=True)

    def ask(request: bytes) -> Frame:
        device.write(request)
        return _only_frame(device.read(0))

    hello_frame = Frame(Message.HELLO, 1)
    hello = parse_hello(ask(hello_frame.encode()).body)
    exchanges: list[dict[str, object]] = [
        {
            "name": "hello",
            "request": list(hello_frame.encode()),
            "type": int(Message.HELLO_REPLY),
            "seq": 1,
            "body": list(ask(hello_frame.encode()).body),
        }
    ]
    reset = Frame(Message.RESET, 10)
    ask(reset.encode())
    exchanges.append(
        {"name": "reset", "request": list(reset.encode()), "type": int(Message.RESET_REPLY), "seq": 10, "body": []}
    )
    rows = list(scans) if scans is not None else _made_up(hello.inputs, max(6, hello.window + 2 * hello.hop))
    device.runs.clear()
    first = b""
    for number, (indices, dbm) in enumerate(rows):
        request = _sample(indices, dbm, hello.inputs, 11 + number).encode()
        first = first or request
        result = parse_result(ask(request).body, hello)
        exchanges.append(
            {
                "name": f"sample {number}",
                "request": list(request),
                "type": int(Message.RESULT),
                "seq": 11 + number,
                "class": result.class_index,
                "scores": result.scores.tolist(),
                "score_bytes": hello.score_bytes,
                "instructions": device.runs[-1].instructions,
            }
        )
    spoilt = bytes([*first[:3], first[3] ^ 0x55 or 0x55, *first[4:]])
    refusal = ask(spoilt)
    exchanges.append(
        {
            "name": "corrupted",
            "request": list(spoilt),
            "type": int(refusal.type),
            "seq": refusal.seq,
            "body": list(refusal.body),
        }
    )
    return {"board": board.name, "tolerance": INSTRUCTION_TOLERANCE, "exchanges": exchanges}


def _made_up(inputs: int, count: int) -> list[Scan]:
    random = np.random.default_rng(1)
    rows = []
    for _ in range(count):
        heard = np.flatnonzero(random.random(inputs) < min(1.0, 20 / inputs)).astype(np.uint16)
        rows.append((heard, random.integers(-100, -40, len(heard)).astype(np.int8)))
    return rows


def _sample(indices: npt.NDArray[np.uint16], dbm: npt.NDArray[np.int8], inputs: int, seq: int) -> Frame:
    """The shorter of both forms, as the client sends it."""
    sparse = sparse_body(indices, dbm)
    if len(sparse) < inputs:
        return Frame(Message.SAMPLE_SPARSE, seq, sparse)
    row = np.full(inputs, 127, np.int8)
    row[indices] = dbm
    return Frame(Message.SAMPLE_DENSE, seq, dense_body(row))


def _only_frame(data: bytes) -> Frame:
    (encoded,) = [part for part in data.split(b"\0") if part]
    return decode(encoded)


def prepare(build: BuildResult, board: Board, directory: Path, scans: Sequence[Scan] | None = None) -> Path:
    """Write all that a Renode needs into `directory`, whole: platform, script, robot test, image, golden exchanges.

    Args:
        build: The image.
        board: Its board.
        directory: Replaced. The files name each other relative to it, so it can be moved.
        scans: Indices and dBm of the heard access points; made up if not given.

    Returns:
        `directory`.
    """
    content = json.dumps(golden(build, board, scans), indent=1) + "\n"
    with whole_directory(directory) as place:
        for name, text in files(board).items():
            (place / name).write_text(text, encoding="utf-8", newline="\n")
        for name in PROGRAMS:
            shutil.copyfile(paths.RENODE_DIR / name, place / name)
        (place / "firmware.elf").write_bytes(build.elf.read_bytes())
        (place / "golden.json").write_text(content, encoding="utf-8", newline="\n")
    return directory


if __name__ == "__main__":
    from tinyloc.boards import load_board, part_names
    from tinyloc.files import write_whole

    for board_name in part_names():
        for file_name, text in files(load_board(board_name)).items():
            write_whole(paths.RENODE_DIR / file_name, text)
            print(paths.RENODE_DIR / file_name)
