"""Board descriptions: all that exist are valid and consistent, and mistakes are told."""

import itertools
import shutil

import pytest

from tinyloc import paths
from tinyloc.boards import BoardError, board_names, load_board
from tinyloc.paths import FIRMWARE_DIR

ALL = board_names()


@pytest.fixture
def own_boards(tmp_path, monkeypatch):
    """A directory of boards that a test may damage; gives the board.toml of its only board."""
    shutil.copytree(paths.BOARDS_DIR / "stm32l4", tmp_path / "stm32l4")
    monkeypatch.setattr(paths, "BOARDS_DIR", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "stm32l4" / "board.toml"


def test_the_stm32l4_is_there():
    assert "stm32l4" in ALL
    assert "common" not in ALL


@pytest.mark.parametrize("name", ALL)
def test_a_board_is_complete(name):
    board = load_board(name)
    assert board.name == name
    assert (board.directory / board.build.linker_script).is_file()
    assert list((FIRMWARE_DIR / "port" / board.facts.family).glob("*.c"))
    assert len(board.name.encode()) <= 15, "HELLO carries 16 bytes, the last one zero"
    assert board.region("flash").access == "rx"
    assert board.region("ram").access == "rw"


@pytest.mark.parametrize("name", ALL)
def test_memories_do_not_overlap(name):
    board = load_board(name)
    places = sorted((m.base, m.base + m.size, m.name) for m in [*board.memory, *board.alias])
    for (_, end, before), (begin, _, after) in itertools.pairwise(places):
        assert end <= begin, f"{before} overlaps {after}"
    for alias in board.alias:
        assert any(m.base <= alias.of and alias.of + alias.size <= m.base + m.size for m in board.memory), alias.name


@pytest.mark.parametrize("name", ALL)
def test_budget_fits_the_part(name):
    board = load_board(name)
    assert board.budget.flash_bytes <= board.region("flash").size
    assert board.budget.ram_bytes <= sum(m.size for m in board.memory if "w" in m.access)
    assert board.build.stack_bytes < board.region("ram").size


def test_unknown_board_names_the_known_ones():
    with pytest.raises(BoardError, match=r"unknown board 'arduino'; known boards: .*stm32l4"):
        load_board("arduino")
    with pytest.raises(BoardError, match="unknown board"):
        load_board("../stm32l4")


def test_all_wrong_keys_are_told_at_once(own_boards):
    text = own_boards.read_text()
    own_boards.write_text(text.replace("hz = 80_000_000", "hz = -1").replace("max_baud", "maximum_baud"))
    with pytest.raises(BoardError) as caught:
        load_board("stm32l4")
    message = str(caught.value)
    for part in ("clock.hz", "uart.maximum_baud", "uart.max_baud: Field required", str(own_boards)):
        assert part in message


@pytest.mark.parametrize("content", [b"name = ", b'name = "caf\xe9"'])
def test_broken_toml(own_boards, content):
    own_boards.write_bytes(content)
    with pytest.raises(BoardError, match="not valid TOML"):
        load_board("stm32l4")


def test_unknown_memory():
    with pytest.raises(KeyError, match="no memory called 'eeprom'"):
        load_board("stm32l4").region("eeprom")
