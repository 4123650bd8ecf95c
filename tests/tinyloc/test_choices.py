"""Choices of options are those that the parts of tinyloc know, and the shell completes names."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import pytest

from tinyloc.boards import Core, board_names
from tinyloc.boards.profiles import PROFILES
from tinyloc.bundle.schema import Arithmetic
from tinyloc.cli import choices, complete
from tinyloc.cli.network_options import AIMS, KERNELS
from tinyloc.codegen.backend_names import BACKENDS
from tinyloc.codegen.manifest import Reference
from tinyloc.device.image.build import Optimise
from tinyloc.device.zoo.models import names as zoo_names
from tinyloc.main import main
from tinyloc.training.fusion.simulation.sites import SITES
from tinyloc.training.fusion.study.field_table import METHODS as FIELD_METHODS
from tinyloc.training.fusion.study.record import METHODS
from tinyloc.training.recipe import recipe_names


@pytest.mark.parametrize(
    ("choice", "known"),
    [
        (choices.ArithmeticChoice, get_args(Arithmetic)),
        (choices.BackendChoice, BACKENDS),
        (choices.NetworkBackendChoice, BACKENDS[:2]),
        (choices.ReferenceChoice, get_args(Reference)),
        (choices.LevelChoice, get_args(Optimise)),
        (complete.BUDGETS, PROFILES),
        (choices.CoreChoice, get_args(Core)),
        (choices.AimChoice, AIMS),
        (choices.NetworkBackendChoice, KERNELS),
    ],
)
def test_a_choice_has_the_names_of_its_part(choice: Any, known: Any) -> None:
    assert {str(one) for one in choice} == set(known)


def test_methods_and_sites_on_a_board_are_those_of_the_study() -> None:
    assert {str(method) for method in choices.FusionMethod} <= METHODS.keys() | FIELD_METHODS.keys()
    assert {str(site) for site in choices.Site} <= SITES.keys()


def test_names_for_completion_are_the_names_that_commands_know() -> None:
    assert complete.board_names() == board_names()
    assert complete.zoo_names() == zoo_names()
    assert complete.recipe_names() == recipe_names()


def test_runs_are_completed_below_the_runs_directory(tmp_path: Path) -> None:
    for name in ("walk-1", "walk-2", "other"):
        (tmp_path / name / "bundle").mkdir(parents=True)
    (tmp_path / "walk-no-run").mkdir()
    context: Any = SimpleNamespace(params={"runs_dir": tmp_path})
    assert complete.runs(context, "wa") == ["walk-1", "walk-2"]
    assert complete.runs(context, "zoo:uji-p") == ["zoo:uji-position", "zoo:uji-position-32"]


def test_tools_are_those_of_the_board() -> None:
    context: Any = SimpleNamespace(params={"board": "stm32l4"})
    assert complete.flash_tools(context, "") == ["openocd", "probe-rs", "pyocd", "st-flash", "daplink"]
    assert complete.flash_tools(SimpleNamespace(params={"board": "../x"}), "") == []  # type: ignore[arg-type]


def test_the_last_back_end_of_a_list_is_completed() -> None:
    assert complete.backend_lists("native,") == ["native,cmsis_nn", "native,tflm"]


COMPLETIONS = [
    ("tinyloc emulate zoo:uji-po", {"zoo:uji-position", "zoo:uji-position-32"}),
    ("tinyloc emulate x --board cc", {"cc2650"}),
    ("tinyloc codegen x --reference ", {"tinyloc", "litert"}),
    ("tinyloc train uji-m", {name for name in recipe_names() if name.startswith("uji-m")}),
    ("tinyloc board show std", set()),
    ("tinyloc build x --optimise ", {"Os", "O2"}),
]


@pytest.mark.parametrize(("line", "expected"), COMPLETIONS)
def test_the_shell_completes(line: str, expected: set[str]) -> None:
    """With numpy and torch out of reach: completion must be quick."""
    code = (
        "import sys\n"
        "for name in ('numpy', 'torch', 'pydantic', 'unicorn'): sys.modules[name] = None\n"
        "from tinyloc.main import run\nrun()"
    )
    environment = {"_TINYLOC_COMPLETE": "complete_zsh", "_TYPER_COMPLETE_ARGS": line, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment)
    names = re.findall(r'^\(?"?([^"]+)', done.stdout.removeprefix("_arguments '*: :("), re.MULTILINE)
    found = {name.replace("\\\\:", ":") for name in names if name.strip() and name != "_files\n"}
    assert found == expected, done.stdout + done.stderr


@pytest.mark.parametrize(
    "command", [["board", "list"], ["board", "show", "stm32l4"], ["board", "check", "cc2650"], ["data", "list"],
                ["recipes"], ["zoo", "list"], ["study", "table", "uji", "--no-plots"], ["fusion", "table"]],
    ids=" ".join,
)  # fmt: skip
def test_every_listing_has_json(
    command: list[str],
    tmp_path: Path,
    repository: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if command[0] in ("study", "fusion"):
        shutil.copytree(repository / "results", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    assert main([*command, "--json", "-"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)
    assert main(command) == 0
    assert capsys.readouterr().out.strip()
