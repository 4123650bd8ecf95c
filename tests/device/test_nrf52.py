"""nRF52832 and nRF52840: what the silicon asks of start-up code, and what the emulator refuses."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tinyloc.boards import Board, load_board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash, Machine
from tinyloc.device.image.build import build_firmware
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.renode.files import platform

FIXTURE = Path(__file__).parent.parent / "firmware" / "fixtures" / "dense_int16"
BOARDS = ("nrf52832dk", "nrf52840dk")

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

PRELUDE = """
typedef unsigned u32;
#define REG(address) (*(volatile u32 *)(address))
#define NOIPA __attribute__((noipa))
void start(void);
__attribute__((section(".vectors"), used)) void *const vectors[2] = {(void *)0x20000400, (void *)start};
static inline void uart_on(void) {
  REG(0x40000000) = 1;                    /* HFXO */
  REG(0x50000718) = 3; REG(0x50000720) = 0;
  REG(0x4000250C) = 6; REG(0x40002514) = 8;
  REG(0x40002524) = 0x01D7E000; REG(0x40002500) = 4; REG(0x40002000) = 1; REG(0x40002008) = 1;
}
static inline u32 get(void) { while (!REG(0x40002108)) {} REG(0x40002108) = 0; return REG(0x40002518); }
static inline void put(u32 byte) { REG(0x4000251C) = byte; while (!REG(0x4000211C)) {} REG(0x4000211C) = 0; }
"""
SCRIPT = "SECTIONS { .vectors 0 : { KEEP(*(.vectors)) } .text 0x200 : { *(.text*) *(.rodata*) } }"
ECHO = "void start(void) { uart_on(); SPOIL for (;;) put(get() + 1); }"


@pytest.fixture
def small(tmp_path: Path):
    """Compile a few lines of C; gives the ELF."""

    def compile_small(source: str) -> Path:
        code, script, elf = tmp_path / "test.c", tmp_path / "test.ld", tmp_path / "test.elf"
        code.write_text(PRELUDE + source)
        script.write_text(SCRIPT + "__stack_start = 0x20000000;")
        flags = load_board("nrf52840dk").build.flags
        command = ["arm-none-eabi-gcc", *flags, "-O1", "-g", "-nostdlib", "-ffreestanding"]
        subprocess.run([*command, "-Wl,--no-warn-rwx-segments", "-T", script, code, "-o", elf], check=True)
        return elf

    return compile_small


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Board, Path]]:
    root = tmp_path_factory.mktemp("nrf52")
    return {name: (load_board(name), build_firmware(FIXTURE, load_board(name), root / name).elf) for name in BOARDS}


def registers(machine: Machine, name: str) -> dict[str, int]:
    return next(p for p in machine.part.peripherals if p.name == name).values  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", BOARDS)
def test_start_up_does_what_the_errata_ask(name: str, images) -> None:
    board, elf = images[name]
    device = EmulatedDevice(elf, board)
    machine = device.machine
    registers(machine, "UICR")["APPROTECT"] = 0x5A
    registers(machine, "FICR")["TRIM258"] = 0xABCD_EF45
    power = registers(machine, "CLOCK and POWER")
    power |= {"EVENTS_DONE": 1, "EVENTS_CTTO": 1, "CTIV": 7}
    assert DeviceClient(device).hello().board == name
    assert power["EVENTS_DONE"] == power["EVENTS_CTTO"] == power["CTIV"] == 0, "anomaly 36"
    assert power["APPROTECT_DISABLE"] == 0x5A, "249"
    assert power["RAM_TRIM"] == (0x45 if name == "nrf52832dk" else 0), "anomaly 108"
    assert power["DCDCEN"] == 1 and power["HFCLKSTAT"] == 0x10001
    assert registers(machine, "NVMC")["ICACHECNF"] == 1


def test_old_silicon_is_left_as_it_is(images) -> None:
    board, elf = images["nrf52840dk"]
    device = EmulatedDevice(elf, board)
    registers(device.machine, "FICR")["REVISION"] = 4
    registers(device.machine, "UICR")["APPROTECT"] = 0x5A
    DeviceClient(device).hello()
    assert registers(device.machine, "CLOCK and POWER")["APPROTECT_DISABLE"] == 0


def test_without_the_inductor_the_converter_stays_off(tmp_path: Path) -> None:
    board = load_board("nrf52832dk")
    assert board.energy is not None
    ldo = board.model_copy(update={"energy": board.energy.model_copy(update={"dcdc": False})})
    device = EmulatedDevice(build_firmware(FIXTURE, ldo, tmp_path / "image").elf, ldo)
    DeviceClient(device).hello()
    assert registers(device.machine, "CLOCK and POWER")["DCDCEN"] == 0


def test_a_pin_reset_is_told_as_one_though_other_flags_are_set(images) -> None:
    """Anomaly 136."""
    board, elf = images["nrf52832dk"]
    device = EmulatedDevice(elf, board)
    client = DeviceClient(device)
    client.hello()
    device.machine._reset("pin")
    registers(device.machine, "CLOCK and POWER")["RESETREAS"] |= 6
    assert client.hello().reset_cause == 2


def test_a_software_reset_leaves_the_watchdog_running(images) -> None:
    board, elf = images["nrf52840dk"]
    device = EmulatedDevice(elf, board)
    client = DeviceClient(device)
    client.hello()
    device.machine._reset("software")
    assert device.machine.part.watchdog.running  # type: ignore[attr-defined]
    assert client.hello().reset_cause == 3


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("REG(0x40000004) = 1;", "the clock is not the crystal's"),
        ("REG(0x40002514) = 9;", "UART0 waits for bytes, but PSELRXD is 0x9, P0.08 is 0x8"),
        ("REG(0x4000250C) = 0xFFFFFFFF; put(1);", "UART0 sends, but PSELTXD is 0xffffffff, P0.06 is 0x6"),
        ("REG(0x50000718) = 2; put(1);", "P0.06 is no output"),
        ("REG(0x50000720) = 2;", "P0.08 has its input buffer off"),
        ("REG(0x40002500) = 8;", "models the UART without DMA"),
        ("REG(0x40002500) = 0; put(1);", "UART0 sends while its transmitter is off"),
        ("REG(0x40002500) = 0; REG(0x40002008) = 1;", "TASKS_STARTTX while ENABLE is 0"),
        ("REG(0x40000500) = 1;", "System OFF"),
        ("REG(0x40002304) = 4;", "interrupt enabled"),
        ("REG(0x40010504) = 1;", "WDT CRV = 1"),
        ("REG(0x20040000) = 1;", "write of 4 bytes at 0x20040000"),
    ],
)
def test_what_the_part_would_not_do_is_named(small, spoil: str, reason: str) -> None:
    device = EmulatedDevice(small(ECHO.replace("SPOIL", spoil)), load_board("nrf52840dk"))
    with pytest.raises(EmulatorCrash) as caught:
        device.write(b"A")
        device.read(0.001)
    assert reason in str(caught.value)


def test_an_echo_answers(small) -> None:
    for name in BOARDS:
        device = EmulatedDevice(small(ECHO.replace("SPOIL", "")), load_board(name))
        device.write(b"HAL")
        assert device.read(0) == b"IBM"


def test_renode_s_uart_keeps_its_legacy_registers() -> None:
    assert "uart: UART.NRF52840_UART @ sysbus 0x40002000\n    easyDMA: false\n" in platform(load_board("nrf52832dk"))


ASLEEP = """
void start(void) {
  REG(0x40000518) = 1;                      /* LFXO */
  REG(0x40000008) = LFCLK;
  REG(0x4000B304) = INTEN;
  REG(0xE000ED10) = SCR;
  HFCLK
  REG(0x4000B540) = CC0;
  REG(0x4000B000) = START;
  u32 next = CC0;
  for (;;) {
    __asm volatile("wfe");
    if (REG(0x4000B140)) {
      REG(0x4000B140) = 0;
      REG(0xE000E280) = ICPR;
      REG(0x4000B540) = next = (next + CC0) & 0xFFFFFF;
    }
  }
}
"""
SOUND = {"LFCLK": "1", "INTEN": "0x10000", "SCR": "0x10", "HFCLK": "", "CC0": "6554", "START": "1", "ICPR": "0x800"}


def asleep(small, **changes: str) -> Machine:
    flags = "".join(f"#define {name} {value}\n" for name, value in (SOUND | changes).items())
    machine = Machine(small(flags + ASLEEP), load_board("nrf52840dk"))
    machine.run()
    assert machine.asleep
    return machine


def test_the_counter_ends_the_sleep_again_and_again_also_where_it_wraps(small) -> None:
    machine = asleep(small, CC0="0x7FFFFF")
    for _ in range(3):
        assert machine.wake() == pytest.approx(256, abs=1e-3)
        machine.run()
        assert machine.asleep


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"INTEN": "0"}, "INTENSET does not let COMPARE0 through"),
        ({"SCR": "0"}, "SEVONPEND is off"),
        ({"SCR": "0x14"}, "SLEEPDEEP is set"),
        ({"START": "0"}, "RTC0 does not count"),
        ({"HFCLK": "REG(0x40000000) = 1;"}, "the 64 MHz crystal runs on"),
        ({"HFCLK": "uart_on(); REG(0x40000004) = 1;"}, "the UART is enabled"),
    ],
)
def test_a_sleep_that_does_not_end_as_it_should_is_named(small, change, reason) -> None:
    with pytest.raises(EmulatorCrash, match=reason):
        asleep(small, **change).wake()


def test_an_interrupt_that_stays_pending_ends_no_second_sleep(small) -> None:
    machine = asleep(small, ICPR="0")
    machine.wake()
    machine.run()
    with pytest.raises(EmulatorCrash, match="interrupt is pending still"):
        machine.wake()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"LFCLK": "0"}, "the low-frequency clock is off"),
        ({"HFCLK": "REG(0x4000B000) = 1;", "CC0": "1"}, "1 ticks ahead"),
    ],
)
def test_a_counter_that_is_not_set_up_is_named_at_once(small, change, reason) -> None:
    with pytest.raises(EmulatorCrash, match=reason):
        asleep(small, **change)
