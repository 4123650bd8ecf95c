"""Flashing: the command, the dry run, and plain words when tool or board are missing. No board is touched."""

import json
import struct
from pathlib import Path

import pytest

from tinyloc.boards import Board, load_board, part_names
from tinyloc.device.flashing import flash as flashing
from tinyloc.device.flashing.flash import FlashError, check_image, flash, flash_command
from tinyloc.device.image.build import BuildResult, Sizes

BOARD = load_board("stm32l4")


def elf(segments: list[tuple[int, bytes]]) -> bytes:
    """A 32-bit Arm ELF with nothing but loadable segments."""
    head = struct.pack(
        "<4s5B7xHHIIIIIHHHHHH", b"\x7fELF", 1, 1, 1, 0, 0, 2, 40, 1, 0, 52, 0, 0, 52, 32, len(segments), 40, 0, 0
    )
    place = 52 + 32 * len(segments)
    table, data = b"", b""
    for address, content in segments:
        table += struct.pack("<8I", 1, place + len(data), address, address, len(content), len(content), 5, 4)
        data += content
    return head + table + data


def write_build(directory: Path, board: Board, extra: tuple[tuple[int, bytes], ...] = ()) -> BuildResult:
    """A build that holds vectors and what the part must have."""
    directory.mkdir()
    flash_base = board.region("flash").base
    vectors = struct.pack("<II", board.region("ram").base + 2048, flash_base + 0x41) + bytes(56)
    segments = [(flash_base, vectors), *((b.base, b.content) for b in board.fixed if not b.blank), *extra]
    files = [directory / f"firmware.{ending}" for ending in ("elf", "map", "bin")]
    for file, content in zip(files, (elf(segments), b"map", vectors), strict=True):
        file.write_bytes(content)
    return BuildResult(*files, Sizes(flash=len(vectors), static_ram=0, stack_reserve=0))


