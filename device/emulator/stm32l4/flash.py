"""Flash interface of the STM32L4: wait states, erase and program.

Register offsets and reset values: ST's stm32l432xx.h v1.7.4 and STM32L4x2.svd. Sequences and times: boards2.md, C.
That a unit with an uncorrectable error raises an NMI is stated for sibling families only; here it is an assumption.
"""

from collections.abc import Callable

from tinyloc.device.emulator.flash_memory import UNIT, FlashMemory
from tinyloc.device.emulator.peripherals import BadAccess, RegisterFile, named

KEYS = (0x4567_0123, 0xCDEF_89AB)
LOCK, STRT, BKER, PER, PG = 1 << 31, 1 << 16, 1 << 11, 1 << 1, 1
PROGERR, PGSERR, END = 1 << 3, 1 << 7, 1
ERRORS = 0xC3FA
ECCD = 1 << 31
BASE, BANK = 0x0800_0000, 0x8_0000
NMI = 2
ERASE_S, PROGRAM_S = 22.1e-3, 90.8e-6
"""Largest page erase of 25 ms less margin; double word by the data sheet: second hand, see boards2.md."""


class FlashRegisters(RegisterFile):
    """Flash interface."""

    def __init__(self, flash: FlashMemory) -> None:
        self.on_wait_states: Callable[[], None] = lambda: None
        """Called when the wait states may have changed."""
        self.flash = flash
        flash.ecc = True
        flash.erase_s, flash.program_s = ERASE_S, PROGRAM_S
        self._keys: list[int] = []
        self._low: tuple[int, bytes] | None = None
        super().__init__(
            "FLASH registers",
            0x4002_2000,
            named("""
                00 ACR 600 7f07
                04 PDKEYR
                08 KEYR
                0c OPTKEYR
                10 SR 0 1c3fb
                14 CR c0000000 c7f7ffff
                18 ECCR 0 c0000000
                20 OPTR ffeff8aa 0
                24 PCROP1SR ffffffff 0
                28 PCROP1ER 0 0
                2c WRP1AR ff 0
                30 WRP1BR ff 0
            """),
        )

    def reset(self) -> None:
        super().reset()
        self._keys, self._low = [], None

    @property
    def wait_states(self) -> int:
        return self.values["ACR"] & 7

    def on_write(self, name: str, value: int) -> int:
        if name == "KEYR":
            self._keys = [*self._keys, value][-2:]
            if tuple(self._keys) == KEYS:
                self.values["CR"] &= ~LOCK
            return 0
        if name in ("SR", "ECCR"):  # ones clear
            return self.values[name] & ~value
        if name == "CR":
            return self._control(value)
        if name == "ACR":
            self.values[name] = value
            self.on_wait_states()
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        # what is there counts for registers that ones clear, before the write merges into it
        register = self._at(offset)
        if register.name in ("SR", "ECCR"):
            self._open(register, "written")
            self.values[register.name] &= ~value
            return
        super().write(offset, size, value)

    def _control(self, value: int) -> int:
        if self.values["CR"] & LOCK and self._keys != list(KEYS):
            raise BadAccess("FLASH CR written while it is locked")
        if value & LOCK:
            self._keys = []
        if value & STRT:
            if not value & PER or self.values["SR"] & ERRORS:
                self.values["SR"] |= PGSERR
            else:
                number = value >> 3 & 0xFF
                self.flash.erase(BASE + (BANK if value & BKER else 0) + number * self.flash.page)
                self.values["SR"] |= END
        return value & ~STRT

    def store(self, address: int, size: int, value: int) -> bool:
        """A store of the core to the flash: two words make a unit."""
        if not self.values["CR"] & PG or self.values["CR"] & LOCK:
            return False
        if size != 4 or self.values["SR"] & ERRORS:
            self.values["SR"] |= PGSERR
            return True
        unit = address // UNIT * UNIT
        self.flash.settle()
        word = (value & 0xFFFF_FFFF).to_bytes(4, "little")
        if address % UNIT == 0:
            self._low = address, word
            self.flash.late[unit] = self.flash.load(unit, UNIT)
            return True
        low, self._low = self._low, None
        if low is None or low[0] != address - 4:
            self.values["SR"] |= PGSERR
        elif self.flash.program(low[0], low[1] + word) is not None:
            self.values["SR"] |= PROGERR
        else:
            self.values["SR"] |= END
        self.flash.late[unit] = self.flash.load(unit, UNIT)
        return True

    def on_read(self, name: str, value: int) -> int:
        self.flash.settle()
        return value

    def unreadable(self, address: int) -> int:
        """A read of a torn unit: ECCD, and an NMI."""
        self.values["ECCR"] |= ECCD | (address & 0x7_FFFF)
        return NMI
