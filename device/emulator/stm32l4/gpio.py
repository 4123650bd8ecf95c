"""GPIO ports of the STM32L4. Offsets and reset values: ST's headers v1.7.4 and SVD."""

from tinyloc.device.emulator.peripherals import RegisterFile, named
from tinyloc.device.emulator.stm32l4.clocks import Rcc

MODER_RESET = {"A": 0xABFF_FFFF, "B": 0xFFFF_FEBF, "H": 0xF}
"""Ports with the debugger's pins, or few pins; the others reset to analogue mode."""


class Gpio(RegisterFile):
    """One GPIO port."""

    def __init__(self, letter: str, rcc: Rcc) -> None:
        index = ord(letter) - ord("A")
        super().__init__(
            f"GPIO{letter}",
            0x4800_0000 + 0x400 * index,
            named(f"""
                00 MODER {MODER_RESET.get(letter, 0xFFFF_FFFF):x}
                04 OTYPER
                08 OSPEEDR
                0c PUPDR
                10 IDR 0 0
                14 ODR
                18 BSRR
                1c LCKR
                20 AFRL
                24 AFRH
                28 BRR
                2c ASCR
            """),
            closed=rcc.gate("AHB2ENR", index),
        )

    def on_write(self, name: str, value: int) -> int:
        if name == "BSRR":
            self.values["ODR"] = self.values["ODR"] & ~(value >> 16) | value & 0xFFFF
            return 0
        if name == "BRR":
            self.values["ODR"] &= ~value
            return 0
        return value

    def function(self, pin: int) -> int | None:
        """Number of the alternate function a pin has, None when it is in another mode."""
        if self.values["MODER"] >> 2 * pin & 3 != 2:
            return None
        return self.values["AFRH" if pin >= 8 else "AFRL"] >> 4 * (pin & 7) & 15
