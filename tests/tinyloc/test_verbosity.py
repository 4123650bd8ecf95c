"""--quiet prints verdict and errors only, --verbose adds details; both stand before or after the command."""

import logging
import re
import shutil
from pathlib import Path

import pytest

from tests.evaluation_samples import house_evaluation
from tests.small_bundle import small_bundle
from tinyloc.cli.console import LOGGER, note, say
from tinyloc.device.report.record import save_evaluation
from tinyloc.environment import version
from tinyloc.main import main

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def report(tmp_path: Path) -> list[str]:
    directory = tmp_path / "runs" / "house"
    save_evaluation(house_evaluation(), directory / "evaluation-stm32l4.json")
    return ["report", str(directory)]


def test_the_version_is_the_one_of_the_project(capsys: Capture, repository: Path) -> None:
    assert main(["--version"]) == 0
    said = capsys.readouterr().out
    assert said == f"tinyloc {version()}\n"
    assert f'version = "{version()}"' in (repository / "pyproject.toml").read_text()


@pytest.mark.parametrize("before", [True, False])
@pytest.mark.parametrize("option", ["-q", "--quiet"])
def test_quiet_prints_the_verdict_alone(report: list[str], option: str, before: bool, capsys: Capture) -> None:
    assert main([option, *report] if before else [*report, option]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("Passed") and len(said.out.splitlines()) == 2 and not said.err
    assert main(report) == 0  # the option holds for one command line
    assert "macro F1" in capsys.readouterr().out


def test_quiet_keeps_errors(capsys: Capture) -> None:
    assert main(["-q", "board", "show", "nosuch"]) == 2
    assert capsys.readouterr().err.startswith("error: unknown board")


def test_notes_and_results_keep_their_streams(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    capsys.readouterr()
    note("[3 of 4] working")
    say("made")
    said = capsys.readouterr()
    assert (said.out, said.err) == ("made\n", "[3 of 4] working\n")
    assert LOGGER.level == logging.INFO


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_details_show_what_runs(tmp_path: Path, capsys: Capture) -> None:
    small_bundle(tmp_path / "runs" / "small" / "bundle")
    where = ["small", "--runs-dir", str(tmp_path / "runs")]
    assert main(["codegen", *where, "-v"]) == 0
    assert main(["build", *where, "-v"]) == 0
    said = capsys.readouterr()
    assert re.search(
        r"^ +\d+\.\d\d s  tinyloc\.device\.image\.build: .*arm-none-eabi-gcc .* -c ", said.err, re.MULTILINE
    )
    assert "firmware.elf" in said.out and "arm-none-eabi" not in said.out
    assert main(["build", *where]) == 0
    assert not capsys.readouterr().err
    assert main(["build", *where, "-q"]) == 0
    said = capsys.readouterr()
    assert not said.out and not said.err
