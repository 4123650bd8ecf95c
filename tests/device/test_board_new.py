"""`tinyloc board new`: a scaffold in ./boards that says what it lacks."""

from pathlib import Path

import pytest

from tinyloc.boards import BoardError, board_names, broken_boards, load_board, part_names
from tinyloc.device.board_check import check_board
from tinyloc.device.board_new import new_board, port_functions
from tinyloc.main import main


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrong(name: str) -> str:
    return "\n".join(f"{finding.where}: {finding.what}" for finding in check_board(name) if finding.wrong)


def test_the_functions_of_a_port_come_from_its_header() -> None:
    functions = port_functions()
    assert {"tl_port_init", "tl_port_uart_read", "tl_port_feed_watchdog", "tl_port_memory_on"} <= functions.keys()
    assert "tl_port_cycles" not in functions, "that is the core's"
    signature, comment = functions["tl_port_uart_read"]
    assert signature == "bool tl_port_uart_read(uint8_t *byte)"
    assert comment.startswith("Take a received byte")


def test_a_board_of_a_known_part_needs_data_only(here: Path) -> None:
    files = new_board("mine", "STM32L476RG")
    assert [str(path) for path in files] == ["boards/mine/board.toml", "boards/mine/mine.ld"]
    path = here / files[0]
    text = path.read_text()
    assert 'part = "STM32L476RG"' in text and "base = 0x08000000" in text and "size = 0x100000" in text
    assert "TODO pin that the board's serial adapter reads" in wrong("mine")
    facts = (("mhz = 0 ", "mhz = 0.1 "), ("# TODO", "#"), ("TODO", "x"), ('rx = { pin = "PA10"', 'rx = { pin = "PB7"'))
    for before, after in facts:
        text = text.replace(before, after)
    path.write_text(text)
    assert wrong("mine") == ""
    assert load_board("mine").directory == here / "boards" / "mine"
    assert "mine" in part_names()


def test_an_unfinished_board_is_listed_and_breaks_nothing(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_board("mine", "X1", family="stm32l4", core="cortex-m4f")
    assert list(broken_boards()) == ["mine"]
    assert "mine" in board_names() and "mine" not in part_names()
    assert main(["board", "list"]) == 0
    said = capsys.readouterr().out
    assert next(line for line in said.splitlines() if "mine" in line).split()[1] == "unfinished;"
    assert "nucleo_l476rg" in said
    assert main(["board", "check", "mine"]) == 1


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4f"])
def test_a_new_family_says_what_is_to_do(here: Path, core: str) -> None:
    files = new_board("mine", "X1", family="x10", core=core)
    assert [str(path) for path in files] == [
        "boards/families/x10/emulator.py", "boards/families/x10/port/port.c", "boards/mine/board.toml",
        "boards/mine/mine.ld", "boards/parts/X1.toml",
    ]  # fmt: skip
    told = wrong("mine")
    for part in ("core clock that the port sets", "clock.hz: Input should be greater than 0", "memory.0.size",
                 "X1.toml:6: highest core clock", "parts/X1.toml: max_hz"):  # fmt: skip
        assert part in told.replace("TODO ", ""), part
    for path in (here / "boards/mine/board.toml", here / "boards/parts/X1.toml"):
        text = path.read_text()
        facts = (("mhz = 0 ", "mhz = 0.05 "), ("hz = 0 ", "hz = 64_000_000 "), ("{ TODO = 0 }", "{ A = 64_000_000 }"),
                 ("size = 0 ", "size = 0x1_0000 "), ("_bytes = 0\n", "_bytes = 65_536\n"),
                 ('pin = "TODO"', 'pin = "PA1"'),
                 ('"TODO" ', '"A" ') , ('instance = "A"', 'instance = "U"'), ("uart.TODO", "uart.U"),
                 ("# TODO", "#"), ("TODO", "x"))  # fmt: skip
        for before, after in facts:
            text = text.replace(before, after)
        path.write_text(text)
    told = wrong("mine")
    assert told.count("is not written yet") == len(port_functions()) - 1
    assert "tl_port_init is not written yet" in told


@pytest.mark.parametrize(("name", "told"), [("stm32l4", "exists already"), ("A-b", "is no name for a board"),
                                            ("x" * 16, "at most 15")])  # fmt: skip
def test_names_that_cannot_be(here: Path, name: str, told: str) -> None:
    with pytest.raises(BoardError, match=told):
        new_board(name, "STM32L432KC")
    assert not (here / "boards").exists()


def test_unknown_core_part_and_board(here: Path) -> None:
    with pytest.raises(BoardError, match=r"unknown core 'cortex-m0'; there are: cortex-m3, cortex-m4f"):
        new_board("m0", "part", core="cortex-m0")
    with pytest.raises(BoardError, match=r"the facts of 'Z80' are not known .*give --family: .*stm32l4"):
        new_board("m0", "Z80")
    with pytest.raises(BoardError, match="unknown board 'm0'"):
        check_board("m0")
