"""Sleep of the nRF52: what must be set up for System ON idle to end again, and the counter that ends it.

RTC0's register offsets and its interrupt, number 11: general knowledge, as in firmware/port/nrf52/sleep.c.
"""

from tinyloc.device.emulator.nrf52.clock_power import RUNNING, ClockPower
from tinyloc.device.emulator.peripherals import BadAccess, Clock, RegisterFile, Sleep, SystemControl, named

COMPARE0 = 1 << 16
IRQ = 1 << 11
SEVONPEND = 1 << 4
COUNTER_BITS = 0xFF_FFFF
TICKS_HZ = 32_768
CORE_HZ = 64_000_000


class RealTimeCounter(RegisterFile):
    """RTC0 with one compare register. It counts while the core is awake; asleep, `elapse` goes to the compare value."""

    def __init__(self, clock: Clock, power: ClockPower) -> None:
        self.clock, self.power = clock, power
        self.pending = self.running = self._fired = False
        self._counter = self._since = 0
        table = named("""
            000 TASKS_START
            004 TASKS_STOP
            008 TASKS_CLEAR
            140 EVENTS_COMPARE0
            304 INTENSET
            308 INTENCLR
            504 COUNTER 0 0
            508 PRESCALER 0 fff
            540 CC0 0 ffffff
        """)
        super().__init__("RTC0", 0x4000_B000, table, 0x1000)

    def reset(self) -> None:
        super().reset()
        self.pending = self.running = self._fired = False
        self._counter = 0

    @property
    def ticks_hz(self) -> float:
        """Return the frequency of the counter; 0 when the low-frequency clock is off."""
        return TICKS_HZ / (self.values["PRESCALER"] + 1) if self.power.values["LFCLKSTAT"] & RUNNING else 0.0

    def _count(self) -> int:
        """Ticks since the last compare value that was slept to."""
        if not self.running:
            return 0
        return int((self.clock.cycles() - self._since) * self.ticks_hz / CORE_HZ)

    def _ahead(self) -> int:
        """Ticks from the last compare value to the next."""
        return (self.values["CC0"] - self._counter) & COUNTER_BITS

    def _catch_up(self) -> None:
        if self.running and not self._fired and 0 < self._ahead() <= self._count():
            self._fire()

    def _fire(self) -> None:
        self.values["EVENTS_COMPARE0"] = 1
        self._fired = True
        self.pending |= bool(self.values["INTENSET"] & COMPARE0)

    def on_read(self, name: str, value: int) -> int:
        self._catch_up()
        if name == "COUNTER":
            return (self._counter + self._count()) & COUNTER_BITS
        return self.values[name]

    def on_write(self, name: str, value: int) -> int:
        match name:
            case "TASKS_START" if value & 1:
                if not self.ticks_hz:
                    raise BadAccess("RTC0 is started while the low-frequency clock is off (CLOCK LFCLKSTAT)")
                self.running, self._since = True, self.clock.cycles()
            case "TASKS_STOP" if value & 1:
                self._counter, self.running = (self._counter + self._count()) & COUNTER_BITS, False
            case "TASKS_CLEAR" if value & 1:
                self._counter, self._since = 0, self.clock.cycles()
            case "PRESCALER" if self.running:
                raise BadAccess("RTC0 PRESCALER can only be written while the counter is stopped")
            case "INTENCLR":
                self.values["INTENSET"] &= ~value
            case "INTENSET":
                return self.values["INTENSET"] | value
            case "CC0":
                ahead = (value - self._counter - self._count()) & COUNTER_BITS
                if self.running and ahead < 2:
                    raise BadAccess(f"RTC0 CC0 is {ahead} ticks ahead of COUNTER; less than 2 may give no event")
                self._fired = False
                return value
            case "EVENTS_COMPARE0":
                return value & 1
        return 0 if name.startswith("TASKS_") or name == "INTENCLR" else value

    def clear_pending(self, mask: int) -> None:
        """NVIC_ICPR: the interrupt stays pending as long as its event stands."""
        self._catch_up()
        if mask & IRQ:
            self.pending = bool(self.values["EVENTS_COMPARE0"] and self.values["INTENSET"] & COMPARE0)

    def sleep(self) -> float:
        """Seconds from the last compare value to the next; 0 when none will come."""
        hz = self.ticks_hz
        return self._ahead() / hz if self.running and hz and not self._fired else 0.0

    def elapse(self) -> None:
        """The counter reaches the compare value."""
        self._counter, self._since = self.values["CC0"], self.clock.cycles()
        self._fire()


def system_on_idle(rtc: RealTimeCounter, power: ClockPower, system: SystemControl, uart_on: bool) -> Sleep | str:
    """The sleep that a WFE begins now, or why it would never end or draw more than System ON idle."""
    period_s = rtc.sleep()
    problems = {
        "SCB_SCR.SLEEPDEEP is set; System ON idle needs none": not system.values["SCR"] & 4,
        "SCB_SCR.SEVONPEND is off: a pending interrupt is no event": system.values["SCR"] & SEVONPEND,
        "RTC0 INTENSET does not let COMPARE0 through": rtc.values["INTENSET"] & COMPARE0,
        "RTC0 does not count, or its compare value has passed": period_s > 0,
        "RTC0's interrupt is pending still (NVIC_ICPR0 bit 11): a new event would be none": not rtc.pending,
        "the 64 MHz crystal runs on (CLOCK TASKS_HFCLKSTOP)": not power.on_crystal,
        "the UART is enabled and keeps the 64 MHz clock on": not uart_on,
    }
    wrong = [text for text, fine in problems.items() if not fine]
    return "; ".join(wrong) if wrong else Sleep("System ON idle", period_s)
