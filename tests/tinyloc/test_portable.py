"""tinyloc starts, compiles, builds and emulates without what only POSIX has: Windows and macOS lack parts of it."""

import ast
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

POSIX_MODULES = {"pty", "fcntl", "termios", "tty", "resource", "pwd", "grp", "syslog", "posix"}
POSIX_NAMES = {
    "os": {
        "fork", "forkpty", "openpty", "setsid", "killpg", "getuid", "geteuid", "mkfifo", "uname", "sched_setaffinity",
        "sched_getaffinity", "wait4", "nice", "ttyname", "O_NOFOLLOW", "fchown", "chown",
    },
    "signal": {"SIGKILL", "SIGALRM", "SIGHUP", "SIGUSR1", "setitimer", "alarm", "pthread_kill"},
}  # fmt: skip
"""Modules and names that Windows lacks."""


def package_files(repository: Path) -> Iterator[Path]:
    for part in sorted((repository / "tinyloc").iterdir()):
        if part.suffix == ".py":
            yield part
        elif part.is_dir() and part.name != "__pycache__":
            yield from sorted(part.rglob("*.py"))


def imported_at_start(tree: ast.Module) -> Iterator[str]:
    """Modules that importing the file imports, outside of functions and of `try ... except ImportError`."""
    todo: list[ast.AST] = [tree]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.Try) and any(
            isinstance(handler.type, ast.Name) and handler.type.id in ("ImportError", "ModuleNotFoundError")
            for handler in node.handlers
        ):
            todo += [*node.handlers, *node.orelse, *node.finalbody]
            continue
        if isinstance(node, ast.Import):
            yield from (name.name.split(".")[0] for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]
        todo += list(ast.iter_child_nodes(node))


def test_no_module_imports_what_only_posix_has(repository: Path) -> None:
    found, files = [], list(package_files(repository))
    for path in files:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        found += [f"{path}: {name}" for name in imported_at_start(tree) if name in POSIX_MODULES]
    assert not found
    assert len(files) > 300


def test_no_module_uses_names_that_windows_lacks_without_a_check(repository: Path) -> None:
    """A check is `hasattr(os, ...)`, `os.name` or `sys.platform` in the same function, or an import that was tried."""
    found = []
    for path in package_files(repository):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
        checked = {
            line
            for function in functions
            if any(word in ast.unparse(function) for word in ("hasattr(", "os.name", "sys.platform", "if not fcntl"))
            for line in range(function.lineno, (function.end_lineno or function.lineno) + 1)
        }
        for node in ast.walk(tree):
            if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
                continue
            if node.attr in POSIX_NAMES.get(node.value.id, ()) and node.lineno not in checked:
                found.append(f"{path}:{node.lineno}: {node.value.id}.{node.attr}")
    assert not found


def test_text_files_name_their_encoding(repository: Path) -> None:
    """Without it Windows takes the code page of the user."""
    found = []
    for path in package_files(repository):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                named = {keyword.arg for keyword in node.keywords}
                if node.func.attr in ("read_text", "write_text") and "encoding" not in named:
                    found.append(f"{path}:{node.lineno}")
                if node.func.attr == "write_text" and "newline" not in named:
                    found.append(f"{path}:{node.lineno}: newline")
    assert not found


BLOCKED = """
import builtins, os, signal, sys
MODULES, NAMES = {modules!r}, {names!r}
real = builtins.__import__
def blocked(name, globals=None, *rest, **named):
    importer = (globals or {{}}).get("__name__", "")
    if name.split(".")[0] in MODULES and importer.split(".")[0] == "tinyloc":
        raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
    return real(name, globals, *rest, **named)
builtins.__import__ = blocked
for module, names in NAMES.items():
    for name in names - {{"getuid", "geteuid", "uname", "SIGKILL"}}:  # other libraries of this machine need them
        if hasattr(sys.modules[module], name):
            delattr(sys.modules[module], name)
from tinyloc.main import run
run()
"""


def tinyloc(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a command line with everything blocked that only POSIX has."""
    code = BLOCKED.format(modules=POSIX_MODULES, names=POSIX_NAMES)
    return subprocess.run([sys.executable, "-c", code, *arguments], cwd=cwd, capture_output=True, text=True)


def test_the_command_line_starts(tmp_path: Path) -> None:
    for arguments in (["--help"], ["board", "list"], ["zoo", "list"], ["recipes"]):
        done = tinyloc(*arguments, cwd=tmp_path)
        assert done.returncode == 0 and done.stdout, done.stderr


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_a_model_of_the_zoo_is_compiled_built_and_emulated(tmp_path: Path) -> None:
    done = tinyloc("emulate", "zoo:uji", "--json", "uji.json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "uji.json").read_text(encoding="utf-8"))
    assert result["mismatches"] == 0 and result["samples"] > 0 and result["passed"]


@pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
def test_a_plain_network_is_compiled(tmp_path: Path, repository: Path) -> None:
    model = repository / "zoo" / "uji" / "model_int8.tflite"
    done = tinyloc("compile", str(model), "--board", "cortex-m4", "--out", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "model.c").is_file() and "fits" in done.stdout
