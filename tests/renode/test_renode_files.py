"""renode/: in step with what device/renode/files.py makes, legal by Renode 1.16's grammar, and true to the boards.

The files cannot be run here. The grammar checked is the part of Renode's `Grammar.cs`, its monitor and Robot Framework
that they use; anything else is an error, so that they stay that simple.
"""

import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tinyloc.boards import load_board, part_names
from tinyloc.device.emulator import EmulatedDevice
from tinyloc.device.image.build import build_firmware
from tinyloc.device.renode.files import files, golden, prepare
from tinyloc.paths import RENODE_DIR
from tinyloc.renode.golden import cobs_decode, frames
from tinyloc.renode.golden import golden as Keywords

FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"
BOARDS = part_names()
NUMBER = r"(?:0x[0-9A-Fa-f]+|\d+)"
PLACE = r"sysbus 0x[0-9A-Fa-f]{8}"
ENTRY = re.compile(rf"(\w+): ([A-Za-z]\w*(?:\.\w+)+) @ ({PLACE}|\{{ {PLACE}(?:; {PLACE})+ \}})")
ATTRIBUTE = re.compile(rf'    (\w+): ({NUMBER}|"[^"]*"|true|false|[a-z]\w*)')
IRQ = re.compile(r"    (\w+) -> (\w+)@(\d+)")
TAG = re.compile(rf'        Tag <(0x[0-9A-Fa-f]+), (0x[0-9A-Fa-f]+)> "\w+" ({NUMBER})')
MODELS = {  # type -> attributes, as the constructors and properties of Renode 1.16.0 have them
    "IRQControllers.NVIC": {"systickFrequency"},
    "CPU.CortexM": {"cpuType", "nvic", "PerformanceInMips"},
    "Miscellaneous.DWT": {"frequency"},
    "Memory.MappedMemory": {"size"},
    "Memory.ArrayMemory": {"size"},
    "UART.STM32F7_USART": {"frequency"},
    "UART.NS16550": {"wideRegisters"},
    "UART.PL011": set(),
    "UART.NRF52840_UART": {"easyDMA"},
}
KNOWN_SIZE = {"IRQControllers.NVIC": 0x1000, "Miscellaneous.DWT": 0x1000, "UART.STM32F7_USART": 0x400,
              "UART.NS16550": 0x100, "UART.PL011": 0x1000, "UART.NRF52840_UART": 0x1000}  # fmt: skip


def parse_platform(text: str) -> tuple[dict[str, dict], list[tuple[int, int, int]]]:
    """Entries (name -> type, places, attributes) and tags (first, last, value). AssertionError when it is not legal."""
    entries: dict[str, dict] = {}
    tags = []
    current = None
    for number, line in enumerate(text.splitlines(), 1):
        where = f"line {number}: {line!r}"
        if not line or line.startswith("//"):
            continue
        if line.startswith("cpu: CPU.CortexM @ sysbus") and line == "cpu: CPU.CortexM @ sysbus":
            current = entries["cpu"] = {"type": "CPU.CortexM", "places": [], "attributes": {}}
        elif line == "sysbus:":
            current = None
        elif line == "    init:":
            assert current is None, where
        elif tag := TAG.fullmatch(line):
            assert current is None, where
            tags.append((int(tag[1], 16), int(tag[2], 16), int(tag[3], 0)))
        elif entry := ENTRY.fullmatch(line):
            assert entry[1] not in entries, where
            places = [int(place, 16) for place in re.findall(r"sysbus (0x[0-9A-Fa-f]{8})", entry[3])]
            current = entries[entry[1]] = {"type": entry[2], "places": places, "attributes": {}}
        elif attribute := ATTRIBUTE.fullmatch(line):
            assert current is not None and attribute[1] in MODELS[current["type"]], where
            current["attributes"][attribute[1]] = attribute[2]
        elif irq := IRQ.fullmatch(line):
            assert current is not None and irq[1] == "IRQ", where
        else:
            raise AssertionError(f"not understood: {where}")
    return entries, tags


def ranges(entries: dict[str, dict]) -> list[tuple[int, int, str]]:
    found = []
    for name, entry in entries.items():
        size = KNOWN_SIZE.get(entry["type"]) or int(entry["attributes"].get("size", "0"), 0)
        found += [(place, place + size, name) for place in entry["places"]]
    return sorted(found)


