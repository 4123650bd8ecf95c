"""Sleep of the STM32L4: what must be set up for Stop 2 to end again, and the timer that ends it.

Register offsets: RM0394 (LPTIM, EXTI, PWR), from general knowledge as in firmware/port/stm32l4/sleep.c.
"""

from collections.abc import Callable

from tinyloc.device.emulator.peripherals import RegisterFile, Sleep, named

ARRM, ARROK = 1 << 1, 1 << 4
STOP_2 = 2
SLEEPDEEP = 1 << 2


class LowPowerTimer(RegisterFile):
    """LPTIM1 as a periodic timer. Time passes only in sleep: `elapse` ends a period."""

    def __init__(self, closed: Callable[[], str | None], clock_hz: Callable[[], int]) -> None:
        self.clock_hz = clock_hz
        super().__init__(
            "LPTIM1",
            0x4000_7C00,
            named("0 ISR 0 0\n4 ICR\n8 IER\nc CFGR\n10 CR\n14 CMP\n18 ARR 1 ffff\n1c CNT 0 0\n20 OR"),
            closed=closed,
        )

    @property
    def enabled(self) -> bool:
        return bool(self.values["CR"] & 1)

    @property
    def counting(self) -> bool:
        return self.enabled and bool(self.values["CR"] & 4)

    def on_write(self, name: str, value: int) -> int:
        match name:
            case "ICR":
                self.values["ISR"] &= ~value
                return 0
            case "IER" | "CFGR" if self.enabled:  # locked while it runs
                return self.values[name]
            case "ARR":
                if not self.enabled:  # lost: the timer takes it only when enabled
                    return self.values[name]
                self.values["ISR"] |= ARROK
            case "CR" if not value & 1:
                return 0
        return value

    @property
    def period_s(self) -> float:
        """Seconds from wake to wake; 0 when it does not count."""
        hz = self.clock_hz()
        if not self.counting or not hz:
            return 0.0
        return (self.values["ARR"] + 1) * (1 << (self.values["CFGR"] >> 9 & 7)) / hz

    def elapse(self) -> None:
        """A period ended."""
        self.values["ISR"] |= ARRM


def exti() -> RegisterFile:
    """Extended interrupts and events."""
    rows = "\n".join(
        f"{base + offset:x} {name}{bank}"
        for bank, base in ((1, 0x00), (2, 0x20))
        for name, offset in (("IMR", 0), ("EMR", 4), ("RTSR", 8), ("FTSR", 0xC), ("SWIER", 0x10), ("PR", 0x14))
    )
    return RegisterFile("EXTI", 0x4001_0400, named(rows))


def stop_2(timer: LowPowerTimer, events: RegisterFile, power: RegisterFile, scr: int) -> Sleep | str:
    """The sleep that a WFE begins now, or why it would never end or be no Stop 2."""
    problems = {
        "SCB_SCR.SLEEPDEEP is off: the core sleeps, the clocks run on": scr & SLEEPDEEP,
        f"PWR_CR1.LPMS is {power.values['CR1'] & 7}, Stop 2 is {STOP_2}": power.values["CR1"] & 7 == STOP_2,
        "EXTI_EMR2 lets no event of LPTIM1 (line 32) through": events.values["EMR2"] & 1,
        "LPTIM1_IER does not signal the end of the period": timer.values["IER"] & ARRM,
        "LPTIM1 does not count, or its clock does not run in Stop 2": timer.period_s > 0,
    }
    wrong = [text for text, fine in problems.items() if not fine]
    return "; ".join(wrong) if wrong else Sleep("Stop 2", timer.period_s)
