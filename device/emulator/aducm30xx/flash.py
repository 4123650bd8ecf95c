"""Flash controller of the ADuCM30xx: erase and program by commands.

Registers and sequences: boards2.md, C (ADuCM302x.h, ADI's driver). ECC for user pages is off after a reset and the
firmware leaves it so: a torn unit reads as it is.
"""

from tinyloc.device.emulator.flash_memory import UNIT, FlashMemory
from tinyloc.device.emulator.peripherals import RegisterFile, named

USER_KEY = 0x676C_7565
ERASE_PAGE, WRITE = 6, 4
DONE, FAILED = 1 << 2, 3 << 4
REFUSED = 1 << 4
ERASE_S, PROGRAM_S = 18.5e-3, 19e-6
"""The middle of what boards2.md reckons from the timing registers, for either flash clock."""


class FlashController(RegisterFile):
    """FLCC0, with the registers of its cache."""

    def __init__(self, flash: FlashMemory, size: int) -> None:
        self.flash, self.size_of_flash = flash, size
        flash.erase_s, flash.program_s = ERASE_S, PROGRAM_S
        super().__init__(
            "FLCC0",
            0x4001_8000,
            named("""
                00 STAT 0 0
                04 IEN 0 ff
                08 CMD
                0c KH_ADDR 0 7fff8
                10 KH_DATA0 ffffffff
                14 KH_DATA1 ffffffff
                18 PAGE_ADDR0 0 7fc00
                20 KEY
                28 WRPROT ffffffff
                34 TIME_PARAM0 b8955950
                3c ABORT_EN_LO
                40 ABORT_EN_HI
                44 ECC_CFG 2
                48 ECC_ADDR 0 0
                58 STAT_CACHE 0 0
                5c SETUP
                60 KEY_CACHE
            """),
        )

    def write(self, offset: int, size: int, value: int) -> None:
        if self._at(offset).name == "STAT":  # ones clear
            self.values["STAT"] &= ~(value & (DONE | FAILED))
            return
        super().write(offset, size, value)

    def on_write(self, name: str, value: int) -> int:
        if name == "CMD" and value & 0x1F == ERASE_PAGE:
            page = self.values["PAGE_ADDR0"]
            good = self.values["KEY"] == USER_KEY and 0 < page < self.size_of_flash
            self._finish(good and self.flash.erase(page) is None)
        elif name == "CMD" and value & 0x1F == WRITE:
            at = self.values["KH_ADDR"]
            words = (self.values["KH_DATA0"], self.values["KH_DATA1"])
            content = b"".join(word.to_bytes(4, "little") for word in words)
            assert len(content) == UNIT
            self._finish(at + UNIT <= self.size_of_flash and self.flash.program(at, content) is None)
        return value

    def _finish(self, good: bool) -> None:
        self.values["STAT"] = DONE if good else DONE | REFUSED
