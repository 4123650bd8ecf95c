"""The README's commands run and print what it shows; its paths exist; its table is the studies'."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documentation.blocks import blocks
from tests.documentation.conftest import Shell
from tinyloc.study.record import CellRecord
from tinyloc.study.summary import Row, rows

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "README.md"
README = PAGE.read_text()
BOARD = "cc2650"
ROWS = [
    # study, data, model, form, the quality that the row shows
    ("recipes", "uji", "recipe", "int8", "macro F1"),
    ("positions", "uji-64", "recipe", "int8", "median error"),
    ("in-home", "ble-flat", "mamba-h8l1", "int16x8", "macro F1"),
    ("walks", "ble-tracks", "gru-h32", "int8", "median error"),
    ("walks", "movementaal", "gru-h16", "int16x8", "accuracy"),
    ("in-home", "house-a", "lstm-h16", "int8", "macro F1"),
]


def test_it_is_short_and_begins_with_a_command() -> None:
    lines = README.splitlines()
    assert len(lines) <= 130
    assert "```sh" in lines[:30]


def masked(text: str) -> list[str]:
    """Lines without figures and spacing: a better compiler changes them, the words stay."""
    return [re.sub(r"[\d.,]+", "#", " ".join(line.split())) for line in text.splitlines() if line.strip()]


def test_the_verdict_is_what_the_command_prints(shell: Shell, tmp_path: Path) -> None:
    shown = next(block.text for block in blocks(PAGE) if block.language == "text" and "Passed" in block.text)
    done = shell("COLUMNS=120 tinyloc emulate zoo:uji", tmp_path)
    assert done.returncode == 0, done.stderr
    printed = masked(done.stdout)  # where the real test set is at hand, its rows have positions too
    assert [line for line in masked(shown) if not any(found.startswith(line) for found in printed)] == []


def test_the_sizes_are_what_compile_prints(shell: Shell, tmp_path: Path) -> None:
    shutil.copy(ROOT / "zoo" / "uji" / "model_int8.tflite", tmp_path / "my.tflite")
    texts = [block.text for block in blocks(PAGE) if block.language == "text"]
    command = next(text for text in texts if text.startswith("tinyloc compile"))
    shown = next(text for text in texts if text.startswith("flash "))
    done = shell(command, tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line for line in masked(shown) if line not in masked(done.stdout)] == []


def study_rows(study: str) -> list[Row]:
    cells = sorted((ROOT / "results" / study / "cells").glob("*.json"))
    return rows(CellRecord.model_validate_json(path.read_text()) for path in cells)


@pytest.mark.parametrize(("number", "expected"), list(enumerate(ROWS)), ids=[f"{row[0]}-{row[1]}" for row in ROWS])
def test_a_measured_row_is_the_study_s(number: int, expected: tuple[str, str, str, str, str]) -> None:
    study, data, model, form, quality = expected
    (found,) = [
        row
        for row in study_rows(study)
        if (row.data, row.model, row.form) == (data, model, form) and row.training == "plain"
    ]
    value = {"macro F1": found.macro_f1, "accuracy": found.accuracy, "median error": found.errors_m.get("p50")}[quality]
    assert value is not None and value.count == 3
    digits, unit = (2, " m") if quality == "median error" else (3, "")
    cost = found.boards[BOARD]
    shown = [cell.strip() for cell in table_rows()[number].strip("|").split("|")]
    assert shown[3:] == [
        f"{quality} {value.mean:.{digits}f} ± {value.deviation:.{digits}f}{unit}",
        f"{cost.flash_bytes / 1024:.1f} KB",
        f"{cost.ram_bytes / 1024:.1f} KB",
        f"{cost.cycles:,.0f}",
    ]
    assert ("**simulated**" in shown[1], "**real**" in shown[1]) == (found.simulated, not found.simulated)
    assert shown[2].endswith(form)


def table_rows() -> list[str]:
    lines = README.splitlines()
    begin = next(n for n, line in enumerate(lines) if line.startswith("| task |"))
    return [line for line in lines[begin + 2 : begin + 2 + len(ROWS) + 1] if line.startswith("|")]


def test_the_table_has_these_rows_only() -> None:
    assert len(table_rows()) == len(ROWS)


PARTS = "boards|codegen|device|docs|export|firmware|renode|results|study|tests|tinyloc|training|zoo"
MADE = (
    "boards/myboard",
    "boards/parts/STM32L431CC",
    "boards/families/x10",
    "firmware/port/NAME",
    "device/emulator/NAME",
    "firmware/port/myboard",
    "firmware/stm32l4",
    "results/STUDY",
    "training/models/NAME",
)
"""Files that the reader, a study or a run makes."""
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", *(str(p.relative_to(ROOT)) for p in ROOT.glob("docs/**/*.md"))]


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page: str) -> None:
    text = (ROOT / page).read_text()
    named = re.findall(rf"`((?:{PARTS})/[\w./-]*)`", text)
    targets = re.findall(r"\]\(([\w.][\w./-]*)[#)]", text)
    linked = [(ROOT / page).parent / target for target in targets]
    generated = {f"docs/{name}" for name in ("reference/commands.md", "reference/recipe.md", "reference/own-data.md",
                                             "reference/bundle.md", "reference/board.md", "reference/c-interface.md",
                                             "reference/part.md", "reference/own-network-keys.md",
                                             "contributing.md", "changelog.md")}  # fmt: skip
    places = [ROOT / name for name in named if not name.startswith(MADE)] + linked
    lost = [path for path in places if not path.exists()]
    assert [path for path in lost if str(path.resolve().relative_to(ROOT)) not in generated] == []


def test_make_help_lists_the_targets() -> None:
    done = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    stages = ["train", "export", "codegen", "firmware", "emulate", "report", "flash"]
    for target in [*stages, "demo", "test", "test-slow", "lint", "docs", "bench", "clean"]:
        assert re.search(rf"^  {target} ", done.stdout, re.MULTILINE), target


@pytest.mark.slow
def test_the_demo_from_a_fresh_clone(tmp_path: Path) -> None:
    clone = tmp_path / "clone" / "tinyloc"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
    try:
        done = subprocess.run(["make", "demo"], cwd=clone, capture_output=True, text=True, timeout=1800)
        assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
        assert "Passed" in done.stdout and "report-stm32l4.html" in done.stdout
    finally:
        shutil.rmtree(clone / ".venv", ignore_errors=True)