@pytest.mark.parametrize("name", BOARDS)
def test_the_checked_in_files_are_in_step(name):
    for file, text in files(load_board(name)).items():
        path = RENODE_DIR / file
        assert path.is_file() and path.read_text() == text, f"{path}: run `python -m tinyloc.device.renode.files`"


@pytest.mark.parametrize("name", BOARDS)
def test_the_platform_is_legal_and_true_to_the_board(name):
    board = load_board(name)
    entries, tags = parse_platform((RENODE_DIR / f"{name}.repl").read_text())
    assert {"nvic", "cpu", "dwt", "flash", "ram", "uart"} <= entries.keys()
    assert entries["cpu"]["attributes"]["cpuType"] == f'"{board.core}"'
    assert entries["cpu"]["attributes"]["nvic"] == "nvic"
    mhz = int(entries["cpu"]["attributes"]["PerformanceInMips"])
    assert mhz * 1_000_000 == int(entries["dwt"]["attributes"]["frequency"]) == board.clock.hz
    assert entries["uart"]["places"] == [board.uart_base]
    places = ranges(entries)
    for (_, end, before), (start, _, after) in itertools.pairwise(places):
        assert end <= start, f"{before} overlaps {after}"
    for memory in [*board.memory, *board.alias]:
        covered = sorted((s, e) for s, e, _ in places if memory.base <= s < memory.base + memory.size)
        assert covered[0][0] == memory.base and covered[-1][1] == memory.base + memory.size, memory.name
        assert all(a[1] == b[0] for a, b in itertools.pairwise(covered)), memory.name
    for first, last, _ in tags:
        assert not any(start <= first < end or start <= last < end for start, end, _ in places)


@pytest.mark.parametrize("broken", ["uart: UART.PL011 @sysbus 0x40001000", "   size: 4", "ram: Memory.MappedMemory"])
def test_the_parser_refuses_what_is_no_platform(broken):
    good = (RENODE_DIR / "cc2650.repl").read_text()
    with pytest.raises(AssertionError):
        parse_platform(good + broken + "\n")


@pytest.mark.parametrize("name", BOARDS)
def test_the_script_uses_known_commands_on_known_addresses(name):
    board = load_board(name)
    entries, _ = parse_platform((RENODE_DIR / f"{name}.repl").read_text())
    registers = [(s, e) for s, e, n in ranges(entries) if entries[n]["type"] == "Memory.ArrayMemory"]
    commands = []
    for line in (RENODE_DIR / f"{name}.resc").read_text().splitlines():
        if not line or line.startswith(("#", ":name: ", ":description: ")):
            continue
        commands.append(line)
        if preset := re.fullmatch(r"sysbus WriteDoubleWord (0x[0-9a-f]{8}) 0x[0-9a-f]+", line):
            address = int(preset[1], 16)
            assert any(start <= address <= end - 4 for start, end in registers), line
    rest = [line for line in commands if not line.startswith("sysbus WriteDoubleWord ")]
    assert rest == [
        f'mach create "{name}"',
        f"machine LoadPlatformDescription $ORIGIN/{name}.repl",
        "sysbus LoadELF $ORIGIN/firmware.elf",
        f"cpu VectorTableOffset {board.region('flash').base:#010x}",
    ]


KEYWORDS = {  # keyword -> number of arguments: of Renode, of Robot Framework, of golden.py, and the file's own
    "Execute Command": 1, "Create Log Tester": 1, "Should Not Be In Log": 2, "Set Test Variable": 2, "Load Golden": 1,
    "New Capture File": 0, "Monitor Path": 1, "Request Bytes": 1,
    "Reply Should Match": 2, "Sample Names": 0, "Power On": 0, "Exchange": 1,
    "Only Known Addresses": 0,
}  # fmt: skip


