"""Peripherals of the CC2650F128, as far as firmware that polls a UART can tell them from the real ones.

Register offsets, names and bits: TI's driverlib headers (hw_prcm.h, hw_ioc.h, hw_uart.h, hw_vims.h, hw_wdt.h,
hw_aon_sysctl.h). Power domains, clock gates and when they take effect, pin functions and the watchdog are modelled.
"""

import random
from collections.abc import Callable

from tinyloc.boards.parts import pin_place
from tinyloc.device.emulator.cc26x0.flash import flash_rom
from tinyloc.device.emulator.families import Family, RenodeNotes
from tinyloc.device.emulator.peripherals import (
    BadAccess,
    Clock,
    Dwt,
    Host,
    Peripheral,
    RegisterFile,
    Signal,
    Sleep,
    SystemControl,
    Uart,
    named,
    unwired_pin,
)

RCOSC_HZ = 48_000_000
WATCHDOG_DIVIDER = 32
CPUID_M3_R2P1 = 0x412F_C231
INPUT_ENABLE = 1 << 29
SYSRESET = 1 << 31
PIN_RESET, SYSTEM_RESET = 1, 6  # RESET_SRC
CACHE, OFF = 1, 3  # VIMS modes; 0 is RAM


class Prcm(RegisterFile):
    """Power, reset and clock management. Clock gates take effect with CLKLOADCTL.LOAD."""

    def __init__(self) -> None:
        self.loaded: dict[str, int] = {}
        self.warm = 0
        super().__init__(
            "PRCM",
            0x4008_2000,
            named("""
                000 INFRCLKDIVR
                00c VDCTL
                028 CLKLOADCTL 2
                048 GPIOCLKGR
                04c GPIOCLKGS
                050 GPIOCLKGDS
                03c SECDMACLKGR
                06c UARTCLKGR
                070 UARTCLKGS
                074 UARTCLKGDS
                0b8 CPUCLKDIV
                110 WARMRESET
                12c PDCTL0
                134 PDCTL0SERIAL
                138 PDCTL0PERIPH
                140 PDSTAT0 0 0
                148 PDSTAT0SERIAL 0 0
                14c PDSTAT0PERIPH 0 0
                224 RAMRETEN b
            """),
            0x1000,
        )

    def reset(self) -> None:
        super().reset()
        self.loaded = {}
        self.values["WARMRESET"] = self.warm

    def powered(self, domain: str) -> bool:
        """Whether the power domain SERIAL or PERIPH is on."""
        bit = {"SERIAL": 1, "PERIPH": 2}[domain]
        return bool(self.values[f"PDCTL0{domain}"] & 1 or self.values["PDCTL0"] >> bit & 1)

    def running(self, gate: str) -> bool:
        """Whether a clock gate is open, as last loaded."""
        return bool(self.loaded.get(gate, 0) & 1)

    def on_read(self, name: str, value: int) -> int:
        if name in ("PDSTAT0SERIAL", "PDSTAT0PERIPH"):
            return int(self.powered(name[7:]))
        if name == "PDSTAT0":
            return self.powered("SERIAL") << 1 | self.powered("PERIPH") << 2
        if name == "WARMRESET":  # reading clears the flags of watchdog and lock-up
            self.values[name] = value & 4
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "CLKLOADCTL":
            if value & 1:
                self.loaded = {gate: self.values[gate] for gate in ("UARTCLKGR", "GPIOCLKGR", "SECDMACLKGR")}
            return 2  # LOAD_DONE
        if name == "CPUCLKDIV" and value & 1:
            raise BadAccess("PRCM_CPUCLKDIV: the emulator models the undivided clock only")
        return value


class Vims(RegisterFile):
    """Flash cache, or RAM. The boot ROM leaves it as RAM."""

    def __init__(self) -> None:
        super().__init__("VIMS", 0x4003_4000, named("00 STAT 0 0\n04 CTL"), 0x400)

    def on_read(self, name: str, value: int) -> int:
        return self.values["CTL"] & 3 if name == "STAT" else value

    def on_write(self, name: str, value: int) -> int:
        if name == "CTL" and {self.values["CTL"] & 3, value & 3} == {0, CACHE} and not value & 3:
            raise BadAccess("VIMS_CTL: switch the cache off before changing it to RAM")
        return value


