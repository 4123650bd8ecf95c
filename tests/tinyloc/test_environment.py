"""An interpreter, a checkout or an extra that does not fit is one line that says what to do."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tinyloc import environment
from tinyloc.environment import EXTRA_OF_MODULE, NEWEST, OLDEST, ONNX2TF, missing_module, start_problem


@pytest.mark.parametrize("version", [(3, 10), (2, 7), (3, 14), (4, 0)])
def test_an_unsupported_interpreter_is_refused(version: tuple[int, int]) -> None:
    said = start_problem(version)
    assert said is not None and "runs on Python 3.11 to 3.13" in said and f"is Python {version[0]}.{version[1]}" in said


def test_supported_interpreters_start() -> None:
    assert [start_problem(version) for version in ((3, 11), (3, 12), (3, 13))] == [None] * 3


def test_an_old_python_can_parse_what_refuses_it() -> None:
    import ast

    for name in ("__init__", "__main__", "environment"):
        text = (environment.PACKAGE / f"{name}.py").read_text(encoding="utf-8")
        ast.parse(text, feature_version=(3, 7))


def test_the_package_says_the_same_of_interpreters(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    lower = re.search(r">=(\d+)\.(\d+)", project["requires-python"])
    upper = re.search(r"<(\d+)\.(\d+)", project["requires-python"])
    assert lower is not None and (int(lower[1]), int(lower[2])) == OLDEST
    assert upper is None or (int(upper[1]), int(upper[2]) - 1) <= NEWEST


def test_a_checkout_without_links_says_what_to_set(tmp_path: Path) -> None:
    package = tmp_path / "tinyloc"
    package.mkdir()
    for name in ("__init__.py", "__main__.py", "environment.py", "main.py", "py.typed"):
        (package / name).write_bytes((environment.PACKAGE / name).read_bytes())
    (package / "training").write_text("../training")
    command = [sys.executable, "-m", "tinyloc", "--help"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"error: {package / 'training'} is a text file") and done.stderr.count("\n") == 1
    assert "git config core.symlinks true" in done.stderr and "developer mode" in done.stderr


def test_a_missing_extra_names_the_command_for_clone_and_wheel(tmp_path: Path) -> None:
    wheel, clone = tmp_path / "site-packages" / "tinyloc", tmp_path / "my clone" / "tinyloc"
    for package in (wheel, clone):
        package.mkdir(parents=True)
    (clone.parent / "pyproject.toml").write_text("")
    of_wheel, of_clone = missing_module("torch.nn", wheel), missing_module("onnxruntime", clone)
    assert of_wheel == (
        f'this command needs torch.nn, which is not installed; run `{sys.executable} -m pip install "tinyloc[train]"`'
    )
    assert of_clone is not None and of_clone.endswith(f'-m pip install -e "{clone.parent}[export]"`')
    of_onnx2tf = missing_module("onnx2tf", wheel)
    assert of_onnx2tf is not None and ("--ignore-requires-python" in of_onnx2tf) == (sys.version_info < (3, 12))
    assert missing_module("tinyloc.nosuch") is None


def test_every_extra_is_known(repository: Path) -> None:
    extras = tomllib.loads((repository / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for module, extra in EXTRA_OF_MODULE.items():
        assert extra in extras, f"{module} is said to come with the extra {extra!r}, which does not exist"
    assert any(wanted.startswith(f"{ONNX2TF};") for wanted in extras["export"])
