"""Peripherals of the nRF52832 and nRF52840, as far as firmware that polls a UART can tell them from the real ones.

Register offsets and reset values: Nordic's nrf52.svd and nrf52840.svd; factory data that nrfx's errata code reads.
Crystals, UART without DMA, pins, watchdog, reset reasons, the cache's switch and RTC0 are modelled.
"""

import random

from tinyloc.device.emulator.families import Family, RenodeNotes
from tinyloc.device.emulator.nrf52.clock_power import PIN_RESET, SOFTWARE_RESET, WATCHDOG_RESET, ClockPower
from tinyloc.device.emulator.nrf52.flash import nvmc
from tinyloc.device.emulator.nrf52.sleep import RealTimeCounter, system_on_idle
from tinyloc.device.emulator.nrf52.uart import Gpio, LegacyUart
from tinyloc.device.emulator.peripherals import (
    BadAccess,
    Clock,
    Dwt,
    Host,
    Peripheral,
    RegisterFile,
    Sleep,
    SystemControl,
    named,
)

CPUID_M4_R0P1 = 0x410F_C241
CORE_HZ = 64_000_000
LFCLK_HZ = 32_768
RELOAD = 0x6E52_4635


class Watchdog(RegisterFile):
    """WDT: once started, only a reset that is no software reset stops it, and its settings are locked."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.running = False
        self._fed = 0
        table = named("""
            000 TASKS_START
            100 EVENTS_TIMEOUT
            304 INTENSET
            308 INTENCLR
            400 RUNSTATUS 0 0
            404 REQSTATUS 1 0
            504 CRV ffffffff
            508 RREN 1 ff
            50c CONFIG 1 9
            600 RR0
        """)
        super().__init__("WDT", 0x4001_0000, table, 0x1000)

    def stop(self) -> None:
        """Reset by power-on, pin or the watchdog itself."""
        self.running = False

    def reset(self) -> None:
        kept = dict(self.values) if getattr(self, "running", False) else {}
        super().reset()
        self.values.update(kept)

    def on_read(self, name: str, value: int) -> int:
        return int(self.running) if name == "RUNSTATUS" else value

    def on_write(self, name: str, value: int) -> int:
        if name == "TASKS_START":
            if value & 1 and not self.running:
                self.running, self._fed = True, self.clock.cycles()
            return 0
        if name == "RR0":
            if value == RELOAD and self.values["RREN"] & 1:
                self._fed = self.clock.cycles()
            return 0
        if name in ("CRV", "RREN", "CONFIG") and self.running:
            return self.values[name]
        if name == "CRV" and value < 0xF:
            raise BadAccess(f"WDT CRV = {value}: the least is 15")
        return value

    def timeout_s(self) -> float:
        """Time from one feeding to the reset."""
        return (self.values["CRV"] + 1) / LFCLK_HZ

    def expired(self) -> bool:
        """Whether it would have reset the part by now."""
        return self.running and (self.clock.cycles() - self._fed) / CORE_HZ > self.timeout_s()


class RandomGenerator(RegisterFile):
    """RNG: a byte is there whenever it runs. Seeded, so that a run can be repeated."""

    def __init__(self) -> None:
        self._chance = random.Random("RNG")
        self.running = False
        table = named("""
            000 TASKS_START
            004 TASKS_STOP
            100 EVENTS_VALRDY
            200 SHORTS 0 1
            304 INTENSET
            308 INTENCLR
            504 CONFIG 0 1
            508 VALUE 0 0
        """)
        super().__init__("RNG", 0x4000_D000, table, 0x1000)

    def reset(self) -> None:
        super().reset()
        self.running = False

    def on_read(self, name: str, value: int) -> int:
        if name == "EVENTS_VALRDY":
            return int(self.running)
        return self._chance.getrandbits(8) if name == "VALUE" and self.running else value

    def on_write(self, name: str, value: int) -> int:
        if name in ("TASKS_START", "TASKS_STOP"):
            self.running = name == "TASKS_START" if value & 1 else self.running
            return 0
        return value


class Nrf52:
    """All peripherals of the part, and what the machine asks of it."""

    def __init__(self, host: Host) -> None:
        clock = host.clock
        self.system = SystemControl(clock, host.request_reset, CPUID_M4_R0P1)
        self.power = ClockPower()
        ports = [Gpio(int(name[1:]), 32 if name == "P0" else 16) for name in host.facts.ports]
        self.watchdog = Watchdog(clock)
        self.uart = LegacyUart(host, self.power, ports)
        self._rtc = RealTimeCounter(clock, self.power)
        self.system.on_clear_pending = self._rtc.clear_pending
        factory = named(
            "010 CODEPAGESIZE 1000 0\n014 CODESIZE 0 0\n060 DEVICEID0 0 0\n064 DEVICEID1 0 0\n100 PART 0 0"
            "\n104 VARIANT 0 0\n10c RAM 0 0\n110 FLASH 0 0"
            "\n130 FAMILY 0 0\n134 REVISION 0 0\n244 TRIM244 0 0\n258 TRIM258 0 0"
        )
        user = named(
            "208 APPROTECT ffffffff 0\n20c NFCPINS ffffffff 0\n200 PSELRESET0 ffffffff 0\n204 PSELRESET1 ffffffff 0"
        )
        self.peripherals: list[Peripheral] = [
            self.system, Dwt(clock, self.system), self.power, self.watchdog, self.uart, self._rtc,
            nvmc(), RandomGenerator(),
            RegisterFile("FICR", 0x1000_0000, factory), RegisterFile("UICR", 0x1000_1000, user), *ports,
        ]  # fmt: skip

    def core_hz(self) -> int:
        """Core clock: always the full one."""
        return CORE_HZ

    def sleep(self) -> Sleep | str:
        """System ON idle, or what of it is not set up."""
        return system_on_idle(self._rtc, self.power, self.system, bool(self.uart.values["ENABLE"]))

    def wake(self) -> None:
        """RTC0 ends System ON idle; the core runs on the RC oscillator."""
        self._rtc.elapse()

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        self.power.cause = {"power-on": 0, "software": SOFTWARE_RESET, "pin": PIN_RESET}.get(cause, WATCHDOG_RESET)
        if cause != "software":
            self.watchdog.stop()
        for peripheral in self.peripherals:
            peripheral.reset()


FAMILY = Family(
    Nrf52,
    RenodeNotes(
        "UART.NRF52840_UART",
        "easyDMA: false",  # with DMA, Renode's model has neither TXD nor RXD
        ready={"CLOCK and POWER": {"HFCLKSTAT": 0x10001}},
    ),
)