class Watchdog(RegisterFile):
    """WDT: a standard 32-bit one at the core clock / 32; resets at the second end of its count."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self._fed = 0
        table = named("00 LOAD ffffffff\n04 VALUE 0 0\n08 CTL\n0c ICR\n10 RIS 0 0\n14 MIS 0 0\n418 TEST\nc00 LOCK")
        super().__init__("WDT", 0x4008_0000, table, 0x1000)

    def on_write(self, name: str, value: int) -> int:
        if name in ("LOAD", "ICR") or (name == "CTL" and value & 1 and not self.values["CTL"] & 1):
            self._fed = self.clock.cycles()
        if name == "CTL":
            return value | self.values["CTL"] & 1  # INTEN stays until a reset
        return value

    def timeout_s(self) -> float:
        """Time from one feeding to the reset."""
        return 2 * self.values["LOAD"] * WATCHDOG_DIVIDER / RCOSC_HZ

    def expired(self) -> bool:
        """Whether it would have reset the part by now."""
        if self.values["CTL"] & 3 != 3:
            return False
        return (self.clock.cycles() - self._fed) / RCOSC_HZ > self.timeout_s()


class AonSystem(RegisterFile):
    """AON_SYSCTL: cause of the last cold reset, and the system reset."""

    def __init__(self, reset_request: Callable[[], None]) -> None:
        self.reset_request = reset_request
        self.source = 0
        super().__init__("AON_SYSCTL", 0x4009_0000, named("00 PWRCTL\n04 RESETCTL e0\n08 SLEEPCTL"), 0x1000)

    def reset(self) -> None:
        super().reset()
        self.values["RESETCTL"] = 0xE0 | self.source << 1

    def on_write(self, name: str, value: int) -> int:
        if name == "RESETCTL":
            if value & SYSRESET:
                self.reset_request()
            return value & ~SYSRESET & ~0xE | self.values[name] & 0xE
        return value


class IoControl(RegisterFile):
    """IOC: which function each of 32 pins has."""

    def __init__(self, closed: Callable[[], str | None]) -> None:
        table = named("\n".join(f"{4 * pin:x} IOCFG{pin} 6000" for pin in range(32)))
        super().__init__("IOC", 0x4008_1000, table, 0x1000, closed)

    def function(self, pin: str) -> int:
        """Port id of a pin."""
        return self.values[f"IOCFG{pin_place(pin)[1]}"] & 0x3F

    def unwired(self, host: Host, signal: Signal) -> str | None:
        """Why the board's pin does not carry the UART's signal."""
        problem = unwired_pin(host, signal, self.function)
        pin = host.board.uart.rx
        if problem is not None or signal == "tx" or pin is None:
            return problem
        config = self.values[f"IOCFG{pin_place(pin.pin)[1]}"]
        return None if config & INPUT_ENABLE else f"{pin.pin} is no input (IOCFG bit 29)"


class Pl011(Uart):
    """UART0: Arm's PrimeCell UART, as far as it is polled."""

    def __init__(self, host: Host, prcm: Prcm, unwired: Callable[[Signal], str | None]) -> None:
        self._prcm = prcm
        self._divider = (0, 0)
        table = named("""
            00 DR
            04 RSR
            18 FR 90 0
            24 IBRD 0 ffff
            28 FBRD 0 3f
            2c LCRH
            30 CTL 300
            34 IFLS 12
            38 IMSC
            3c RIS 0 0
            40 MIS 0 0
            44 ICR
            48 DMACTL
        """)
        super().__init__(host, table, unwired, self._off)

    def reset(self) -> None:
        super().reset()
        self._divider = (0, 0)

    @property
    def baud(self) -> float:
        """Clock / (16 * (IBRD + FBRD / 64)) as LCRH last took it over, 0 when it is not set."""
        whole, part = self._divider
        return RCOSC_HZ / 16 / (whole + part / 64) if whole and self._off() is None else 0.0

    def _enabled(self, direction: int) -> bool:
        control = self.values["CTL"]
        return bool(control & 1 and control >> direction & 1) and self.values["LCRH"] >> 5 & 3 == 3

    def _off(self) -> str | None:
        if not self._prcm.powered("SERIAL"):
            return "it is without power (PRCM_PDCTL0SERIAL)"
        return None if self._prcm.running("UARTCLKGR") else "it is without its clock (UARTCLKGR)"

    def on_read(self, name: str, value: int) -> int:
        if name == "FR":
            if self.received and self._enabled(9):
                return 0x80
            self.look()
            return 0x90
        if name == "DR":
            return self.received.pop(0) if self.received and self._enabled(9) else 0
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "IMSC" and value:
            raise BadAccess("UART0 interrupt enabled; the emulator takes no interrupts; the firmware must poll")
        if name == "DR":
            self.send(value & 0xFF, self._enabled(8) and self.baud > 0)
            return 0
        if name == "LCRH":
            self.before_rate_change()
            self._divider = (self.values["IBRD"], self.values["FBRD"])
        return 0 if name in ("ICR", "RSR") else value


