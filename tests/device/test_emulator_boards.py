"""ADuCM3029 and CC2650 in emulation: what their real parts would not survive stops here, and all boards agree."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.firmware.fake_model import DENSE_INT16, MISSING, SPARSE_INT8, FakeReference
from tests.scans import sample_row
from tinyloc.boards import Board, board_names, load_board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash, ImageError, Machine
from tinyloc.device.emulator.families import load_family
from tinyloc.device.image.build import build_firmware, fixed_source
from tinyloc.device.link.client import DeviceClient, DeviceRefused, DeviceRestarted

FIXTURES = Path(__file__).parent.parent / "firmware" / "fixtures"
MODELS = {"dense_int16": DENSE_INT16, "sparse_int8": SPARSE_INT8}

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

COMMON = """
typedef unsigned u32;
typedef unsigned short u16;
#define REG(address) (*(volatile u32 *)(address))
#define HALF(address) (*(volatile u16 *)(address))
#define NOIPA __attribute__((noipa))
void start(void);
__attribute__((section(".vectors"), used)) void *const vectors[2] = {(void *)0x20000400, (void *)start};
"""
PRELUDES = {
    "aducm3029": """
static inline void uart_on(void) {          /* 6.5 MHz: the rate at reset's clock */
  REG(0x4004C314) &= ~0x30u;
  REG(0x40020000) |= 0x500000;
  HALF(0x4000500C) = 3; HALF(0x4000502C) = 2; HALF(0x40005028) = 3; HALF(0x40005024) = 0x8000 | 2407;
}
static inline u32 get(void) { while (!(HALF(0x40005014) & 1)) {} return HALF(0x40005000); }
static inline void put(u32 byte) { while (!(HALF(0x40005014) & 0x20)) {} HALF(0x40005000) = (u16)byte; }
""",
    "cc2650": """
static inline void uart_on(void) {
  REG(0x40082134) = 1; REG(0x40082138) = 1; REG(0x4008206C) = 1; REG(0x40082028) = 1;
  REG(0x4008100C) = 0x6010; REG(0x40081008) = 0x2000600F;
  REG(0x40001024) = 26; REG(0x40001028) = 3; REG(0x4000102C) = 0x60; REG(0x40001030) = 0x301;
}
static inline u32 get(void) { while (REG(0x40001018) & 0x10) {} return REG(0x40001000); }
static inline void put(u32 byte) { while (REG(0x40001018) & 0x20) {} REG(0x40001000) = byte; }
""",
}
SECTIONS = ".vectors 0 : { KEEP(*(.vectors)) } .text 0x200 : { *(.text*) *(.rodata*) } .fixed %s : { KEEP(*(.fixed*)) }"
SCRIPTS = {"aducm3029": SECTIONS % "0x180", "cc2650": SECTIONS % "0x1FFA8"}
ECHO = "void start(void) { uart_on(); for (;;) put(get() + 1); }"
M3_BOARDS = sorted(PRELUDES)


@pytest.fixture
def small(tmp_path):
    """Compile a few lines of C for a Cortex-M3 board; gives the ELF. `fixed` replaces the board's fixed words."""

    def compile_small(name: str, source: str, fixed: str | None = None) -> Path:
        board = load_board(name)
        code, script, elf = tmp_path / "test.c", tmp_path / "test.ld", tmp_path / "test.elf"
        code.write_text((fixed_source(board) if fixed is None else fixed) + COMMON + PRELUDES[name] + source)
        script.write_text(f"SECTIONS {{ {SCRIPTS[name]} }} __stack_start = 0x20000000;")
        command = ["arm-none-eabi-gcc", *board.build.flags, "-O1", "-g", "-nostdlib", "-ffreestanding"]
        subprocess.run([*command, "-Wl,--no-warn-rwx-segments", "-T", script, code, "-o", elf], check=True)
        return elf

    return compile_small


def crash(elf: Path, name: str) -> EmulatorCrash:
    with pytest.raises(EmulatorCrash) as caught:
        Machine(elf, load_board(name)).run()
    return caught.value


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    """(board name, model) -> board and image of every board and fixture."""
    root = tmp_path_factory.mktemp("images")
    return {
        (name, model): (load_board(name), build_firmware(FIXTURES / model, load_board(name), root / f"{name}-{model}"))
        for name in board_names()
        for model in MODELS
    }


