"""The emulated board: it runs what the part would run, and stops where the part would crash."""

import pytest

from tinyloc.boards import Alias, Board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash, ImageError, Machine
from tinyloc.device.emulator import machine as module

ECHO = "void start(void) { uart_on(); for (;;) put(get() + 1); }"


def crash(firmware, board: Board, body: str, **options) -> EmulatorCrash:
    main = "void start(void) { culprit(5); for (;;) {} }"
    elf = firmware("NOIPA void culprit(u32 value) {" + body + "}" + main, **options)
    with pytest.raises(EmulatorCrash) as caught:
        Machine(elf, board).run()
    return caught.value


def test_firmware_answers_over_its_uart(firmware, board):
    device = EmulatedDevice(firmware(ECHO), board)
    device.write(b"HAL")
    assert device.read(0) == b"IBM"
    device.write(b"\x00")
    assert device.read(0) == b"\x01"
    assert device.read(1.0) == b""


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("REG(0x30000000) = value;", "write of 4 bytes at 0x30000000"),
        ("value = REG(0x20010000);", "read of 4 bytes at 0x20010000"),
        ("REG(0x08000100) = value;", "write to read-only memory at 0x08000100"),
        ("REG(0x00000100) = value;", "write to read-only memory at 0x00000100"),
        ('__asm volatile("udf #1");', "undefined instruction"),
        ('__asm volatile("bkpt #0");', "BKPT"),
        ('__asm volatile("svc #0");', "SVC"),
        ("((void (*)(void))0x50000001)();", "jump to 0x50000000"),
        ("((void (*)(void))0x20000001)();", "jump to 0x20000000, which is not executable"),
        ("((void (*)(void))0x08000000)();", "Arm state"),
        ("REG(0x40021200) = value;", "RCC has no register at offset 0x200"),
        ("REG(0x48000C00) = value;", "0x48000c00, where this board has no memory"),
        ("REG(0xE000E100) = 1;", "interrupt enabled"),
        ("REG(0x40021000) |= 1 << 8; REG(0x40021008) = 3;", "source that is not running"),
    ],
)
def test_crash_names_function_and_reason(firmware, board, body, reason):
    error = crash(firmware, board, body)
    assert reason in str(error)
    assert error.site.function == "culprit"
    assert error.site.instruction
    assert set(error.site.registers) >= {"r0", "sp", "lr", "pc", "xpsr"}


def test_crash_points_at_the_instruction(firmware, board):
    error = crash(firmware, board, "value += 3; REG(0x30000000) = value;")
    assert error.site.instruction.startswith("str")
    assert error.site.registers["r0"] == 8
    assert error.site.chain[0] == "start"


def test_wait_states_must_allow_the_clock(firmware, board):
    pll = "REG(0x40021000) |= 1 << 8; REG(0x4002100C) = 0x01000A02; REG(0x40021000) |= 1 << 24;"
    error = crash(firmware, board, pll + "REG(0x40021008) = 3;")
    assert "80 MHz with 0 flash wait states" in str(error)


def test_an_endless_loop_is_no_hang(firmware, board, monkeypatch):
    elf = firmware("NOIPA void spin(void) { for (;;) {} } void start(void) { spin(); }")
    machine = Machine(elf, board, measure=True)
    monkeypatch.setattr(module, "RUNAWAY_CYCLES", 10_000)
    with pytest.raises(EmulatorCrash, match="without polling the UART") as caught:
        machine.run()
    assert caught.value.site.function == "spin"


def test_an_endless_loop_ends_without_counting_too(firmware, board, monkeypatch):
    elf = firmware("NOIPA void spin(void) { for (;;) {} } void start(void) { spin(); }")
    monkeypatch.setattr(module, "RUNAWAY_S", 0.0)
    with pytest.raises(EmulatorCrash, match="without polling the UART"):
        Machine(elf, board).run()


def test_stack_overflow_is_caught_with_the_call_chain(firmware, board):
    elf = firmware(
        "NOIPA int deep(int n) { volatile int pad[16]; pad[0] = n; return deep(n + 1) + pad[0]; }"
        "NOIPA int outer(void) { return deep(0) + 1; }"
        "void start(void) { uart_on(); get(); outer(); for (;;) {} }"
    )
    device = EmulatedDevice(elf, board, measure=True)
    device.write(b"!")
    with pytest.raises(EmulatorCrash, match="stack overflow") as caught:
        device.read(0)
    assert caught.value.site.function == "deep"
    assert caught.value.site.chain[-2:] == ("outer", "start")


def test_floating_point_needs_cpacr(firmware, board):
    body = "volatile float x = 2.5f; x = x * x; REG(0x20000000) = (u32)x; uart_on(); get();"
    with pytest.raises(EmulatorCrash, match="CPACR"):
        Machine(firmware("void start(void) {" + body + "}"), board, measure=True).run()
    enable = 'REG(0xE000ED88) = 0xF << 20; __asm volatile("isb");'
    machine = Machine(firmware("void start(void) {" + enable + body + "}"), board, measure=True)
    machine.run()
    assert machine.read_memory(0x20000000, 4) == b"\x06\0\0\0"


