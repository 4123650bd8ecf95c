"""Flash of the CC26x0: the calls of its ROM that erase and program, and the registers around them.

Table and arguments: boards2.md, C (driverlib's flash.c and rom.h). The part has no ECC that is known of.
"""

from collections.abc import Callable

from tinyloc.device.emulator.flash_memory import UNIT, FlashMemory
from tinyloc.device.emulator.peripherals import Rom

TABLE_POINTER, TABLE, CODE = 0x1A8, 0x200, 0x300
BASE, SIZE = 0x1000_0000, 0x1000
ERASE, PROGRAM = 5, 6
GOOD, ARGUMENT, FAILED = 0, 3, 4
RETURN = bytes.fromhex("7047")  # bx lr
LAST_SECTOR = 0x1_F000
ERASE_S, PROGRAM_S = 8e-3, 16e-6
"""A sector; eight bytes at 8 µs for four: second hand and not verified, see boards2.md."""


def flash_rom(flash: FlashMemory, size: int, cache_on: Callable[[], bool]) -> Rom:
    """The part of the ROM that writes the flash.

    Args:
        flash: what is written.
        size: of the flash in bytes, which begins at address 0.
        cache_on: whether reads may come from the cache or the line buffers, which the calls do not allow.
    """
    flash.erase_s, flash.program_s = ERASE_S, PROGRAM_S
    flash.once = False  # a byte may be programmed several times, ones to zeros

    def erase(read: Callable[[int, int], bytes], sector: int, _1: int, _2: int) -> int:
        if sector % flash.page or not 0 < sector < size or sector >= LAST_SECTOR or cache_on():
            return ARGUMENT
        return GOOD if flash.erase(sector) is None else FAILED

    def program(read: Callable[[int, int], bytes], source: int, to: int, count: int) -> int:
        if source < 0x2000_0000 or to % UNIT or count != UNIT or to + count > size or to >= LAST_SECTOR or cache_on():
            return ARGUMENT
        return GOOD if flash.program(to, read(source, count)) is None else FAILED

    content = bytearray(SIZE)
    content[TABLE_POINTER : TABLE_POINTER + 4] = (BASE + TABLE).to_bytes(4, "little")
    calls = {}
    for place, (number, function) in enumerate({ERASE: erase, PROGRAM: program}.items()):
        code = CODE + 8 * place
        content[code : code + 2] = RETURN
        entry = TABLE + 4 * number
        content[entry : entry + 4] = (BASE + code | 1).to_bytes(4, "little")
        calls[BASE + code] = function
    return Rom(BASE, bytes(content), calls)