def test_every_board_has_a_model_of_its_part():
    for name in board_names():
        assert load_family(load_board(name).facts.family).part is not None


def random_rows(inputs: int, count: int) -> list[list[int]]:
    random = np.random.default_rng(7)
    readings = random.integers(-110, -30, (count, inputs))
    return np.where(random.random((count, inputs)) < 0.5, readings, MISSING).tolist()


@pytest.mark.parametrize("model", MODELS)
def test_all_boards_give_the_same_answers(images, model):
    fake = MODELS[model]
    rows = random_rows(fake.inputs, 40)
    reference = FakeReference(fake)
    reference.reset()
    expected = [reference.sample(row) for row in rows]
    instructions = {}
    for name in board_names():
        board, build = images[name, model]
        device = EmulatedDevice(build.elf, board, measure=True)
        client = DeviceClient(device)
        hello = client.hello()
        assert (hello.board, hello.clock_hz, hello.counts_cycles) == (name, board.clock.hz, True)
        client.set_baud(min(board.uart.max_baud, 1_000_000))
        client.reset()
        answers = [sample_row(client, np.array(row, np.int8)) for row in rows]
        assert [(a.class_index, list(a.scores)) for a in answers] == [(c, list(s)) for c, s in expected], name
        assert max(a.stack_high_water for a in answers) < board.build.stack_bytes
        instructions[name] = sum(run.instructions for run in device.runs)
    assert instructions["aducm3029"] == instructions["cc2650"], "the same code on the same core"


NRF52_RATES = (9600, 57_600, 230_400, 250_000, 1_000_000, 115_200)
"""Nordic documents these; 460800 and 921600 are 2.1 % off there and refused."""


@pytest.mark.parametrize("name", board_names())
def test_the_rate_changes_within_half_a_percent(images, name):
    board, build = images[name, "dense_int16"]
    device = EmulatedDevice(build.elf, board)
    client = DeviceClient(device)
    nordic = board.facts.family == "nrf52"
    for baud in NRF52_RATES if nordic else (9600, 57_600, 230_400, 460_800, 921_600, 115_200):
        client.set_baud(baud)
        assert device.machine.part.uart.baud == pytest.approx(baud, rel=0.0065 if nordic else 0.005)
        assert client.hello().board == name
    if nordic:
        with pytest.raises(DeviceRefused, match="921600"):
            client.set_baud(921_600)
        assert client.hello().board == name, "the old rate stays"


@pytest.mark.parametrize("name", board_names())
def test_a_hung_board_is_reset_after_four_seconds_and_says_why(images, name):
    board, build = images[name, "dense_int16"]
    device = EmulatedDevice(build.elf, board)
    client = DeviceClient(device)
    assert client.hello().reset_cause == 1, "power-on"
    machine = device.machine
    assert 3.5 < machine.part.watchdog.timeout_s() < 4.5
    machine._free_cycles += int(3.0 * board.clock.hz)  # time in which nothing runs
    assert not machine.part.watchdog.expired()
    machine._free_cycles += int(1.6 * board.clock.hz)
    assert machine.part.watchdog.expired()
    machine._reset("watchdog")
    with pytest.raises(DeviceRestarted, match="watchdog"):
        client.hello()
    assert client.hello().reset_cause == 4


@pytest.mark.parametrize("name", M3_BOARDS)
def test_a_restart_after_a_fault_is_told_as_software(images, name):
    board, build = images[name, "dense_int16"]
    device = EmulatedDevice(build.elf, board)
    client = DeviceClient(device)
    client.hello()
    machine = device.machine
    machine._pc = machine.image.symbols["tl_port_restart"]
    assert client.hello().reset_cause == 3


@pytest.mark.parametrize("name", board_names())
def test_systick_stands_in_for_a_missing_cycle_counter(images, name):
    board, build = images[name, "dense_int16"]
    device = EmulatedDevice(build.elf, board, measure=True)
    dwt = next(p for p in device.machine.part.peripherals if p.name == "DWT")
    counted = {}
    for missing in (False, True):
        dwt.registers[0] = type(dwt.registers[0])("CTRL", 0x4200_0000 if missing else 0x4000_0000)
        device.machine._reset("power-on")
        client = DeviceClient(device)
        assert client.hello().counts_cycles is not missing
        client.reset()
        counted[missing] = sample_row(client, np.array([-60] * 5, np.int8)).cycles
    assert counted[True] == pytest.approx(counted[False], abs=60)


