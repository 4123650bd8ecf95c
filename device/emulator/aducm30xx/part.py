"""Peripherals of the ADuCM3029, as far as firmware that polls a UART can tell them from the real ones.

Register offsets, names and reset values: Analog Devices' ADuCM302x.h and ADuCM302x.svd. Clock dividers and gates, pin
functions, the watchdog that runs from reset, and the SRAM modes are modelled: banks 2, 4 and 5 are no data memory
until INSTREN is cleared.
"""

import random
from collections.abc import Callable

from tinyloc.boards.parts import pin_place
from tinyloc.device.emulator.aducm30xx.flash import FlashController
from tinyloc.device.emulator.families import Family, RenodeNotes
from tinyloc.device.emulator.peripherals import (
    BadAccess,
    Clock,
    Dwt,
    Gate,
    Host,
    Peripheral,
    Register,
    RegisterFile,
    Signal,
    Sleep,
    SystemControl,
    Uart,
    named,
    unwired_pin,
)

HFOSC_HZ = 26_000_000
LFOSC_HZ = 32_768
CPUID_M3_R2P1 = 0x412F_C231
INSTREN = 1 << 31
CODE_BANKS = ((0x2000_4000, 0x4000), (0x2004_4000, 0x4000))
"""Base and size: where banks 2, and 4 with 5, appear to data once INSTREN is cleared."""
NO_DATA = "SRAM banks 2, 4 and 5 cannot hold data while INSTREN (PMG0_TST_SRAM_CTL, bit 31) is set"
WDT_KEY = 0xCCCC
PRESCALERS = (1, 16, 256, 256)
# bits of PMG0_RST_STAT
POWER_ON_RESET, PIN_RESET, WATCHDOG_RESET, SOFTWARE_RESET = 1, 2, 4, 8


class Clocks(RegisterFile):
    """CLKG0: dividers of the core and the peripherals, clock gates."""

    def __init__(self) -> None:
        super().__init__(
            "CLKG0",
            0x4004_C300,
            named("00 CTL0 78\n04 CTL1 100404\n0c CTL3 691a\n14 CTL5 1f\n18 STAT0"),
            0x100,
        )

    def core_hz(self) -> int:
        """HCLK."""
        return HFOSC_HZ // max(self.values["CTL1"] & 0x3F, 1)

    def peripheral_hz(self) -> int:
        """PCLK."""
        return HFOSC_HZ // max(self.values["CTL1"] >> 8 & 0x3F, 1)

    def on_write(self, name: str, value: int) -> int:
        if name == "CTL1" and value >> 8 & 0x3F < value & 0x3F:
            raise BadAccess("CLKG0_CTL1: the clock of the peripherals must not exceed the core's")
        return value

    def gpio_closed(self) -> str | None:
        """Why the GPIO registers cannot be reached."""
        return "the GPIO clock is off (CLKG0_CTL5 bit 4)" if self.values["CTL5"] >> 4 & 1 else None

    def peripherals_closed(self) -> str | None:
        """Why the peripherals' registers cannot be reached."""
        return "the peripheral clock is off (CLKG0_CTL5 bit 5)" if self.values["CTL5"] >> 5 & 1 else None


