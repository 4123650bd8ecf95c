"""The command line about boards: check, new, other budgets and tools, Renode."""

import shutil
from pathlib import Path

import pytest

from tinyloc import paths
from tinyloc.device import board_files as new_board
from tinyloc.device.renode import run as renode_run
from tinyloc.main import main

DENSE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"


@pytest.mark.parametrize("board", ["stm32l4", "aducm3029", "cc2650"])
def test_our_boards_are_complete(board, capsys):
    assert main(["board", "check", board]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{board}: complete"


def test_list_shows_all_ram(capsys):
    assert main(["board", "list"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "ADuCM3029" in line)
    assert "256 KB" in line and "64 KB" in line and "26 MHz" in line


def test_what_a_board_lacks_is_exit_code_1(monkeypatch, capsys):
    finding = new_board.Finding("board.toml:9", "clock")
    monkeypatch.setattr(new_board, "check_board", lambda name: [finding])
    assert main(["board", "check", "stm32l4"]) == 1
    assert capsys.readouterr().out == "missing  board.toml:9: clock\nstm32l4: 1 to do\n"


def test_unknown_things_are_told(capsys, tmp_path):
    assert main(["board", "check", "z80"]) == 2
    assert "unknown board 'z80'" in capsys.readouterr().err
    assert main(["board", "new", "stm32l4", "--part", "x"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["emulate", "none", "--budget", "1k"]) == 2
    assert "'1k' is not one of '64k-ram'" in capsys.readouterr().err
    assert main(["emulate", "none", "--board", "cc2650", "--budget", "32k-ram"]) == 2
    assert "more than LAUNCHXL-CC2650 (CC2650F128) has: ram_bytes 32768 of 20480" in capsys.readouterr().err
    assert main(["renode"]) == 2
    assert "give either a RUN or --generated DIR" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_renode_prepares_says_how_to_get_it_and_runs_it(tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(paths, "RENODE_DIR", tmp_path)
    (tmp_path / "cc2650.robot").write_text("")
    command = ["renode", "--generated", str(DENSE), "--board", "cc2650"]
    assert main([*command, "--prepare"]) == 0
    assert sorted(path.name for path in (tmp_path / "build" / "cc2650").iterdir()) == ["firmware.elf", "golden.json"]
    monkeypatch.setattr(renode_run, "RUNNERS", (("no-such-renode", ()),))
    assert main(command) == 2
    assert "Renode 1.16 is not installed" in capfd.readouterr().err
    program = tmp_path / "renode-run"
    program.write_text('#!/bin/sh\necho "$@"\nexit ${RESULT:-0}\n')
    program.chmod(0o755)
    monkeypatch.setattr(renode_run, "RUNNERS", ((str(program), ("test", "--")),))
    assert main(command) == 0
    assert f"test -- {tmp_path}/cc2650.robot" in capfd.readouterr().out
    monkeypatch.setenv("RESULT", "3")
    assert main(command) == 1