@pytest.mark.parametrize(
    ("name", "body", "reason"),
    [
        ("aducm3029", "REG(0x20008000) = value;", "write of 4 bytes at 0x20008000"),
        ("aducm3029", "value = REG(0x20040000 - 4);", "read of 4 bytes at 0x2003fffc"),
        ("aducm3029", "REG(0x180) = 0;", "write to read-only memory at 0x00000180"),
        ("aducm3029", "REG(0x10000000) = value;", "write of 4 bytes at 0x10000000"),
        ("aducm3029", "value = REG(0x40000);", "read of 4 bytes at 0x00040000"),
        ("aducm3029", "HALF(0x40002C0C) = 1;", "only 0xcccc may be written"),
        ("aducm3029", "value = REG(0x4004C700);", "0x4004c700, where this board has no memory"),
        ("aducm3029", "value = HALF(0x400050C0);", "no register at offset 0xc0"),
        ("aducm3029", "HALF(0x40005004) = 1;", "interrupt enabled"),
        ("aducm3029", "REG(0x4004C304) = 0x00100104;", "must not exceed"),
        ("aducm3029", "((void (*)(void))0x20000001)();", "not executable"),
        ("cc2650", "REG(0x20005000) = value;", "write of 4 bytes at 0x20005000"),
        ("cc2650", "REG(0x11000000) = value;", "write of 4 bytes at 0x11000000"),
        ("cc2650", "REG(0x1FFE4) = 0;", "write to read-only memory at 0x0001ffe4"),
        ("cc2650", "value = REG(0x20000);", "read of 4 bytes at 0x00020000"),
        ("cc2650", "REG(0x40001000) = 'A';", "without power"),
        ("cc2650", "REG(0x40082134) = 1; REG(0x4008206C) = 1; REG(0x40001030) = 0x301;", "clock (UARTCLKGR)"),
        ("cc2650", "REG(0x40034004) = 1; REG(0x40034004) = 0;", "switch the cache off"),
        ("cc2650", "value = REG(0x40082300);", "PRCM has no register at offset 0x300"),
        ("cc2650", "REG(0xE000E100) = 1 << 5;", "interrupt enabled"),
    ],
)
def test_crash_names_function_and_reason(small, name, body, reason):
    elf = small(name, "NOIPA void culprit(u32 value) {" + body + "} void start(void) { culprit(5); for (;;) {} }")
    error = crash(elf, name)
    assert reason in str(error)
    assert error.site.function == "culprit"


@pytest.mark.parametrize("address", [0x2000_4000, 0x2000_7FFC, 0x2004_4000, 0x2004_7FFC])
def test_banks_are_no_data_memory_until_instren_is_cleared(small, address):
    touch = f"NOIPA void touch(void) {{ REG({address:#x}) = 77; }}"
    on = "REG(0x4004C260) &= 0x7FFFFFFF;"
    error = crash(small("aducm3029", touch + "void start(void) { touch(); for (;;) {} }"), "aducm3029")
    assert error.site.function == "touch"
    assert "cannot hold data while INSTREN" in str(error)
    elf = small("aducm3029", touch + "void start(void) {" + on + "touch(); uart_on(); get(); }")
    machine = Machine(elf, load_board("aducm3029"))
    machine.run()
    assert machine.read_memory(address, 4) == b"\x4d\0\0\0"
    machine._reset("software")
    with pytest.raises(Exception, match="READ_UNMAPPED"):
        machine.read_memory(address, 4)


@pytest.mark.parametrize("name", M3_BOARDS)
def test_uart_needs_pins_and_rate(small, name):
    device = EmulatedDevice(small(name, ECHO), load_board(name))
    device.write(b"HAL")
    assert device.read(0) == b"IBM"
    pins = {"aducm3029": "REG(0x40020000) = 0;", "cc2650": "REG(0x4008100C) = 0x6000;"}
    rate = {"aducm3029": "HALF(0x40005028) = 6;", "cc2650": "REG(0x40001024) = 13; REG(0x4000102C) = 0x60;"}
    device = EmulatedDevice(small(name, ECHO.replace("uart_on();", "uart_on();" + rate[name])), load_board(name))
    device.write(b"A")
    assert device.read(0.001) != b"B"
    device = EmulatedDevice(small(name, ECHO.replace("uart_on();", "uart_on();" + pins[name])), load_board(name))
    with pytest.raises(EmulatorCrash, match=r"UART0 .*, but (P0.11|DIO3) has alternate function 0"):
        device.write(b"A")
        device.read(0.001)