@pytest.mark.parametrize("name", BOARDS)
def test_the_robot_file_is_legal(name):
    section = ""
    depth = 0
    tests = []
    for line in (RENODE_DIR / f"{name}.robot").read_text().splitlines():
        assert "\t" not in line
        if not line or line.startswith("#"):
            continue
        if header := re.fullmatch(r"\*\*\* ([A-Za-z ]+) \*\*\*", line):
            section = header[1]
            assert section in ("Settings", "Variables", "Keywords", "Test Cases")
            continue
        cells = re.split(r" {2,}", line.strip())
        if section == "Settings":
            assert cells[0] in ("Documentation", "Library") and len(cells) == 2, line
            continue
        if section == "Variables":
            assert re.fullmatch(r"\$\{[A-Z]+\}", cells[0]) and len(cells) == 2, line
            continue
        if not line.startswith("    "):
            assert len(cells) == 1
            if section == "Test Cases":
                tests.append(cells[0])
            else:
                assert cells[0] in KEYWORDS
            continue
        if re.fullmatch(r"[$@]\{\w+\}=", cells[0]):
            cells = cells[1:]
        if cells[0] == "FOR":
            assert cells[2] == "IN" and len(cells) == 4, line
            depth += 1
        elif cells == ["END"]:
            depth -= 1
        elif cells[0] != "[Arguments]":
            assert len(cells) - 1 == KEYWORDS[cells[0]], line
            assert all("=" not in cell or cell == "treatAsRegex=true" for cell in cells[1:]), line
    assert depth == 0
    assert len(tests) == 3


def test_the_log_pattern_finds_accesses_of_the_core_to_nothing_only():
    text = (RENODE_DIR / "cc2650.robot").read_text()
    pattern = re.compile(re.search(r"\$\{UNKNOWN\} +(.*)", text)[1])
    # messages as Renode 1.16.0's own tests/unit-tests/log-tests.robot expects them
    assert pattern.search("sysbus: [cpu: 0x1000] ReadDoubleWord from non existing peripheral at 0x0")
    assert pattern.search("sysbus: [cpu: 0x1000] WriteDoubleWord to non existing peripheral at 0x0, value 0x0")
    tagged = "sysbus: [cpu: 0x1000] (tag: 'PRCM') WriteDoubleWord to non existing peripheral at 0x4, value 0x0"
    assert not pattern.search(tagged)


needs_compiler = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


@pytest.fixture(scope="module", params=BOARDS)
def prepared(request, tmp_path_factory):
    """A board, and the directory with all that its robot test needs; a space is in its name."""
    board = load_board(request.param)
    work = tmp_path_factory.mktemp(board.name)
    build = build_firmware(FIXTURES / "dense_int16", board, work / "image")
    directory = prepare(build, board, work / "renode files")
    names = {
        "golden.py",
        "compare_counts.py",
        "golden.json",
        "firmware.elf",
        *(f"{board.name}.{end}" for end in ("repl", "resc", "robot")),
    }
    assert {path.name for path in directory.iterdir()} == names
    return board, directory


@needs_compiler
def test_golden_exchanges_hold_when_played_again(prepared):
    """What the robot test does, on a fresh emulated board: the same requests, the replies through a file."""
    board, out = prepared
    keywords = Keywords()
    keywords.load_golden(out / "golden.json")
    capture = Path(keywords.new_capture_file())
    capture.write_bytes(b"")
    names = ["power on", "hello", "reset", *keywords.sample_names(), "power on", "reset", "corrupted", "sample 0"]
    assert len(keywords.sample_names()) >= 6
    for exchange in names:
        if exchange == "power on":
            device = EmulatedDevice(out / "firmware.elf", board, measure=True)
            continue
        device.write(bytes(int(byte, 16) for byte in keywords.request_bytes(exchange)))
        with capture.open("ab") as file:
            file.write(device.read(0))
        expected = json.loads((out / "golden.json").read_text())
        if exchange.startswith("sample"):  # Renode counts instructions where the emulator's counter counts cycles
            patch_cycles(capture, next(e for e in expected["exchanges"] if e["name"] == exchange)["instructions"])
        keywords.reply_should_match(exchange, capture)
    check_comparison(out)


def check_comparison(directory: Path) -> None:
    """compare_counts.py by itself: a row for each sample, and exit code 1 when one is out of bounds."""

    def run() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "compare_counts.py"], cwd=directory, capture_output=True, text=True)

    result, counts = run(), directory / "counts.csv"
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert len([line for line in lines if line.startswith("sample ")]) - 1 == len(counts.read_text().splitlines())
    assert lines[-1] == "largest difference of a sample: 0.000 %; bound 1 %"
    kept = counts.read_text()
    first, *rest = kept.splitlines()
    name, ours, _ = first.split(",")
    counts.write_text("\n".join([f"{name},{ours},{int(ours) + 4000}", *rest]) + "\n")
    result = run()
    counts.write_text(kept)
    assert result.returncode == 1 and "+4,000" in result.stdout


