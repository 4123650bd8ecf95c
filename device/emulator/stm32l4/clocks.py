"""Reset and clock control of the STM32L4. Offsets and reset values: ST's stm32l432xx.h, stm32l476xx.h v1.7.4 and SVD.

Ready bits, limits of the PLL, wait states and clock gates are modelled. No crystal is fitted.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache

from tinyloc.device.emulator.peripherals import BadAccess, RegisterFile, named
from tinyloc.device.emulator.stm32l4.flash import FlashRegisters

HSI_HZ = 16_000_000
MSI_RANGES_HZ = (
    100_000, 200_000, 400_000, 800_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000,
    16_000_000, 24_000_000, 32_000_000, 48_000_000,
)  # fmt: skip
LSI_HZ = 32_000
# bits of RCC_CSR that tell the cause of the last reset
PIN_RESET, BROWN_OUT_RESET, SOFTWARE_RESET, WATCHDOG_RESET = 1 << 26, 1 << 27, 1 << 28, 1 << 29


class Rcc(RegisterFile):
    """Reset and clock control: oscillators, PLL, system clock, clock gates, reset cause. No crystal is fitted."""

    def __init__(self, flash: FlashRegisters, limits_hz: Sequence[int]) -> None:
        self.flash, self.limits_hz = flash, limits_hz
        flash.on_wait_states = self._check_clock
        self.cause = PIN_RESET | BROWN_OUT_RESET
        super().__init__(
            "RCC",
            0x4002_1000,
            named("""
                00 CR 63
                04 ICSCR 10000000
                08 CFGR
                0c PLLCFGR 1000
                10 PLLSAI1CFGR 1000
                14 PLLSAI2CFGR 1000
                18 CIER
                1c CIFR 0 0
                20 CICR
                28 AHB1RSTR
                2c AHB2RSTR
                30 AHB3RSTR
                38 APB1RSTR1
                3c APB1RSTR2
                40 APB2RSTR
                48 AHB1ENR 100
                4c AHB2ENR
                50 AHB3ENR
                58 APB1ENR1
                5c APB1ENR2
                60 APB2ENR
                68 AHB1SMENR 11303
                6c AHB2SMENR 57ffff
                70 AHB3SMENR 100
                78 APB1SMENR1 f2fecb37
                7c APB1SMENR2 25
                80 APB2SMENR 235c01
                88 CCIPR
                90 BDCR
                94 CSR
                98 CRRCR
            """),
        )

    def reset(self) -> None:
        super().reset()
        self.values["CSR"] = self.cause | 0x600

    def on_write(self, name: str, value: int) -> int:
        if name == "CR":
            for on, ready in ((0, 1), (8, 10), (24, 25), (26, 27), (28, 29)):  # MSI, HSI16, PLLs; HSE never gets ready
                value = value & ~(1 << ready) | ((value >> on & 1) << ready)
            value &= ~(1 << 17)
        if name == "CFGR":
            value = value & ~0xC | (value & 3) << 2
            self.values["CFGR"] = value
            self._check_clock()
        if name == "CSR":
            flags = 0 if value >> 23 & 1 else self.values["CSR"] & 0xFF00_0000
            value = flags | value & 0xF01 | (value & 1) << 1
        return value

    def _check_clock(self) -> None:
        hz = self.system_hz()
        if hz == 0:
            raise BadAccess("the system clock was switched to a source that is not running")
        states = self.flash.wait_states
        limit = self.limits_hz[min(states, len(self.limits_hz) - 1)]
        if hz > limit:
            raise BadAccess(f"{hz / 1e6:g} MHz with {states} flash wait states; they allow {limit / 1e6:g} MHz")

    def leave_stop(self) -> None:
        """The clocks after a Stop mode: PLL off, HSI16 with STOPWUCK, else MSI."""
        on = 8 if self.values["CFGR"] >> 15 & 1 else 0
        self.values["CR"] = self.values["CR"] & ~(3 << 24) | 1 << on | 1 << (10 if on else 1)
        self.values["CFGR"] = self.values["CFGR"] & ~0xF | (0b0101 if on else 0)

    def system_hz(self) -> int:
        """The core clock, 0 when its source does not run."""
        values = self.values
        return system_hz(values["CR"], values["CSR"], values["CFGR"], values["PLLCFGR"])

    def apb_hz(self, bus: int) -> int:
        """Clock of the peripherals on APB1 or APB2."""
        prescaler = self.values["CFGR"] >> (8 if bus == 1 else 11) & 7
        return self.system_hz() >> (prescaler - 3 if prescaler >= 4 else 0)

    def gate(self, register: str, bit: int) -> Callable[[], str | None]:
        """What closes a peripheral whose clock is switched on by that bit."""
        reason = f"its clock is off (RCC_{register} bit {bit})"
        return lambda: None if self.values[register] >> bit & 1 else reason


@lru_cache(maxsize=64)  # a UART asks for its rate at every byte
def system_hz(cr: int, csr: int, cfgr: int, pllcfgr: int) -> int:
    """The core clock that four registers of the RCC make, 0 when its source does not run."""
    msi = _msi_hz(cr, csr)
    hz = (msi * (cr >> 1 & 1), HSI_HZ * (cr >> 10 & 1), 0, _pll_hz(cr, pllcfgr, msi))[cfgr & 3]
    prescaler = cfgr >> 4 & 15
    return hz >> ((0, 1, 2, 3, 4, 6, 7, 8, 9)[prescaler - 7] if prescaler >= 8 else 0)


def _msi_hz(cr: int, csr: int) -> int:
    index = cr >> 4 & 15 if cr >> 3 & 1 else csr >> 8 & 15
    return MSI_RANGES_HZ[min(index, 11)]


def _pll_hz(cr: int, config: int, msi_hz: int) -> int:
    source = {1: msi_hz, 2: HSI_HZ}.get(config & 3, 0)
    if not cr >> 25 & 1 or not config >> 24 & 1 or not source:
        return 0
    divider, factor, output = (config >> 4 & 7) + 1, config >> 8 & 0x7F, 2 * ((config >> 25 & 3) + 1)
    vco = source // divider * factor
    if not 4_000_000 <= source // divider <= 16_000_000 or not 64_000_000 <= vco <= 344_000_000:
        raise BadAccess(f"PLL input {source / divider / 1e6:g} MHz, VCO {vco / 1e6:g} MHz: outside its limits")
    return vco // output