def test_the_aducm_watchdog_runs_from_reset_and_locks(small):
    source = "void start(void) { u32 cause = REG(0x4004C040); REG(0x4004C040) = 15; uart_on(); put(cause);"
    device = EmulatedDevice(small("aducm3029", source + "for (;;) get(); }"), load_board("aducm3029"))
    assert device.read(0) == b"\x01"
    assert device.machine.part.watchdog.timeout_s() == pytest.approx(32.0)
    device.machine._free_cycles += int(33 * 6.5e6)
    device.wait(0.002)
    assert device.read(0) == b"\x04"
    locked = "HALF(0x40002C00) = 64; HALF(0x40002C08) = 0x69; HALF(0x40002C08) = 0; HALF(0x40002C00) = 0xFFFF;"
    device = EmulatedDevice(small("aducm3029", source + locked + "for (;;) get(); }"), load_board("aducm3029"))
    device.read(0)
    device.wait(0.4)
    assert device.read(0) == b""
    device.wait(0.2)
    assert device.read(0) == b"\x04", "neither the stop nor the longer count was taken"


def wrong_word(board: Board, index: int, value: int) -> str:
    block = board.fixed[0]
    words = [*block.words]
    words[index] = value
    return fixed_source(board.model_copy(update={"fixed": [block.model_copy(update={"words": words})]}))


@pytest.mark.parametrize(
    ("name", "index", "value", "told"),
    [
        ("aducm3029", 4, 0, r"read_protection .*holds 0x00000000 at 0x190, must be 0xa79c3203"),
        ("aducm3029", 0, 0x1234, r"holds 0x00001234 at 0x180"),
        ("cc2650", 17, 0xFFFF_FFFF, r"ccfg .*holds 0xffffffff at 0x1ffec, must be 0x00000000"),
        ("cc2650", 15, 0, r"holds 0x00000000 at 0x1ffe4"),
    ],
)
def test_an_image_with_wrong_fixed_words_is_refused(small, name, index, value, told):
    elf = small(name, ECHO, fixed=wrong_word(load_board(name), index, value))
    with pytest.raises(ImageError, match=told):
        Machine(elf, load_board(name))


def test_an_image_without_fixed_words_is_refused(small):
    with pytest.raises(ImageError, match=r"CC2650F128 would not start: ccfg .* is missing"):
        Machine(small("cc2650", ECHO, fixed=""), load_board("cc2650"))
    with pytest.raises(ImageError, match=r"ADuCM3029 would not start: read_protection .* must be"):
        Machine(small("aducm3029", ECHO, fixed=""), load_board("aducm3029"))  # the linker fills the gap with zeros


def test_an_image_that_writes_into_the_blank_word_is_refused(small):
    board = load_board("aducm3029")
    filled = '__attribute__((section(".tail"), used)) const unsigned tail = 5;'
    script = SCRIPTS["aducm3029"] + " .tail 0x3FFFC : { KEEP(*(.tail)) }"
    SCRIPTS["aducm3029"], before = script, SCRIPTS["aducm3029"]
    try:
        elf = small("aducm3029", ECHO + filled)
    finally:
        SCRIPTS["aducm3029"] = before
    with pytest.raises(ImageError, match=r"page_crc .*holds 0x00000005 at 0x3fffc"):
        Machine(elf, board)


@pytest.mark.parametrize("name", M3_BOARDS)
def test_a_read_through_a_null_pointer_is_caught_where_cycles_are_counted(name, small):
    """The flash lies at 0 there: the part would give the vectors."""
    body = "struct s { u32 a, b; }; NOIPA u32 look(struct s *s) { return s->b; }\n"
    elf = small(name, body + "void start(void) { uart_on(); put(look(0)); for (;;) get(); }")
    with pytest.raises(EmulatorCrash, match=r"read of 0x00000004 through a null pointer.*") as caught:
        Machine(elf, load_board(name), measure=True).run()
    assert "look" in str(caught.value)
    fine = small(name, body + "void start(void) { struct s s = {1, 2}; uart_on(); put(look(&s)); for (;;) get(); }")
    Machine(fine, load_board(name), measure=True).run()