def test_an_unaligned_double_load_is_caught(firmware, board):
    source = (
        "NOIPA unsigned long long pair(unsigned long long *p) { return *p; }"
        "void start(void) { REG(0x20000000) = (u32)pair((void *)0x20000102); uart_on(); get(); }"
    )
    elf = firmware(source)
    with pytest.raises(EmulatorCrash, match="unaligned") as caught:
        Machine(elf, board, measure=True).run()
    assert caught.value.site.function == "pair"
    assert caught.value.site.instruction.startswith("ldrd")
    Machine(elf, board, measure=True, check_alignment=False).run()


def test_both_windows_show_the_same_sram2(firmware, board):
    machine = Machine(firmware("void start(void) { REG(0x10000010) = 77; uart_on(); get(); }"), board)
    machine.run()
    assert machine.read_memory(0x2000C010, 1) == b"\x4d"
    assert any(isinstance(alias, Alias) and alias.base == 0x10000000 for alias in board.alias)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        ("REG(0x40021058) = 0;", r"USART2 ISR read while its clock is off \(RCC_APB1ENR1 bit 17\)"),
        ("REG(0x48000024) = 0;", "USART2 waits for bytes, but PA15 has alternate function 0; USART2_RX is function 3"),
        ("REG(0x48000024) = 7u << 28;", "but PA15 has alternate function 7; USART2_RX is function 3 there"),
        ("REG(0x48000000) &= ~0x30u; put(1);", "USART2 sends, but PA2 has no alternate function"),
        ("REG(0x4000440C) = 0; put(1);", "USART2 sends while its transmitter is off or has no rate"),
        (
            "REG(0x4002104C) = 0; REG(0x48000014) = 1;",
            r"ODR written while its clock is off \(RCC_AHB2ENR bit 0\)",
        ),
    ],
)
def test_a_uart_without_clock_pins_or_rate_is_named(firmware, board, spoil, reason):
    device = EmulatedDevice(firmware(ECHO.replace("uart_on();", "uart_on();" + spoil)), board)
    with pytest.raises(EmulatorCrash, match=reason):
        device.read(0.001)


def test_a_uart_at_another_rate_is_not_understood(firmware, board):
    device = EmulatedDevice(firmware(ECHO.replace("uart_on();", "uart_on(); REG(0x4000440C) = 70;")), board)
    device.write(b"A")
    assert device.read(0.001) != b"B"


def test_software_reset_runs_again_from_the_vector_and_says_so(firmware, board):
    source = (
        "void start(void) { u32 cause = REG(0x40021094); uart_on(); put(cause >> 24);"
        " for (;;) { get(); REG(0xE000ED0C) = 0x05FA0004; for (;;) {} } }"
    )
    device = EmulatedDevice(firmware(source), board)
    power_on = device.read(0)[0]
    device.write(b"r")
    again = device.read(0)[0]
    assert not power_on & 0x10
    assert again & 0x10


def test_watchdog_resets_a_part_that_is_not_fed(firmware, board):
    source = (
        "void start(void) { u32 cause = REG(0x40021094); uart_on(); put(cause >> 24);"
        " REG(0x40003000) = 0xCCCC; REG(0x40003000) = 0x5555; REG(0x40003008) = 100; for (;;) get(); }"
    )
    device = EmulatedDevice(firmware(source), board)
    assert not device.read(0)[0] & 0x20
    device.wait(0.005)
    assert device.read(0) == b""
    device.wait(0.05)
    assert device.read(0)[0] & 0x20


def test_dsp_and_fpu_instructions_are_refused_on_a_cortex_m3(firmware, board):
    m3 = board.model_copy(update={"core": "cortex-m3"})
    dsp = 'NOIPA void mix(void) { __asm volatile("smlad r0, r1, r2, r3"); } void start(void) { mix(); }'
    with pytest.raises(ImageError, match="smlad in mix"):
        Machine(firmware(dsp), m3)
    plain = "NOIPA long long wide(int a, int b, long long c) { return (long long)a * b + c; }"
    plain += "void start(void) { REG(0x20000000) = (u32)wide(3, 4, 5); uart_on(); get(); }"
    machine = Machine(firmware(plain, cpu="cortex-m3"), m3)
    machine.run()
    assert machine.read_memory(0x20000000, 1) == b"\x11"


def test_an_image_for_other_memory_is_refused(firmware, board, tmp_path):
    elsewhere = board.model_copy(
        update={"memory": [m.model_copy(update={"base": 0x09000000}) if m.name == "flash" else m for m in board.memory],
                "alias": []}
    )  # fmt: skip
    with pytest.raises(ImageError, match="outside the flash"):
        Machine(firmware(ECHO), elsewhere)
    with pytest.raises(ImageError, match="no such file"):
        Machine(tmp_path / "none.elf", board)
    (tmp_path / "text.elf").write_text("hello")
    with pytest.raises(ImageError, match="not an ELF"):
        Machine(tmp_path / "text.elf", board)
