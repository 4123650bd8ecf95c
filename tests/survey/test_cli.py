"""`tinyloc survey` and `tinyloc live` refuse what cannot work in one line, before a page opens."""

from pathlib import Path

import pytest

from tinyloc.main import main
from tinyloc.survey.project import Project


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["survey", "home", "--replay", "nothing.csv"], "No such file"),
        (["survey", "home", "--board", "nothing"], "nothing"),
        (["survey", "home", "--source", "x", "--baud", "1"], "1 baud"),
        (["survey", "taken"], "has this folder open"),
        (["survey", "a.txt"], "it is a file"),
        (["live", "zoo:uji", "--demo"], "zoo:ble-flat"),
        (["live", "nothing"], "no run 'nothing'"),
        (["live", "fusion:loop", "--port", "/dev/x", "--demo"], "leave out --port, --demo"),
        (["survey", "home", "--source", "/dev/nope"], "no such port or file"),
        (["live", "fusion:moon"], "there are corridor and loop"),
    ],
)
def test_bad_arguments_are_one_line(arguments: list[str], why: str, tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    project = Project(tmp_path / "taken")
    (tmp_path / "a.txt").write_text("mine")
    assert main([*arguments, "--no-browser"]) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ") and why in error
    project.close()