class SramControl(RegisterFile):
    """PMG0_TST: which SRAM banks are data memory."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        super().__init__(
            "PMG0_TST", 0x4004_C200, named("60 SRAM_CTL 80000000\n64 SRAM_INITSTAT 0 0\n68 CLR_LATCH_GPIOS"), 0x100
        )

    def _switch(self, instruction: int) -> None:
        for base, size in CODE_BANKS:
            self.gate(base, size, NO_DATA if instruction else None)

    def reset(self) -> None:
        super().reset()
        self._switch(INSTREN)

    def on_write(self, name: str, value: int) -> int:
        if name == "SRAM_CTL":
            self._switch(value & INSTREN)
        return value


class Power(RegisterFile):
    """PMG0: cause of the last reset, buck converter."""

    def __init__(self) -> None:
        self.cause = POWER_ON_RESET
        super().__init__(
            "PMG0",
            0x4004_C000,
            named("00 IEN\n04 PSM_STAT 0 0\n08 PWRMOD\n0c PWRKEY\n10 SHDN_STAT 0 0\n14 SRAMRET\n40 RST_STAT\n44 CTL1"),
            0x100,
        )

    def reset(self) -> None:
        super().reset()
        self.values["RST_STAT"] = self.cause

    def on_write(self, name: str, value: int) -> int:
        if name == "RST_STAT":  # write one to clear
            return self.values["RST_STAT"] & ~value
        return value


class Oscillators(RegisterFile):
    """CLKG0_OSC: both internal oscillators run from reset; writes need a key, which nothing here tries."""

    def __init__(self) -> None:
        super().__init__("CLKG0_OSC", 0x4004_C100, named("0c KEY\n10 CTL 302 0"), 0x100)


class Watchdog(RegisterFile):
    """WDT0: runs from reset; once the program enabled it, it is locked until the next reset."""

    def __init__(self, clock: Clock, core_hz: Callable[[], int]) -> None:
        self.clock, self.core_hz = clock, core_hz
        self.locked = False
        self._fed = 0
        super().__init__(
            "WDT0", 0x4000_2C00, named("00 LOAD 1000 ffff\n04 CCNT 0 0\n08 CTL e9 ffff\n0c RESTART\n18 STAT 0 0")
        )

    def reset(self) -> None:
        super().reset()
        self.locked = False

    def restart(self) -> None:
        """Count from the start: it does so by itself after a reset."""
        self._fed = self.clock.cycles()

    def on_read(self, name: str, value: int) -> int:
        return int(self.locked) << 4 if name == "STAT" else value

    def on_write(self, name: str, value: int) -> int:
        if name == "RESTART":
            if value & 0xFFFF != WDT_KEY:
                raise BadAccess(
                    f"WDT0_RESTART = {value:#x}: only {WDT_KEY:#x} may be written; other values reset the part"
                )
            self._fed = self.clock.cycles()
            return 0
        if self.locked:
            return self.values[name]
        if name == "CTL" and value >> 5 & 1:
            self.locked = True
        self._fed = self.clock.cycles()
        return value

    def timeout_s(self) -> float:
        """Time from one feeding to the reset."""
        return PRESCALERS[self.values["CTL"] >> 2 & 3] * max(self.values["LOAD"], 1) / LFOSC_HZ

    def expired(self) -> bool:
        """Whether it would have reset the part by now."""
        if not self.values["CTL"] >> 5 & 1:
            return False
        return (self.clock.cycles() - self._fed) / self.core_hz() > self.timeout_s()


class Gpio(RegisterFile):
    """One GPIO port."""

    def __init__(self, index: int, closed: Callable[[], str | None]) -> None:
        super().__init__(
            f"GPIO{index}",
            0x4002_0000 + 0x40 * index,
            named("00 CFG\n04 OEN\n08 PE\n0c IEN\n10 IN 0 0\n14 OUT\n18 SET\n1c CLR\n20 TGL\n24 POL\n28 IENA\n2c IENB"
                  "\n30 INT\n34 DS"),
            0x40,
            closed,
        )  # fmt: skip

    def on_write(self, name: str, value: int) -> int:
        if name in ("SET", "CLR", "TGL"):
            out = self.values["OUT"]
            self.values["OUT"] = {"SET": out | value, "CLR": out & ~value, "TGL": out ^ value}[name]
            return 0
        return value

    def function(self, pin: int) -> int:
        """Number of the function a pin has."""
        return self.values["CFG"] >> 2 * pin & 3


class AdiUart(Uart):
    """UART0: a 16550 with a fractional divider, 16-bit registers every four bytes."""

    def __init__(self, host: Host, clocks: Clocks, unwired: Callable[[Signal], str | None]) -> None:
        self.clocks = clocks
        table = named("""
            00 DATA
            04 IEN
            08 IIR 1 0
            0c LCR
            10 MCR
            14 LSR 60 0
            18 MSR 0 0
            1c SCR
            20 FCR
            24 FBR
            28 DIV
            2c LCR2 2
            30 CTL 100
            34 RFC 0 0
            38 TFC 0 0
            3c RSC
        """)
        super().__init__(host, table, unwired, clocks.peripherals_closed)

    @property
    def baud(self) -> float:
        """PCLK / (2^(OSR + 2) * DIV * (M + N / 2048)), 0 when it is not set."""
        fraction, divider = self.values["FBR"], self.values["DIV"]
        if not divider or self.clocks.peripherals_closed():
            return 0.0
        quotient = ((fraction >> 11 & 3) + (fraction & 0x7FF) / 2048) if fraction >> 15 & 1 else 1.0
        return self.clocks.peripheral_hz() / (4 << (self.values["LCR2"] & 3)) / divider / quotient

    def _works(self) -> bool:
        return self.baud > 0 and self.values["LCR"] & 3 == 3  # 8 bits

    def on_read(self, name: str, value: int) -> int:
        if name == "LSR":
            if self.received and self._works():
                return 0x61
            self.look()
            return 0x60
        if name == "DATA":
            return self.received.pop(0) if self.received and self._works() else 0
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "IEN" and value & 0xF:
            raise BadAccess("UART0 interrupt enabled; the emulator takes no interrupts; the firmware must poll")
        if name == "DATA":
            self.send(value & 0xFF, self._works())
            return 0
        if name == "FBR" and value >> 15 & 1 and not value >> 11 & 3:
            raise BadAccess("UART0_FBR: M must be 1 to 3")
        if name in ("DIV", "FBR", "LCR2"):
            self.before_rate_change()
        return value


class RandomGenerator(RegisterFile):
    """Random generator: a byte is there whenever it runs. Seeded, so that a run can be repeated."""

    def __init__(self, name: str, base: int, registers: dict[int, Register]) -> None:
        self._chance = random.Random(name)
        super().__init__(name, base, registers)

    def on_read(self, name: str, value: int) -> int:
        if name == "STAT":
            return self.values["CTL"] & 1
        return self._chance.getrandbits(8) if name == "DATA" else value


class Aducm30xx:
    """All peripherals of the part, and what the machine asks of it."""

    def __init__(self, host: Host) -> None:
        clock = host.clock
        self.system = SystemControl(clock, host.request_reset, CPUID_M3_R2P1)
        self.clocks, self.power = Clocks(), Power()
        ports = [Gpio(index, self.clocks.gpio_closed) for index in range(4)]
        self.watchdog = Watchdog(clock, self.core_hz)

        def function(pin: str) -> int:
            port, number = pin_place(pin)
            return ports[port].function(number)

        self.uart = AdiUart(host, self.clocks, lambda signal: unwired_pin(host, signal, function))
        chip = RegisterFile("SYS", 0x4000_2000, named("20 ADIID 4144 0\n24 CHIPID 284 0"), 0x400)
        size = next(block.size for block in host.facts.memory if block.kind == "flash")
        flash = FlashController(host.flash, size)
        rng = RandomGenerator("RNG0", 0x4004_0400, named("0 CTL\n4 LEN\n8 STAT 0 0\nc DATA 0 0\n10 OSCCNT 0 0"))
        self.peripherals: list[Peripheral] = [
            self.system, Dwt(clock, self.system), self.clocks, self.power, SramControl(host.gate), Oscillators(),
            self.watchdog, self.uart, chip, flash, rng, *ports,
        ]  # fmt: skip

    def core_hz(self) -> int:
        """Core clock now."""
        return self.clocks.core_hz()

    def sleep(self) -> Sleep | str:
        """No sleep is modelled."""
        return "the emulator does not model the sleep of this part"

    def wake(self) -> None:
        """Never called: there is no sleep."""

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        self.power.cause = {"power-on": POWER_ON_RESET, "software": SOFTWARE_RESET}.get(cause, WATCHDOG_RESET)
        for peripheral in self.peripherals:
            peripheral.reset()
        self.watchdog.restart()


FAMILY = Family(Aducm30xx, RenodeNotes("UART.NS16550", "wideRegisters: true"))
