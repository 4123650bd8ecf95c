"""The tutorials do what they say: their files are written, their commands and scripts run, in the page's order."""

import importlib.util
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.documentation.blocks import Block, blocks
from tests.documentation.conftest import Shell

DOCS = Path(__file__).resolve().parents[2] / "docs"
RUN = ("sh", "python")


def follow(page: Path, folder: Path, shell: Shell, slow: bool) -> list[Block]:
    """Write the page's files into `folder` and run its blocks, with the slow ones or up to the first slow one."""
    done = []
    for block in blocks(page):
        if block.slow and not slow:
            break
        if block.title:
            (folder / block.title).write_text(block.text)
        if block.language in RUN:
            lines = f"python {block.title}" if block.language == "python" else block.text
            result = shell(lines, folder)
            assert result.returncode == block.exit_code, f"{lines}\n{result.stdout[-3000:]}\n{result.stderr[-3000:]}"
            done.append(block)
    return done


def test_get_started(shell: Shell, tmp_path: Path) -> None:
    assert follow(DOCS / "get-started.md", tmp_path, shell, slow=False)
    assert list(tmp_path.glob("runs/zoo-uji/report-*.html"))


def test_own_radio_map_up_to_the_training(shell: Shell, tmp_path: Path) -> None:
    assert follow(DOCS / "tutorials/own-radio-map.md", tmp_path, shell, slow=False)
    assert (tmp_path / "scans.csv").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("page", ["get-started.md", "tutorials/own-radio-map.md", "tutorials/own-architecture.md"])
def test_tutorials_that_train(page: str, shell: Shell, tmp_path: Path) -> None:
    assert any(block.slow for block in follow(DOCS / page, tmp_path, shell, slow=True))
    assert list(tmp_path.glob("runs/*/report-*.html"))


@pytest.mark.skipif(importlib.util.find_spec("onnx2tf") is None, reason="needs the extra export")
def test_own_network(shell: Shell, tmp_path: Path) -> None:
    assert len(follow(DOCS / "tutorials/own-network.md", tmp_path, shell, slow=False)) == 5
    assert (tmp_path / "y.npy").is_file() and (tmp_path / "generated" / "manifest.json").is_file()


@pytest.mark.skipif(importlib.util.find_spec("onnx2tf") is None, reason="needs the extra export")
def test_own_localiser(shell: Shell, tmp_path: Path) -> None:
    assert len(follow(DOCS / "tutorials/own-localiser.md", tmp_path, shell, slow=False)) == 3
    assert (tmp_path / "my-rooms.html").is_file() and (tmp_path / "runs/my-rooms/report-stm32l4.html").is_file()


@pytest.mark.skipif(shutil.which("cmake") is None, reason="no cmake on this machine")
def test_own_firmware(shell: Shell, tmp_path: Path) -> None:
    assert len(follow(DOCS / "tutorials/own-firmware.md", tmp_path, shell, slow=False)) == 4
    rooms = {"bedroom", "bathroom", "hall", "kitchen", "living room", "study"}
    told = subprocess.run(["./observer"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout.splitlines()
    assert told and {line.split(" (margin ")[0] for line in told} <= rooms
    lines = (tmp_path / "main.c").read_text().splitlines()
    assert len(lines) <= 33 and len([line for line in lines if line.strip()]) <= 30


def test_new_board(shell: Shell, tmp_path: Path) -> None:
    """Anywhere: the files go into ./boards."""
    assert len(follow(DOCS / "tutorials/new-board.md", tmp_path, shell, slow=False)) == 2
    assert (tmp_path / "boards" / "myboard" / "board.toml").is_file()
    assert (tmp_path / "boards" / "parts" / "STM32L431CC.toml").is_file()


def test_blocks_carry_their_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        '```toml title="a.toml"\nx = 1\n```\n\n'
        "<!-- test: slow -->\n```sh\na\n```\n\n<!-- test: exit 2 -->\n```sh\nb\n```\n"
    )
    assert blocks(page) == [
        Block("toml", "x = 1\n", "a.toml", False, 0),
        Block("sh", "a\n", None, True, 0),
        Block("sh", "b\n", None, False, 2),
    ]


def test_the_own_walk(shell: Shell, tmp_path: Path) -> None:
    assert len(follow(DOCS / "tutorials/own-walk.md", tmp_path, shell, slow=False)) == 2
