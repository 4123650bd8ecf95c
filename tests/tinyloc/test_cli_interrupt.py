"""Ctrl-C: one line, exit code 130, and what was done is kept."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tiny_recipe import TINY
from tinyloc import main as entry
from tinyloc.main import main

INTERRUPTIBLE = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # also when the tests run in the background
from tinyloc.main import run
run()
"""


def test_an_interrupted_training_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(TINY.replace("epochs = 4", "epochs = 40\npatience = 40"))
    command = ["train", str(recipe), "--runs-dir", str(tmp_path / "runs")]
    python = [sys.executable, "-c", INTERRUPTIBLE]
    with subprocess.Popen([*python, *command], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        assert process.stderr.readline().startswith("model, epoch 4 of 40")
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
    assert process.returncode == 130
    assert rest.splitlines()[-1] == "interrupted; run the same command again to continue"
    assert "Traceback" not in rest and "rror" not in rest

    assert main(command) == 0
    (epoch,) = re.findall(r"^model: continuing at epoch (\d+) of 40$", capsys.readouterr().err, re.MULTILINE)
    assert 5 <= int(epoch) <= 40


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["train", "uji-mlp"], "interrupted; run the same command again to continue"),
        (["evaluate", "house"], "interrupted; run the same command again to continue"),
        (["train", "uji-mlp", "--fresh"], "interrupted"),
        (["emulate", "house"], "interrupted"),
        (["export", "house"], "interrupted"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_only_what_goes_on_says_so(
    command: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(_: list[str], prog_name: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(entry, "app", interrupted)
    assert main(command) == 130
    assert capsys.readouterr().err == f"{words}\n"
