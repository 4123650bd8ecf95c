"""Small firmware, compiled for the tests of the emulator."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import settings

from tinyloc.boards import Board, load_board

settings.register_profile("tinyloc", derandomize=True, deadline=None)
settings.load_profile("tinyloc")

LINKER_SCRIPT = """
MEMORY {{ FLASH (rx) : ORIGIN = {flash:#x}, LENGTH = 64K
          RAM (rw) : ORIGIN = 0x20000000, LENGTH = 64K }}
SECTIONS {{
  .text : {{ KEEP(*(.vectors)) *(.text*) *(.rodata*) }} > FLASH
  .bss (NOLOAD) : {{ *(.bss*) *(COMMON) }} > RAM
}}
__stack_start = 0x20000000 + 0x10000 - 1024;
"""

PRELUDE = """
typedef unsigned u32;
#define REG(address) (*(volatile u32 *)(address))
#define NOIPA __attribute__((noipa))
void start(void);
__attribute__((section(".vectors"), used)) void *const vectors[2] = {(void *)0x20010000, (void *)start};
static inline void uart_on(void) {
  REG(0x4002104C) |= 1;                   /* GPIOA */
  REG(0x40021058) |= 1 << 17;             /* USART2 */
  REG(0x48000000) = (REG(0x48000000) & ~0xC0000030u) | 0x80000020u;
  REG(0x48000020) |= 7 << 8;
  REG(0x48000024) |= 3u << 28;
  REG(0x4000440C) = 35;                   /* 4 MHz / 115200 */
  REG(0x40004400) = 0xD;
}
static inline u32 get(void) { while (!(REG(0x4000441C) & 0x20)) {} return REG(0x40004424); }
static inline void put(u32 byte) { while (!(REG(0x4000441C) & 0x80)) {} REG(0x40004428) = byte; }
"""


@pytest.fixture
def board() -> Board:
    return load_board("stm32l4")


Compile = Callable[..., Path]


@pytest.fixture
def firmware(tmp_path: Path) -> Compile:
    """Compile C for the STM32L4 with registers, UART and vectors at hand; gives the ELF."""
    compiler = shutil.which("arm-none-eabi-gcc")
    if compiler is None:
        pytest.skip("needs arm-none-eabi-gcc")

    def build(source: str, *, optimise: str = "-O1", cpu: str = "cortex-m4", prelude: str = PRELUDE) -> Path:
        script = tmp_path / "test.ld"
        script.write_text(LINKER_SCRIPT.format(flash=0x08000000))
        code = tmp_path / "test.c"
        code.write_text(prelude + source)
        fpu = ["-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"] if cpu == "cortex-m4" else ["-mfloat-abi=soft"]
        elf = tmp_path / "test.elf"
        command = [compiler, f"-mcpu={cpu}", "-mthumb", *fpu, optimise, "-g", "-nostdlib", "-ffreestanding"]
        subprocess.run([*command, "-Wl,--no-warn-rwx-segments", "-T", script, code, "-o", elf], check=True)
        return elf

    return build