class RandomGenerator(RegisterFile):
    """TRNG: a word is there whenever it runs. Seeded, so that a run can be repeated."""

    def __init__(self, closed: Callable[[], str | None]) -> None:
        self._chance = random.Random("TRNG")
        table = named("00 OUT0 0 0\n04 OUT1 0 0\n08 IRQFLAGSTAT 0 0\n0c IRQFLAGMASK\n10 IRQFLAGCLR\n14 CTL\n18 CFG0")
        super().__init__("TRNG", 0x4002_8000, table, 0x2000, closed)

    def on_read(self, name: str, value: int) -> int:
        if name == "IRQFLAGSTAT":
            return self.values["CTL"] >> 10 & 1
        return self._chance.getrandbits(32) if name in ("OUT0", "OUT1") else value


class Cc26x0:
    """All peripherals of the part, and what the machine asks of it."""

    def __init__(self, host: Host) -> None:
        clock, reset_request = host.clock, host.request_reset
        self.system = SystemControl(clock, reset_request, CPUID_M3_R2P1)
        self.prcm, self.aon = Prcm(), AonSystem(reset_request)
        io = IoControl(lambda: None if self.prcm.powered("PERIPH") else "it is without power (PRCM_PDCTL0PERIPH)")
        self.watchdog = Watchdog(clock)
        self.uart = Pl011(host, self.prcm, lambda signal: io.unwired(host, signal))
        gpio = RegisterFile(
            "GPIO", 0x4002_2000, named("80 DOUT\n90 DOUTSET\na0 DOUTCLR\nb0 DOUTTGL\nc0 DIN 0 0\nd0 DOE"), 0x1000
        )
        vims = Vims()
        size = next(block.size for block in host.facts.memory if block.kind == "flash")
        self.rom = flash_rom(host.flash, size, lambda: vims.values["CTL"] & 3 != OFF or not vims.values["CTL"] >> 4 & 3)
        flash = RegisterFile("FLASH registers", 0x4003_0000, named("1c STAT 0 0\n24 CFG"))
        trng = RandomGenerator(lambda: None if self.prcm.loaded.get("SECDMACLKGR", 0) & 2 else "its clock is off")
        self.peripherals: list[Peripheral] = [
            self.system, Dwt(clock, self.system), self.prcm, self.aon, vims, self.watchdog, self.uart, io, gpio,
            flash, trng,
        ]  # fmt: skip

    def core_hz(self) -> int:
        """Core clock now."""
        return RCOSC_HZ

    def sleep(self) -> Sleep | str:
        """No sleep is modelled."""
        return "the emulator does not model the sleep of this part"

    def wake(self) -> None:
        """Never called: there is no sleep."""

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        self.prcm.warm = int(cause == "watchdog")
        if cause != "watchdog":  # a warm reset leaves RESET_SRC
            self.aon.source = {"power-on": 0, "software": SYSTEM_RESET}[cause]
        for peripheral in self.peripherals:
            peripheral.reset()


FAMILY = Family(
    Cc26x0,
    RenodeNotes(
        "UART.PL011",
        ready={"PRCM": {"PDSTAT0SERIAL": 1, "PDSTAT0PERIPH": 1}, "VIMS": {"STAT": 1}},
        sticky={"PRCM": {"CLKLOADCTL": 2}},
    ),
)
