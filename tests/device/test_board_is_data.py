"""A board is data: the same C and the same emulator model serve every board of a family, right or wrong."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.fake_model import DENSE_INT16, FakeReference
from tests.scans import sample_row
from tinyloc import paths
from tinyloc.boards import Board, load_board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.image.build import BuildError, board_header, build_firmware
from tinyloc.device.link.client import DeviceClient

FIXTURE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")


def changed(board: Board, table: str, **values: object) -> Board:
    return board.model_copy(update={table: getattr(board, table).model_copy(update=values)})


def pin(board: Board, name: str, function: int) -> object:
    assert board.uart.rx is not None
    return board.uart.rx.model_copy(update={"pin": name, "function": function})


def greets(board: Board, out: Path) -> str:
    """Name in the greeting of an image built for a board, run on that board."""
    image = build_firmware(FIXTURE, board, out)
    return DeviceClient(EmulatedDevice(image.elf, board)).hello().board


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"rx": ("PA15", 7)}, "PA15 has alternate function 7; USART2_RX is function 3 there"),
        ({"rx": ("PA3", 3)}, "PA3 has alternate function 3; USART2_RX is function 7 there"),
        ({"rx": ("PA4", 7)}, "PA4 of a STM32L476RG cannot be USART2_RX; PA3, PA15 can"),
        ({"tx": ("PA2", 1)}, "USART2 sends, but PA2 has alternate function 1; USART2_TX is function 7 there"),
    ],
)
def test_a_wrong_nucleo_l476rg_fails_by_name(changes: dict, why: str, tmp_path: Path) -> None:
    board = load_board("nucleo_l476rg")
    wrong = changed(board, "uart", **{name: pin(board, *value) for name, value in changes.items()})
    with pytest.raises(EmulatorCrash, match=why):
        greets(wrong, tmp_path / "wrong")


def test_an_image_for_other_pins_than_the_board_s_fails(tmp_path: Path) -> None:
    """PA15 can be USART2_RX, but the adapter of this board drives PA3."""
    board = load_board("nucleo_l476rg")
    image = build_firmware(FIXTURE, changed(board, "uart", rx=pin(board, "PA15", 3)), tmp_path / "image")
    with pytest.raises(EmulatorCrash, match="USART2 waits for bytes, but PA3 has no alternate function"):
        DeviceClient(EmulatedDevice(image.elf, board)).hello()


def test_too_few_wait_states_fail(tmp_path: Path) -> None:
    wrong = changed(load_board("nucleo_l476rg"), "clock", flash_wait_states=3)
    with pytest.raises(EmulatorCrash, match="80 MHz with 3 flash wait states; they allow 64 MHz"):
        greets(wrong, tmp_path / "wrong")


def test_the_right_nucleo_l476rg_passes_and_uses_both_banks(tmp_path: Path) -> None:
    board = load_board("nucleo_l476rg")
    image = build_firmware(FIXTURE, board, tmp_path / "image")
    device = EmulatedDevice(image.elf, board)
    client = DeviceClient(device)
    hello = client.hello()
    assert (hello.board, hello.clock_hz, device.machine.part.core_hz()) == ("nucleo_l476rg", 80_000_000, 80_000_000)
    assert device.machine.image.symbols["tl_localiser"] >> 16 == 0x1000
    assert device.machine.image.symbols["tl_arena"] >> 16 == 0x2000
    reference = FakeReference(DENSE_INT16)
    reference.reset()
    client.reset()
    rows = np.random.default_rng(3).integers(-100, -40, (20, DENSE_INT16.inputs)).astype(np.int8)
    for row in rows:
        answer = sample_row(client, row)
        assert (answer.class_index, list(answer.scores)) == reference.sample(row.tolist())[:2]


@pytest.mark.parametrize(
    ("instance", "tx", "rx"),
    [("USART1", ("PA9", 7), ("PB7", 7)), ("USART3", ("PC10", 7), ("PC11", 7)), ("UART5", ("PC12", 8), ("PD2", 8))],
)
def test_other_uarts_and_ports_need_data_only(instance: str, tx: tuple, rx: tuple, tmp_path: Path) -> None:
    board = load_board("nucleo_l476rg")
    other = changed(board, "uart", instance=instance, tx=pin(board, *tx), rx=pin(board, *rx))
    assert greets(other, tmp_path / "image") == "nucleo_l476rg"


@pytest.mark.parametrize(
    ("source", "hz", "states"),
    [("HSI16", 80_000_000, 4), ("HSI16", 48_000_000, 2), ("HSI16", 16_000_000, 0), ("HSI16", 26_000_000, 1),
     ("MSI", 80_000_000, 4), ("MSI", 25_000_000, 1), ("MSI", 4_000_000, 0), ("HSI16", 71_000_000, 4)],
)  # fmt: skip
def test_clocks_of_the_stm32l4_need_data_only(source: str, hz: int, states: int, tmp_path: Path) -> None:
    board = changed(load_board("stm32l4"), "clock", source=source, hz=hz, flash_wait_states=states)
    board = changed(board, "uart", max_baud=min(921_600, hz // 16))
    image = build_firmware(FIXTURE, board, tmp_path / "image")
    device = EmulatedDevice(image.elf, board)
    assert DeviceClient(device).hello().clock_hz == hz == device.machine.part.core_hz()


@pytest.mark.parametrize(("source", "hz"), [("HSI16", 90_000_000), ("MSI", 15_000_000), ("HSI16", 33_500_000)])
def test_a_clock_that_the_port_cannot_make_does_not_build(source: str, hz: int, tmp_path: Path) -> None:
    board = changed(load_board("stm32l4"), "clock", source=source, hz=hz)
    with pytest.raises(BuildError, match="static assertion failed"):
        build_firmware(FIXTURE, board, tmp_path / "image")


def test_pins_of_the_cc2650_and_the_aducm_come_from_data_too(tmp_path: Path) -> None:
    cc2650 = load_board("cc2650")
    sensortag = changed(cc2650, "uart", tx=pin(cc2650, "DIO29", 0x10), rx=pin(cc2650, "DIO28", 0x0F))
    assert greets(sensortag, tmp_path / "sensortag") == "cc2650"
    wrong = changed(cc2650, "uart", rx=pin(cc2650, "DIO28", 0x10))
    with pytest.raises(EmulatorCrash, match="DIO28 has alternate function 16; UART0_RX is function 15 there"):
        greets(wrong, tmp_path / "wrong")
    aducm = load_board("aducm3029")
    with pytest.raises(EmulatorCrash, match=r"P0\.11 has alternate function 2; UART0_RX is function 1 there"):
        greets(changed(aducm, "uart", rx=pin(aducm, "P0.11", 2)), tmp_path / "aducm")
    assert "#define TL_UART_RX_PORT 0u\n#define TL_UART_RX_PIN 11u\n" in board_header(aducm)


def test_a_board_outside_the_package_builds_and_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(paths.BOARDS_DIR / "nucleo_l476rg", "boards/mine")
    path = Path("boards/mine/board.toml")
    path.write_text(path.read_text().replace('name = "nucleo_l476rg"', 'name = "mine"'))
    assert greets(load_board("mine"), tmp_path / "image") == "mine"