@pytest.fixture
def build(tmp_path):
    """A build in a directory whose name has a space."""
    return write_build(tmp_path / "my runs", BOARD)


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Put a program in place of OpenOCD that says something and exits with a code."""

    def install(script: str, name: str = "openocd") -> None:
        program = tmp_path / "bin" / name
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return install


TOOLS = [(name, tool) for name in part_names() for tool in load_board(name).flash_tools]


@pytest.mark.parametrize(("name", "tool"), TOOLS)
def test_the_command_of_every_tool_names_the_image(name, tool, build):
    command = flash_command(build, load_board(name), tool)
    text = " ".join(command)
    assert "{elf}" not in text
    assert "{bin}" not in text
    assert str(build.elf) in text or str(build.bin) in text


@pytest.mark.parametrize(("name", "tool"), TOOLS)
def test_every_tool_has_a_dry_run(name, tool, tmp_path, monkeypatch):
    board = load_board(name)
    build = write_build(tmp_path / "build", board)
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    command = flash(build, board, dry_run=True, report=said.append, tool=tool)
    assert said[-1].split()[0] == command[0] != "copy"


def test_a_virtual_board_does_not_pretend(build):
    with pytest.raises(FlashError, match=r"cannot be flashed: it is a virtual board; .*aducm3029, .*stm32l4$"):
        flash(build, load_board("cortex-m4"), dry_run=True)


def test_an_unknown_tool_names_those_of_the_board(build):
    with pytest.raises(FlashError, match="cannot be flashed with 'hammer'; tools: openocd, probe-rs, pyocd, st-flash"):
        flash(build, BOARD, dry_run=True, tool="hammer")


TOLD_APART = ("aducm3029", "cc2650", "stm32l4")
"""Boards whose images differ in memories or fixed words; others are told apart by build.json alone."""


@pytest.mark.parametrize("name", TOLD_APART)
@pytest.mark.parametrize("other", TOLD_APART)
def test_an_image_for_another_part_is_refused(name, other, tmp_path):
    board = load_board(name)
    build = write_build(tmp_path / "build", load_board(other))
    if name == other:
        check_image(build, board)
        return
    with pytest.raises(FlashError, match=rf"is not for .*{board.part}.*tinyloc build --board {name}"):
        check_image(build, board)


def test_the_record_of_the_build_counts_too(build):
    record = {
        "board": "mine", "part": "STM32L476RG", "optimise": "Os", "compiler": "gcc", "model": "m", "model_id": "1",
        "elf_sha256": "0", "sizes": {"flash": 1, "static_ram": 2, "stack_reserve": 3},
    }  # fmt: skip
    (build.elf.parent / "build.json").write_text(json.dumps(record))
    with pytest.raises(FlashError, match=r"built for STM32L476RG \(mine\)"):
        flash(build, BOARD, dry_run=True)


def test_all_that_is_wrong_with_an_image_is_told_at_once(tmp_path):
    board = load_board("aducm3029")
    build = write_build(tmp_path / "build", board, extra=((0x3FFFC, b"1234"), (0x50000, b"far out")))
    with pytest.raises(FlashError, match=r"7 bytes at 0x00050000 lie outside the flash; page_crc .*holds 0x34333231"):
        flash(build, board, dry_run=True)


def test_copy_to_the_probes_drive(tmp_path, monkeypatch):
    board = load_board("aducm3029")
    build = write_build(tmp_path / "build", board)
    monkeypatch.setattr(flashing, "_DRIVES", (f"{tmp_path}/media/*",))
    with pytest.raises(FlashError, match="no drive called DAPLINK is mounted; connect EV-COG"):
        flash(build, board, tool="daplink", report=lambda line: None)
    drive = tmp_path / "media" / "me" / "DAPLINK"
    drive.mkdir(parents=True)
    said: list[str] = []
    flash(build, board, tool="daplink", report=said.append)
    assert (drive / "firmware.bin").read_bytes() == build.bin.read_bytes()
    assert "not verified" in said[-1]


def test_a_tool_that_does_not_read_back_is_not_said_to_verify(build, tool):
    tool("exit 0", "pyocd")
    said: list[str] = []
    flash(build, BOARD, report=said.append, tool="pyocd")
    assert said[-1].endswith("this tool does not read it back")


def test_dry_run_prints_what_a_shell_could_run(build, monkeypatch):
    monkeypatch.setenv("PATH", "")
    said: list[str] = []
    command = flash(build, BOARD, dry_run=True, report=said.append)
    assert command[0] == "openocd"
    assert said[0].startswith("openocd -f interface/stlink.cfg -f target/stm32l4x.cfg -c 'program")
    assert "verify reset exit" in said[0]


def test_written_and_verified(build, tool):
    tool(f'echo "$@" > "{build.elf.parent}/arguments"; echo "** Verified OK **" >&2')
    said: list[str] = []
    flash(build, BOARD, report=said.append)
    assert "verified" in said[-1]
    assert str(build.elf) in (build.elf.parent / "arguments").read_text()


def test_no_tool(build, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FlashError, match=r"openocd is not installed: `apt install openocd`; or choose .*probe-rs"):
        flash(build, BOARD, report=lambda line: None)


@pytest.mark.parametrize("words", ["Error: open failed", "Error: init mode failed (unable to connect to the target)"])
def test_no_board(build, tool, words):
    tool(f'echo "{words}" >&2; exit 1')
    with pytest.raises(FlashError, match=r"(?s)no Nucleo-L432KC .* found; connect it by USB.*failed"):
        flash(build, BOARD, report=lambda line: None)


def test_the_tool_failed_otherwise(build, tool):
    tool('echo "** Verify Failed **" >&2; exit 1')
    with pytest.raises(FlashError, match=r"(?s)could not write the image \(exit code 1\).*Verify Failed"):
        flash(build, BOARD, report=lambda line: None)


def test_no_image(build):
    build.elf.unlink()
    with pytest.raises(FlashError, match="make it with `tinyloc build --board stm32l4`"):
        flash(build, BOARD)


def test_an_image_larger_than_the_part(build):
    large = BuildResult(build.elf, build.map, build.bin, Sizes(flash=300_000, static_ram=0, stack_reserve=0))
    with pytest.raises(FlashError, match=r"takes 300000 bytes, STM32L432KC has 262144"):
        flash(large, BOARD, dry_run=True)


def test_openocd_takes_a_path_with_spaces_as_one_word(build):
    """It reads its commands as Tcl, where braces quote."""
    assert f"program {{{build.elf}}} verify reset exit" in flash_command(build, BOARD)


def test_paths_are_absolute(monkeypatch, build):
    monkeypatch.chdir(build.elf.parent)
    relative = BuildResult(Path("firmware.elf"), Path("firmware.map"), Path("firmware.bin"), build.sizes)
    assert str(build.elf) in " ".join(flash_command(relative, BOARD))