def patch_cycles(capture: Path, instructions: int) -> None:
    """Put an instruction count into the last RESULT of a capture."""
    import binascii
    import struct

    from cobs import cobs

    data = capture.read_bytes()
    *before, last, _ = data.split(b"\0")
    payload = bytearray(cobs.decode(last)[:-2])
    payload[13:17] = struct.pack("<I", instructions)
    checked = bytes(payload) + struct.pack("<H", binascii.crc_hqx(bytes(payload), 0xFFFF))
    assert len(cobs.encode(checked)) == len(last)
    capture.write_bytes(b"\0".join([*before, cobs.encode(checked), b""]))


@needs_compiler
def test_robot_framework_runs_the_file(prepared):
    """The robot file itself, with our emulator standing in for Renode; then with a wrong golden answer."""
    pytest.importorskip("robot", reason="robotframework is not installed: the robot files are not run")
    name, directory = prepared[0].name, prepared[1]
    library = f"Library           {Path(__file__).parent / 'stand_in.py'}\n"
    robot_file = directory / f"{name}.robot"
    text = robot_file.read_text()
    robot_file.write_text(text.replace("\n\n*** Variables", f"\n{library}\n*** Variables", 1))

    def run() -> subprocess.CompletedProcess[str]:
        quiet = ["--output", "NONE", "--report", "NONE", "--log", "NONE"]
        return subprocess.run([sys.executable, "-m", "robot", *quiet, robot_file], capture_output=True, text=True)

    result = run()
    assert result.returncode == 0, result.stdout
    assert "3 tests, 3 passed, 0 failed" in result.stdout
    if name != BOARDS[0]:
        return
    golden_file = directory / "golden.json"
    content = json.loads(golden_file.read_text())
    content["exchanges"][2]["scores"][0] += 1
    golden_file.write_text(json.dumps(content))
    result = run()
    assert result.returncode == 2, "the two tests that send this sample"
    assert "sample 0: class" in result.stdout


EXPECTED = {"name": "sample 0", "type": 0x90, "seq": 11, "class": 1, "scores": [3, -4], "score_bytes": 2,
            "instructions": 10_000}  # fmt: skip


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, None),
        ({"cycles": 10_100}, None),
        ({"cycles": 10_101}, "10101 instructions in Renode"),
        ({"class": 2}, "class 2"),
        ({"scores": [3, -5]}, "expected 1"),
        ({"seq": 12}, "seq 12, expected"),
        ({"type": 0xFF}, "type 0xff"),
    ],
)
def test_a_wrong_reply_is_told(change, told):
    import struct

    got = {"type": 0x90, "seq": 11, "class": 1, "scores": [3, -4], "cycles": 10_000, **change}
    body = struct.pack("<hBHiIHH2h", got["class"], 0, 3, 7, got["cycles"], 300, 2, *got["scores"])
    keywords = Keywords()
    keywords._tolerance = 0.01
    if told is None:
        keywords.check(EXPECTED, got["type"], got["seq"], body)
    else:
        with pytest.raises(AssertionError, match=told):
            keywords.check(EXPECTED, got["type"], got["seq"], body)


def test_frames_of_the_robot_library_are_the_hosts():
    from tinyloc.device.link.frames import Frame

    sent = [Frame(0x90, 7, bytes(range(256)) * 3), Frame(0x81, 65535, b"\0\0"), Frame(0x82, 0)]
    assert frames(b"".join(frame.encode() for frame in sent)) == [(f.type, f.seq, f.body) for f in sent]
    with pytest.raises(AssertionError, match="no COBS"):
        cobs_decode(b"\x05ab")
    spoilt = bytearray(sent[0].encode())
    spoilt[9] ^= 1
    with pytest.raises(AssertionError, match="checksum"):
        frames(bytes(spoilt))


@needs_compiler
def test_golden_takes_the_scans_of_a_test_set(tmp_path):
    import numpy as np

    board = load_board("stm32l4")
    build = build_firmware(FIXTURES / "sparse_int8", board, tmp_path / "build")
    scans = [(np.array([1, 7], np.uint16), np.array([-50, -60], np.int8))]
    exchanges = golden(build, board, scans)["exchanges"]
    assert [exchange["name"] for exchange in exchanges] == ["hello", "reset", "sample 0", "corrupted"]
    assert exchanges[-1]["type"] == 0xFF
