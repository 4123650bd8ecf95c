"""The emulator is as strict as the part: each fault below is provoked, and named with function and address."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tinyloc.boards import Board
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash, Machine

Compile = Callable[..., Path]

CALL = "NOIPA void culprit(u32 value) { %s } void start(void) { uart_on(); %s culprit(5); for (;;) get(); }"
UNALIGN, DIVIDE = "REG(0xE000ED14) |= 1 << 3;", "REG(0xE000ED14) |= 1 << 4;"
BARRIER = '__asm volatile("dsb\\n\\tisb");'
PLL = "REG(0x40021000) |= 1 << 8; REG(0x4002100C) = 0x01000A02; REG(0x40021000) |= 1 << 24;"
FASTEST = f"REG(0x40022000) = 0x704; {PLL} REG(0x40021008) = 3;"
LOWER = "REG(0x40022000) = 0x703;"
NO_PRIVILEGE = '__asm volatile("mov r3, #1\\n\\tmsr control, r3\\n\\tisb" ::: "r3");'


def asm(text: str, value: str = "0x20000102") -> str:
    return f'__asm volatile("{text}" :: "r"({value}) : "r0", "r1", "r2", "r3", "memory");'


FAULTS = {
    "too few wait states for the PLL": (
        PLL + "REG(0x40021008) = 3;", "", "80 MHz with 0 flash wait states; they allow 16 MHz", "str",
    ),
    "wait states lowered at full speed": (LOWER, FASTEST, "80 MHz with 3 flash wait states; they allow 64 MHz", "str"),
    "ldrd": (asm("ldrd r0, r1, [%0]"), "", "unaligned access at 0x20000102", "ldrd"),
    "strd": (asm("strd r0, r1, [%0]"), "", "unaligned access at 0x20000102", "strd"),
    "ldm": (asm("mov r3, %0\\n\\tldm r3!, {r0, r1}"), "", "unaligned access at 0x20000102", "ldm"),
    "stm": (asm("mov r3, %0\\n\\tstm r3!, {r0, r1}"), "", "unaligned access at 0x20000102", "stm"),
    "ldrex": (asm("ldrex r0, [%0]"), "", "unaligned access at 0x20000102", "ldrex"),
    "peripheral read": (
        asm("ldr r0, [%0]", "0x4002104E"), "", "unaligned access to a peripheral at 0x4002104e", "ldr",
    ),
    "peripheral write": (
        asm("str r0, [%0, #1]", "0x48000014"), "", "unaligned access to a peripheral at 0x48000015", "str",
    ),
    "peripheral halfword": (
        asm("ldrh r0, [%0]", "0x48000015"), "", "unaligned access to a peripheral at 0x48000015", "ldrh",
    ),
    "UNALIGN_TRP, word": (asm("ldr r0, [%0]"), UNALIGN + BARRIER, "which CCR.UNALIGN_TRP makes a fault", "ldr"),
    "UNALIGN_TRP, halfword": (
        asm("strh r0, [%0, r1, lsl #1]", "0x20000101"), UNALIGN + BARRIER + asm("mov r1, #0"),
        "which CCR.UNALIGN_TRP makes a fault", "strh",
    ),
    "DIV_0_TRP": (asm("udiv r0, r0, %0", "0"), DIVIDE + BARRIER, "division by zero, which CCR.DIV_0_TRP", "udiv"),
    "unprivileged write to the SCB": (
        "REG(0xE000ED08) = 0;", NO_PRIVILEGE, "unprivileged write of 0xe000ed08: CONTROL.nPRIV is set", "str",
    ),
    "unprivileged read of the DWT": (
        "value = REG(0xE0001004);", NO_PRIVILEGE, "unprivileged read of 0xe0001004", "ldr",
    ),
    "WFI": ('__asm volatile("wfi");', "", "WFI waits for an interrupt and none is enabled", "wfi"),
    "WFE": ('__asm volatile("wfe");', "", "WFE that nothing ends: SCB_SCR.SLEEPDEEP is off", "wfe"),
}  # fmt: skip


@pytest.mark.parametrize("measure", [False, True], ids=["free", "counted"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_of_the_part_is_named_with_its_place(
    firmware: Compile, board: Board, fault: str, measure: bool
) -> None:
    body, before, reason, instruction = FAULTS[fault]
    device = EmulatedDevice(firmware(CALL % (body, before)), board, measure=measure)
    with pytest.raises(EmulatorCrash) as caught:
        device.read(0)
    site = caught.value.site
    assert reason in site.reason
    assert site.function == "culprit"
    assert site.instruction.split()[0].split(".")[0] == instruction
    assert re.search(rf"firmware crashed in culprit at {site.pc:#010x}: ", str(caught.value))


@pytest.mark.parametrize(
    "body",
    [
        asm("ldr r0, [%0]"),  # a Cortex-M4 reads an unaligned word of memory
        asm("strh r0, [%0, #1]"),
        asm("ldrd r0, r1, [%0, #4]", "0x20000100"),
        asm("udiv r0, r0, %0", "0"),  # gives 0
        "REG(0x48000014) = 1; *(volatile unsigned char *)0x48000015 = 0; *(volatile unsigned char *)0x48000016 = 0;",
        asm("ldrd r0, r1, [%0]", "0x48000010"),
        "value = REG(0x48000010); value = REG(0x48000014);",
        NO_PRIVILEGE + "REG(0x48000014) = 1;",
    ],
)
@pytest.mark.parametrize("measure", [False, True], ids=["free", "counted"])
def test_what_the_part_allows_runs(firmware: Compile, board: Board, body: str, measure: bool) -> None:
    device = EmulatedDevice(firmware(CALL % (body, "")), board, measure=measure)
    device.read(0)


def test_traps_end_with_a_reset(firmware: Compile, board: Board) -> None:
    source = UNALIGN + BARRIER + "get(); REG(0xE000ED0C) = 0x05FA0004; for (;;) {}"
    plain = asm("ldr r0, [%0]")
    main = f"void start(void) {{ uart_on(); if (REG(0x40021094) >> 28 & 1) {{ {plain} put(7); get(); }} {source} }}"
    device = EmulatedDevice(firmware(main), board)
    device.read(0)
    device.write(b"r")
    assert device.read(0) == b"\x07"


def test_ram_is_random_at_power_on_and_an_uninitialised_read_shows(firmware: Compile, board: Board) -> None:
    where = 'static u32 buffer[8] __attribute__((section(".bss.noinit")));'  # this small image clears no .bss
    elf = firmware(where + "void start(void) { uart_on(); put(buffer[3]); get(); }")

    def answers(seed: int) -> bytes:
        return b"".join(EmulatedDevice(elf, board, power_on_seed=seed + n).read(0) for n in range(0, 40, 10))

    assert answers(1) == answers(1), "the same seed, the same bytes"
    assert answers(1) != answers(2)


def test_a_reset_keeps_the_ram(firmware: Compile, board: Board) -> None:
    machine = Machine(firmware("void start(void) { uart_on(); get(); }"), board)
    machine.run()
    before = machine.read_memory(0x2000_8000, 64)
    assert before != bytes(64)
    machine._reset("software")
    assert machine.read_memory(0x2000_8000, 64) == before
