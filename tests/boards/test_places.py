"""Where boards and families are looked for."""

import os
import shutil
from pathlib import Path

import pytest

from tinyloc import paths
from tinyloc.boards import BoardError, board_names, load_board, load_part
from tinyloc.device.emulator.families import family_names, load_family
from tinyloc.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def copy_of(board: str, name: str, place: Path) -> Path:
    """A board under another name, in a directory of boards."""
    shutil.copytree(paths.BOARDS_DIR / board, place / name)
    path = place / name / "board.toml"
    path.write_text(path.read_text().replace(f'name = "{board}"', f'name = "{name}"'))
    return path


def test_here_then_the_variable_then_the_package(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy_of("stm32l4", "mine", here / "boards")
    copy_of("cc2650", "theirs", here / "shared")
    monkeypatch.setenv("TINYLOC_BOARDS", os.pathsep.join(["shared", str(here / "missing")]))
    assert paths.boards_directories() == [here / "boards", here / "shared", paths.BOARDS_DIR]
    assert {"mine", "theirs", "aducm3029"} <= set(board_names())
    assert load_board("theirs").directory == here / "shared" / "theirs"


def test_one_real_path_counts_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "boards").symlink_to(paths.BOARDS_DIR)
    monkeypatch.setenv("TINYLOC_BOARDS", str(here / "boards"))
    assert paths.boards_directories() == [paths.BOARDS_DIR]
    assert load_board("stm32l4").directory == paths.BOARDS_DIR / "stm32l4"


def test_two_boards_of_one_name_are_named_both(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = copy_of("stm32l4", "stm32l4", here / "boards")
    with pytest.raises(BoardError) as caught:
        load_board("stm32l4")
    assert str(path) in str(caught.value) and str(paths.BOARDS_DIR / "stm32l4" / "board.toml") in str(caught.value)
    assert load_board("cc2650").name == "cc2650", "other boards work on"
    assert main(["board", "list"]) == 0
    assert "unfinished" in next(line for line in capsys.readouterr().out.splitlines() if "stm32l4" in line)
    assert main(["board", "check", "stm32l4"]) == 1
    assert "two boards are called 'stm32l4'" in capsys.readouterr().out


def test_two_parts_of_one_name_are_named_both(here: Path) -> None:
    (here / "boards" / "parts").mkdir(parents=True)
    shutil.copy(paths.BOARDS_DIR / "parts" / "STM32L432KC.toml", here / "boards" / "parts")
    with pytest.raises(BoardError, match="two parts are called 'STM32L432KC'"):
        load_part("STM32L432KC")


def test_a_family_of_one_s_own(here: Path) -> None:
    place = here / "boards" / "families" / "mine"
    place.mkdir(parents=True)
    (place / "emulator.py").write_text("from tinyloc.device.emulator.cmsdk.part import FAMILY\n")
    assert {"mine", "stm32l4", "cmsdk"} <= set(family_names())
    assert load_family("mine").part is load_family("cmsdk").part
    (place / "emulator.py").write_text("1 / 0\n")
    with pytest.raises(BoardError, match=r"emulator.py: cannot be imported \(ZeroDivisionError"):
        load_family("mine")
    (place / "emulator.py").write_text("FAMILY = 3\n")
    with pytest.raises(BoardError, match="defines no FAMILY"):
        load_family("mine")
    with pytest.raises(BoardError, match=r"unknown family 'z80'; there are: .*stm32l4"):
        load_family("z80")
    (here / "boards" / "families" / "stm32l4").mkdir()
    with pytest.raises(BoardError, match="two families are called 'stm32l4'"):
        load_family("stm32l4")
