"""The command line about boards: check, new, other budgets and tools, Renode."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tinyloc.device import board_check
from tinyloc.main import main

DENSE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"


@pytest.mark.parametrize("board", ["stm32l4", "aducm3029", "cc2650", "nucleo_l476rg"])
def test_our_boards_are_complete(board, capsys):
    assert main(["board", "check", board]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{board}: complete"


def test_list_shows_all_ram(capsys):
    assert main(["board", "list"]) == 0
    line = next(line for line in capsys.readouterr().out.splitlines() if "ADuCM3029" in line)
    assert "256 KB" in line and "64 KB" in line and "26 MHz" in line


def test_what_a_board_lacks_is_exit_code_1(monkeypatch, capsys):
    finding = board_check.Finding("board.toml:9", "clock")
    monkeypatch.setattr(board_check, "check_board", lambda name: [finding])
    assert main(["board", "check", "stm32l4"]) == 1
    assert capsys.readouterr().out == "missing  board.toml:9: clock\nstm32l4: 1 to do\n"


def test_unknown_things_are_told(capsys, tmp_path):
    assert main(["board", "check", "z80"]) == 2
    assert "unknown board 'z80'" in capsys.readouterr().err
    assert main(["board", "new", "stm32l4", "--part", "x"]) == 2
    assert "exists already" in capsys.readouterr().err
    assert main(["board", "new", "all", "--part", "x"]) == 2
    assert "'all' is no name for a board" in capsys.readouterr().err
    assert main(["emulate", "none", "--budget", "1k"]) == 2
    assert "unknown budget profile '1k'" in capsys.readouterr().err
    assert main(["emulate", "none", "--board", "cc2650", "--budget", "32k-ram"]) == 2
    assert "exceeds LAUNCHXL-CC2650 (CC2650F128): ram_bytes 32768 of 20480" in capsys.readouterr().err
    assert main(["renode"]) == 2
    assert "give either a RUN or --generated DIR" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_renode_prepares_says_how_to_get_it_and_runs_it(tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = os.environ["PATH"]
    command = ["renode", "--generated", str(DENSE), "--board", "cc2650"]
    assert main([*command, "--prepare"]) == 0
    prepared = tmp_path / "cache" / "tinyloc" / "renode" / "cc2650"
    assert {"cc2650.robot", "cc2650.resc", "firmware.elf", "golden.json"} <= {path.name for path in prepared.iterdir()}
    assert main(command) == 2
    assert "Renode is not installed" in capfd.readouterr().err
    ours = str(Path(sys.executable).parent)
    program = tmp_path / "bin" / "renode-test"
    program.parent.mkdir()
    program.write_text('#!/bin/sh\necho "$0 $@"\necho "PATH $PATH"\nexit ${RESULT:-0}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([ours, str(program.parent), path]))
    out = tmp_path / "a place"
    assert main([*command, "--out", str(out)]) == 0
    said = capfd.readouterr().out
    assert f"{program} {out}/cc2650.robot -r {out}/reports" in said
    searched = said.split("PATH ")[1].splitlines()[0].split(os.pathsep)
    assert ours not in searched and str(program.parent) in searched
    monkeypatch.setenv("RESULT", "3")
    assert main([*command, "--out", str(out)]) == 1


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_renode_run_takes_the_release_that_was_tested(tmp_path, monkeypatch, capfd):
    program = tmp_path / "renode-run"
    program.write_text('#!/bin/sh\necho "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(tmp_path), os.environ["PATH"]]))
    assert main(["renode", "--generated", str(DENSE), "--board", "cc2650", "--out", str(tmp_path / "out")]) == 0
    lines = capfd.readouterr().out.splitlines()
    assert "download 1.16.0" in lines
    assert f"test -- {tmp_path}/out/cc2650.robot -r {tmp_path}/out/reports" in lines
