"""`tinyloc board new` and `check`: a scaffold that says what it lacks, and checks that notice."""

import shutil

import pytest

from tinyloc import paths
from tinyloc.boards import BoardError, board_names, load_board
from tinyloc.device import board_files as module
from tinyloc.device.board_files import check_board, new_board, port_functions


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Copies of boards/ and firmware/ that a test may write to."""
    shutil.copytree(paths.BOARDS_DIR, tmp_path / "boards")
    shutil.copytree(paths.FIRMWARE_DIR, tmp_path / "firmware")
    monkeypatch.setattr(paths, "BOARDS_DIR", tmp_path / "boards")
    monkeypatch.setattr(paths, "FIRMWARE_DIR", tmp_path / "firmware")
    return tmp_path


def wrong(name: str) -> str:
    return "\n".join(f"{finding.where}: {finding.what}" for finding in check_board(name) if finding.wrong)


@pytest.mark.parametrize("name", board_names())
def test_our_own_boards_lack_nothing(name):
    assert wrong(name) == ""


def test_what_is_not_verified_is_listed():
    notes = [finding.what for finding in check_board("aducm3029") if not finding.wrong]
    assert any("hibernate" in note for note in notes)
    assert all(note.startswith("not verified") for note in notes)


def test_the_functions_of_a_port_come_from_its_header():
    functions = port_functions()
    assert {"tl_port_init", "tl_port_uart_read", "tl_port_feed_watchdog", "tl_port_memory_on"} <= functions.keys()
    assert "tl_port_cycles" not in functions, "that is the core's"
    signature, comment = functions["tl_port_uart_read"]
    assert signature == "bool tl_port_uart_read(uint8_t *byte)"
    assert comment.startswith("Take a received byte")


@pytest.mark.parametrize("core", ["cortex-m3", "cortex-m4f"])
def test_a_new_board_says_what_is_to_do(own, core):
    files = new_board("nrf52", "nRF52832", core=core)
    assert [str(path.relative_to(own)) for path in files] == [
        "boards/nrf52/board.toml", "boards/nrf52/nrf52.ld", "firmware/port/nrf52/port.c",
    ]  # fmt: skip
    assert "nrf52" in board_names()
    told = wrong("nrf52")
    for part in ("TODO core clock that the port sets", "clock.hz: Input should be greater than 0", "memory.0.size"):
        assert part in told
    path = files[0]
    text = path.read_text()
    facts = (("mhz = 0 ", "mhz = 0.05 "), ("hz = 0 ", "hz = 64_000_000 "), ("size = 0 ", "size = 0x1_0000 "),
             ("_bytes = 0\n", "_bytes = 65_536\n"), ("# TODO", "#"), ("TODO", "x"))  # fmt: skip
    for before, after in facts:
        text = text.replace(before, after)
    path.write_text(text)
    assert load_board("nrf52").core == core
    told = wrong("nrf52")
    assert "firmware/port/nrf52: tl_port_init is not written yet" in told
    assert "nrf52.repl" in told
    assert told.count("is not written yet") == len(port_functions()) - 1


@pytest.mark.parametrize(("name", "told"), [("stm32l4", "exists already"), ("A-b", "is no name for a board"),
                                            ("x" * 16, "at most 15")])  # fmt: skip
def test_names_that_cannot_be(own, name, told):
    with pytest.raises(BoardError, match=told):
        new_board(name, "part")


def test_unknown_core_and_board(own):
    with pytest.raises(BoardError, match="unknown core 'cortex-m0'; there are: cortex-m3, cortex-m4f"):
        new_board("m0", "part", core="cortex-m0")
    with pytest.raises(BoardError, match="unknown board 'm0'"):
        check_board("m0")


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        ("boards/aducm3029/aducm3029.ld", "KEEP(*(.fixed.read_protection))", "", "does not place the fixed words"),
        ("boards/aducm3029/aducm3029.ld", "bss2", "zzz", "does not place .bss2"),
        ("boards/aducm3029/aducm3029.ld", "INCLUDE vectors.ld", "", "does not INCLUDE vectors.ld"),
        ("boards/aducm3029/board.toml", "ram_bytes = 65_536", "ram_bytes = 65_537", "RAM, the part 65536"),
        ("boards/aducm3029/board.toml", "size = 0x4_0000", "size = 0x4_0100", "whole pages"),
        ("boards/aducm3029/board.toml", "base = 0x2004_0000", "base = 0x2000_4000", "ram and ram2 overlap"),
        ("boards/aducm3029/board.toml", 'model = "adi_uart"', 'model = "zilog"', "no model 'zilog'"),
        ("boards/aducm3029/board.toml", '"{bin}"', '"x"', "command of daplink names neither"),
        ("boards/aducm3029/board.toml", "base = 0x180", "base = 0x50_0000", "lie outside every memory"),
        ("firmware/port/aducm3029/port.c", "void tl_port_uart_flush(void)", "void flush(void)",
         "tl_port_uart_flush is missing: void tl_port_uart_flush(void);"),
        ("firmware/port/aducm3029/port.c", "uint32_t div = divider(baud);", "uint16_t div = divider(baud);",
         "does not compile"),
        ("boards/aducm3029/board.toml", "hz = 26_000_000   ", "hz = 24_000_000   ", "aducm3029.repl"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(own, file, before, after, told):
    path = own / file
    assert before in path.read_text()
    path.write_text(path.read_text().replace(before, after))
    assert told in wrong("aducm3029")


def test_without_a_compiler_the_port_is_not_judged(monkeypatch):
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert any("not compiled" in finding.what and not finding.wrong for finding in check_board("cc2650"))


def test_an_installed_package_is_not_written_to(own, monkeypatch):
    monkeypatch.setattr(paths, "CLONE_DIR", own)  # as site-packages: no pyproject.toml beside the package
    with pytest.raises(paths.InstalledError, match="add a board in a clone"):
        new_board("mine", "X1")
    assert not (own / "boards" / "mine").exists()
