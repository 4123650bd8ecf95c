"""`tinyloc deploy`: the steps from a recipe to the verdict in a row; with `init`, from a CSV in two commands."""

import json
import shutil
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tinyloc.cli import build, codegen, emulate, export, train
from tinyloc.main import main

STEPS: list[ModuleType] = [train, export, codegen, build, emulate]


def step_of(module: ModuleType) -> str:
    return module.__name__.rsplit(".", 1)[-1]


def test_the_steps_follow_one_another_for_one_run_and_board(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    done: list[tuple[str, Any, Any]] = []

    def recorder(name: str) -> Any:
        return lambda subject, **options: done.append((name, options.get("run", subject), options.get("board")))

    for module in STEPS:
        monkeypatch.setattr(module, step_of(module), recorder(step_of(module)))
    assert main(["deploy", "uji-mlp", "--board", "cc2650", "--run", "mine", "--runs-dir", str(tmp_path)]) == 0
    assert [name for name, _, _ in done] == [step_of(module) for module in STEPS]
    assert {run for _, run, _ in done} == {"mine"} and [board for *_, board in done] == [
        None,
        None,
        None,
        "cc2650",
        "cc2650",
    ]


def test_a_step_that_fails_ends_it(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(train, "train", lambda *_, **__: pytest.fail("it began to train"))
    assert main(["deploy", "uji-mlp", "--board", "nosuch"]) == 2
    assert main(["deploy", "nosuch"]) == 2
    assert "no recipe 'nosuch'" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_two_commands_from_a_csv_to_a_verdict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = [
        f"{n / 2},w{walk},{'hall' if n < 30 else 'bath'},{-50 - 20 * (n >= 30) - n % 4},{-72 + 20 * (n >= 30) - n % 3}"
        for walk in range(8)
        for n in range(60)
    ]
    (tmp_path / "flat.csv").write_text("\n".join(["time,walk,room,ap1,ap2", *rows]) + "\n")
    assert main(["init", "flat.csv", "--yes", "--board", "cc2650"]) == 0
    assert main(["deploy", "flat.recipe.toml", "--board", "cc2650", "--json", "verdict.json"]) == 0
    verdict = json.loads((tmp_path / "verdict.json").read_text())
    assert verdict["macro_f1"] > 0.9 and verdict["mismatches"] == 0
