"""Flashing: the command, the dry run, and plain words when tool or board are missing. No board is touched."""

from pathlib import Path

import pytest

from tinyloc.boards import board_names, load_board
from tinyloc.device.build import BuildResult, Sizes
from tinyloc.device.flash import FlashError, flash, flash_command

BOARD = load_board("stm32l4")


@pytest.fixture
def build(tmp_path):
    """A build in a directory whose name has a space."""
    directory = tmp_path / "my runs"
    directory.mkdir()
    files = [directory / f"firmware.{ending}" for ending in ("elf", "map", "bin")]
    for file in files:
        file.write_bytes(b"image")
    return BuildResult(*files, Sizes(flash=5, static_ram=0, stack_reserve=0))


@pytest.fixture
def tool(tmp_path, monkeypatch):
    """Put a program in place of OpenOCD that says something and exits with a code."""

    def install(script: str) -> None:
        program = tmp_path / "bin" / "openocd"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")

    return install


@pytest.mark.parametrize("name", board_names())
def test_the_command_of_every_board_names_the_image(name, build):
    command = flash_command(build, load_board(name))
    text = " ".join(command)
    assert "{elf}" not in text
    assert "{bin}" not in text
    assert str(build.elf) in text or str(build.bin) in text


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
    with pytest.raises(FlashError, match=r"openocd is not installed: `apt install openocd`"):
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
    with pytest.raises(FlashError, match=r"300000 bytes, STM32L432KC has 262144"):
        flash(large, BOARD, dry_run=True)


def test_openocd_takes_a_path_with_spaces_as_one_word(build):
    """It reads its commands as Tcl, where braces quote."""
    assert f"program {{{build.elf}}} verify reset exit" in flash_command(build, BOARD)


def test_paths_are_absolute(monkeypatch, build):
    monkeypatch.chdir(build.elf.parent)
    relative = BuildResult(Path("firmware.elf"), Path("firmware.map"), Path("firmware.bin"), build.sizes)
    assert str(build.elf) in " ".join(flash_command(relative, BOARD))
