"""The README's commands run, its paths exist, and its table is the measured one."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.table import BEGIN, END, rewritten, table

LONG = (
    "make demo",
    "make test",
    "make lint",
    "tinyloc data get",
    "tinyloc train",
    "tinyloc export",
    "tinyloc codegen",
    "tinyloc build",
    "tinyloc emulate",
    "tinyloc report",
    "tinyloc flash",
)
"""Commands that need a trained run or minutes: the slow test goes through them in order."""


def shell_lines(text: str) -> list[str]:
    """Commands of the ```sh blocks, without comments."""
    blocks = re.findall(r"^```sh\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    lines = [shlex.join(shlex.split(line, comments=True)) for block in blocks for line in block.splitlines()]
    return [line for line in lines if line]


README = (Path(__file__).resolve().parents[2] / "README.md").read_text()
COMMANDS = shell_lines(README)


def test_the_two_commands_come_first() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", [line for line in COMMANDS if not line.startswith(LONG)])
def test_quick_commands_of_the_readme_run(command: str, tmp_path: Path) -> None:
    program, *arguments = shlex.split(command)
    assert program == "tinyloc"
    done = subprocess.run([sys.executable, "-m", program, *arguments], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_directories_and_files_that_are_named_exist(repository: Path) -> None:
    for document in ("README.md", "CONTRIBUTING.md"):
        text = (repository / document).read_text()
        named = re.findall(r"`((?:[a-z0-9_]+/)+(?:[\w.]+)?)`", text) + re.findall(r"\]\((\w[\w./]*)\)", text)
        made = ("runs/", "bin/", "training/models/<")
        missing = [name for name in named if not name.startswith(made) and not (repository / name).exists()]
        assert not missing, f"{document} names {missing}"


def test_make_help_lists_the_targets_that_the_readme_names(repository: Path) -> None:
    done = subprocess.run(["make", "help"], cwd=repository, capture_output=True, text=True, check=True)
    stages = ["train", "export", "codegen", "firmware", "emulate", "report", "flash"]
    for target in [*stages, "demo", "test", "test-slow", "lint", "bench", "clean"]:
        assert re.search(rf"^  {target} ", done.stdout, re.MULTILINE), target


def test_the_table_is_the_measured_one(repository: Path) -> None:
    record = repository / "docs" / "bench.json"
    assert record.is_file(), "run `make bench`"
    assert rewritten(README, json.loads(record.read_text())) == README


def test_the_table_is_written_between_its_markers() -> None:
    result = {
        "recipe": "r",
        "board": "b",
        "arithmetic": "int8",
        "macro_f1": 0.5,
        "float_macro_f1": 0.6,
        "accuracy": 0.7,
        "float_accuracy": 0.8,
        "samples": 1111,
        "mismatches": 1,
        "flash_bytes": 2048,
        "ram_bytes": 1024,
        "cycles_median": 1234.4,
        "energy_uj": 5.0,
        "ram": {"state": 600, "arena": 400},
        "stage_seconds": {"build": 2.04},
    }
    gain = {"board": "b", "sparse_cycles": 2000.0, "dense_cycles": 21000.0, "ratio": 10.5}
    bench = {
        "date": "2026-11-21",
        "version": "0",
        "results": [result],
        "sparse_first_layer": {"recipe": "r", "optimise": "O2", "boards": [gain]},
    }
    text = rewritten(f"before\n{BEGIN}\nold\n{END}\nafter\n", bench)
    scores = "| `r` | b | int8 | 0.500 (0.600) | 0.700 (0.800) | 1,110 of 1,111 "
    assert scores + "| 2.0 KB | 1.0 KB | 1,000 B | 1,234 | 5.0 µJ |" in text
    assert "2,000 cycles instead of 21,000 on b, 10.5 times fewer" in text
    assert "`r` build 2.0 s" in text
    assert "old" not in text and text.startswith("before\n") and text.endswith("after\n")
    assert rewritten(text, bench) == text and table(bench) in text
    with pytest.raises(ValueError, match="bench:begin"):
        rewritten("no markers", bench)


@pytest.mark.slow
def test_the_readme_from_a_fresh_clone(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone" / "tinyloc"
    subprocess.run(["git", "clone", "--quiet", str(repository), str(clone)], check=True)
    shared = repository.parent / "shared"
    if shared.is_dir():
        (clone.parent / "shared").symlink_to(shared)
    try:
        for command in COMMANDS:
            program, *arguments = shlex.split(command)
            if command == "make test" or command.startswith("tinyloc data get"):
                continue  # this very suite; and the publisher's server
            if program == "tinyloc":
                program = str(clone / ".venv" / "bin" / "tinyloc")
            done = subprocess.run([program, *arguments], cwd=clone, capture_output=True, text=True, timeout=1800)
            assert done.returncode == 0, f"{command}\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
            if command == "make demo":
                assert "Passed" in done.stdout and "report-stm32l4.html" in done.stdout
    finally:
        shutil.rmtree(clone / ".venv", ignore_errors=True)
