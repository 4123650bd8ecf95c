"""Peripherals of the virtual boards: UART, watchdog and reset information of Arm's Cortex-M System Design Kit.

Registers: ARM DDI 0479D (Cortex-M System Design Kit Technical Reference Manual), chapters 3 and 4; addresses of its
example system. The core has its full clock from reset on, and the UART needs no pins.
"""

from tinyloc.device.emulator.families import Family
from tinyloc.device.emulator.peripherals import (
    BadAccess,
    Clock,
    Dwt,
    Host,
    Peripheral,
    RegisterFile,
    Sleep,
    SystemControl,
    Uart,
    named,
)

CPUIDS = {"cortex-m3": 0x412F_C231, "cortex-m4f": 0x410F_C241}  # r2p1 and r0p1
LEAST_DIVIDER = 16
SOFTWARE_RESET, WATCHDOG_RESET = 1, 2
"""Bits of RSTINFO; none is set after power-on."""


class ApbUart(Uart):
    """CMSDK APB UART: one byte deep each way."""

    def __init__(self, host: Host) -> None:
        self.hz = host.board.clock.hz
        table = named("00 DATA\n04 STATE\n08 CTRL 0 7f\n0c INT\n10 BAUDDIV 0 fffff")
        super().__init__(host, table, lambda signal: None)

    @property
    def baud(self) -> float:
        return self.hz / self.values["BAUDDIV"] if self.values["BAUDDIV"] else 0.0

    def on_read(self, name: str, value: int) -> int:
        works = bool(self.values["CTRL"] & 2) and self.baud > 0
        if name == "STATE":
            if self.received and works:
                return value | 2
            self.look()
        if name == "DATA":
            return self.received.pop(0) if self.received and works else 0
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "DATA":
            self.send(value & 0xFF, bool(self.values["CTRL"] & 1) and self.baud > 0)
        if name in ("DATA", "STATE", "INT"):
            return 0
        if name == "BAUDDIV":
            if 0 < value < LEAST_DIVIDER:
                raise BadAccess(f"BAUDDIV = {value}: the divider must be at least {LEAST_DIVIDER}")
            self.before_rate_change()
        return value


class Watchdog(RegisterFile):
    """CMSDK APB watchdog at the core's clock: resets at the second end of its count."""

    def __init__(self, clock: Clock, hz: int) -> None:
        self.clock, self.hz = clock, hz
        self._fed = 0
        table = named("00 LOAD ffffffff\n04 VALUE 0 0\n08 CONTROL 0 3\n0c INTCLR\n10 RIS 0 0\n14 MIS 0 0\nc00 LOCK")
        super().__init__("watchdog", 0x4000_8000, table, 0x1000)

    def on_write(self, name: str, value: int) -> int:
        if name in ("LOAD", "INTCLR") or (name == "CONTROL" and value & 1 and not self.values["CONTROL"] & 1):
            self._fed = self.clock.cycles()
        return value

    def timeout_s(self) -> float:
        """Time from one feeding to the reset."""
        return 2 * self.values["LOAD"] / self.hz

    def expired(self) -> bool:
        """Whether it would have reset the part by now."""
        if self.values["CONTROL"] & 3 != 3:
            return False
        return (self.clock.cycles() - self._fed) / self.hz > self.timeout_s()


class SystemController(RegisterFile):
    """Remapping, power management and the cause of the last reset."""

    def __init__(self) -> None:
        self.cause = 0
        super().__init__(
            "system controller", 0x4001_F000, named("00 REMAP\n04 PMUCTRL\n08 RESETOP\n10 RSTINFO"), 0x1000
        )

    def reset(self) -> None:
        super().reset()
        self.values["RSTINFO"] = self.cause

    def on_write(self, name: str, value: int) -> int:
        return self.values[name] & ~value if name == "RSTINFO" else value


class Cmsdk:
    """All peripherals of a virtual board, and what the machine asks of it."""

    def __init__(self, host: Host) -> None:
        clock, self.hz = host.clock, host.board.clock.hz
        self.system = SystemControl(clock, host.request_reset, CPUIDS[host.board.core])
        self.controller = SystemController()
        self.watchdog = Watchdog(clock, self.hz)
        self.uart = ApbUart(host)
        self.peripherals: list[Peripheral] = [
            self.system, Dwt(clock, self.system), self.controller, self.watchdog, self.uart,
        ]  # fmt: skip

    def core_hz(self) -> int:
        """Core clock: always the full one."""
        return self.hz

    def sleep(self) -> Sleep | str:
        """No sleep is modelled."""
        return "the emulator does not model the sleep of this part"

    def wake(self) -> None:
        """Never called: there is no sleep."""

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        self.controller.cause = {"power-on": 0, "software": SOFTWARE_RESET}.get(cause, WATCHDOG_RESET)
        for peripheral in self.peripherals:
            peripheral.reset()


FAMILY = Family(Cmsdk)
