"""`tinyloc board check`: all that is missing or contradicts itself, at once."""

import shutil
from pathlib import Path

import pytest

from tinyloc import paths
from tinyloc.boards import board_names
from tinyloc.device import board_check as module
from tinyloc.device.board_check import check_board


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Copies of boards/ and firmware/ that a test may write to."""
    shutil.copytree(paths.BOARDS_DIR, tmp_path / "boards")
    shutil.copytree(paths.FIRMWARE_DIR, tmp_path / "firmware")
    monkeypatch.setattr(paths, "BOARDS_DIR", tmp_path / "boards")
    monkeypatch.setattr(paths, "FIRMWARE_DIR", tmp_path / "firmware")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def wrong(name: str) -> str:
    return "\n".join(f"{finding.where}: {finding.what}" for finding in check_board(name) if finding.wrong)


def change(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for before, after in changes:
        assert before in text, before
        text = text.replace(before, after)
    path.write_text(text)


@pytest.mark.parametrize("name", board_names())
def test_our_own_boards_lack_nothing(name: str) -> None:
    assert wrong(name) == ""


def test_what_is_not_verified_is_listed() -> None:
    notes = [finding.what for finding in check_board("aducm3029") if not finding.wrong]
    assert any("hibernate" in note for note in notes)
    assert all(note.startswith("not verified") for note in notes)


ADUCM = "boards/aducm3029/board.toml"
L432 = "boards/stm32l4/board.toml"


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        ("boards/aducm3029/aducm3029.ld", "KEEP(*(.fixed.read_protection))", "", "does not place the fixed words"),
        ("boards/aducm3029/aducm3029.ld", "bss2", "zzz", "does not place .bss2"),
        ("boards/aducm3029/aducm3029.ld", "INCLUDE vectors.ld", "", "does not INCLUDE vectors.ld"),
        (ADUCM, "ram_bytes = 65_536", "ram_bytes = 65_537", "RAM, the part 65536"),
        (ADUCM, "size = 0x4_0000", "size = 0x4_0100", "whole pages"),
        (ADUCM, "base = 0x2004_0000", "base = 0x2000_4000", "ram and ram2 overlap (0x20004000)"),
        (ADUCM, 'part = "ADuCM3029"', 'part = "ADuCM3028"', "unknown part 'ADuCM3028'"),
        (ADUCM, '"{bin}"', '"x"', "command of daplink names neither"),
        (ADUCM, "base = 0x180", "base = 0x50_0000", "lie outside every memory"),
        ("firmware/port/aducm30xx/port.c", "void tl_port_uart_flush(void)", "void flush(void)",
         "tl_port_uart_flush is missing: void tl_port_uart_flush(void);"),
        ("firmware/port/aducm30xx/port.c", "uint32_t div = divider(baud);", "uint16_t div = divider(baud);",
         "does not compile"),
        (ADUCM, "hz = 26_000_000   ", "hz = 13_000_000   ", "aducm3029.repl"),
        (ADUCM, 'core = "cortex-m3"', 'core = "cortex-m4f"', "core is cortex-m4f, a ADuCM3029 has a cortex-m3"),
        (ADUCM, "-mcpu=cortex-m3", "-mcpu=cortex-m4", "no -mcpu=cortex-m3"),
        (ADUCM, 'instance = "UART0"', 'instance = "UART1"', "a ADuCM3029 has no 'UART1'; it has UART0"),
        (ADUCM, '"P0.11"', '"P0.12"', "P0.12 cannot be UART0_rx; P0.11 can"),
        (ADUCM, '"P0.11"', '"P3.11"', "the ADuCM3029 has no pin P3.11"),
        (ADUCM, '"0d28:0204"', '"0d28-0204"', "is no vendor:product"),
        ("boards/parts/ADuCM3029.toml", "reset_hz", "restart_hz", "reset_hz: Field required"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told(own: Path, file: str, before: str, after: str, told: str) -> None:
    change(own / file, (before, after))
    assert told in wrong("aducm3029")


def test_everything_is_told_at_once(own: Path) -> None:
    """Wrong keys in one table keep no other table from being checked against the part."""
    changes = (
        ("sleep_ua = 1.0 ", 'sleep_ua = "1" '), ("hz = 80_000_000", "hz = 90_000_000"), ('"HSI16"', '"HSE"'),
        ("flash_wait_states = 4", "flash_wait_states = 3"), ("size = 0x1_0000", "size = 0x2_0000"),
        ("function = 3", "function = 7"), ("base = 0x1000_0000", "base = 0x1100_0000"),
        ("stack_bytes = 2048", "stack_bytes = 999_999"), ('"st-flash"\ncommand', '"openocd"\ncommand'),
    )  # fmt: skip
    change(own / L432, *changes)
    told = wrong("stm32l4")
    for part in (
        "energy.sleep_ua", "clock.hz is 90000000, a STM32L432KC takes at most 80000000", "no 'HSE'; it has MSI, HSI16",
        "has no ram at 0x20010000; it has", "PA15 is USART2_rx by function 3, not 7",
        "alias SRAM2: a STM32L432KC has no memory at 0x11000000", "build.stack_bytes is 999999",
        "two flash tools are called 'openocd'",
    ):  # fmt: skip
        assert part in told, part


def test_too_few_wait_states_are_named(own: Path) -> None:
    change(own / L432, ("flash_wait_states = 4", "flash_wait_states = 3"))
    assert "clock.flash_wait_states is 3; 80 MHz need 4 (3 allow 64 MHz)" in wrong("stm32l4")


def test_without_a_compiler_the_port_is_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.shutil, "which", lambda name: None)
    assert any("not compiled" in finding.what and not finding.wrong for finding in check_board("cc2650"))
