"""Every command has help and starts without heavy modules."""

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer.main

from tinyloc.main import app, main


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(typer.main.get_command(app)))


def test_the_issue_s_commands_are_there() -> None:
    groups = {("data", name) for name in ("list", "get", "describe")}
    groups |= {("board", name) for name in ("list", "show", "new", "check")}
    groups |= {(group, name) for group in ("fusion", "study") for name in ("run", "table")}
    groups |= {
        ("bundle", "new"),
        ("zoo", "list"),
        ("zoo", "pack"),
        ("zoo", "refresh"),
        ("fusion", "build"),
        ("fusion", "emulate"),
        ("fusion", "record"),
        ("fusion", "check"),
    }
    stages = (
        "init",
        "deploy",
        "recipes",
        "train",
        "export",
        "codegen",
        "build",
        "emulate",
        "evaluate",
        "flash",
        "library",
        "renode",
        "report",
        "sbom",
        "update",
        "search",
        "compile",
        "quantise",
        "run",
        "compare",
        "duty",
        "search",
        "survey",
        "update",
        "live",
        "update",
    )
    assert groups | {(name,) for name in stages} == set(COMMANDS)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_a_command_has_help_for_itself_and_for_each_option(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help and command.help.strip().endswith(".")
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name} has no help"


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_shown(path: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*path, "--help"]) == 0
    assert "Usage: tinyloc " + " ".join(path) in capsys.readouterr().out


def test_the_command_line_imports_nothing_heavy() -> None:
    code = (
        "import sys, tinyloc.main; "
        "print([name for name in ('torch', 'tensorflow', 'numpy', 'unicorn', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_device_and_compiler_import_without_torch_and_tensorflow() -> None:
    code = """
import importlib, pkgutil, sys
class Without:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "torchcrf", "tensorflow", "onnx", "onnx2tf", "ai_edge_litert"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Without())
import tinyloc.codegen, tinyloc.device
for package in (tinyloc.codegen, tinyloc.device):
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        importlib.import_module(module.name)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
