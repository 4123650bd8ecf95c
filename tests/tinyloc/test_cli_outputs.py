"""Options that name an output file: links stay, pipes and devices are written to, `-` is standard output."""

import json
import os
import threading
from pathlib import Path

import pytest

from tinyloc.main import main

ABOUT = """
name = "tiny"
licence = "ours"
file = "scans.csv"
[columns]
access_points = ["ap"]
label = "room"
recording = "walk"
"""


@pytest.fixture
def describe(tmp_path: Path) -> list[str]:
    rows = "".join(f"w{walk},{room},-50\n" for walk in range(5) for room in ("a", "b"))
    (tmp_path / "scans.csv").write_text(f"walk,room,ap\n{rows}")
    (tmp_path / "data.toml").write_text(ABOUT)
    return ["data", "describe", "csv", "--data", str(tmp_path / "data.toml"), "--json"]


def test_a_dash_is_standard_output_and_gets_nothing_else(
    describe: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*describe, "-"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["name"] == "tiny"
    assert "2 classes" in said.err
    assert main(describe[:-1]) == 0
    assert "2 classes" in capsys.readouterr().out


def test_a_pipe_gets_the_file_and_a_link_stays(describe: list[str], tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe", tmp_path / "link"
    os.mkfifo(pipe)
    link.symlink_to("target.json")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    assert main([*describe, str(pipe)]) == 0 == main([*describe, str(link)])
    reader.join(10)
    assert json.loads(read[0]) == json.loads((tmp_path / "target.json").read_text())
    assert pipe.is_fifo() and link.is_symlink()
