"""Peripherals of the STM32L4, as far as firmware that polls a UART can tell them from the real ones.

Which of them a part has, and where it differs, is in boards/parts. Register offsets and reset values: ST's
stm32l432xx.h and stm32l476xx.h v1.7.4. Clock gates, pin functions, flash wait states and ready bits are modelled, so
that start-up code which forgets one of them fails here too.
"""

import random
from collections.abc import Callable

from tinyloc.boards.parts import pin_place
from tinyloc.device.emulator.families import Family, RenodeNotes
from tinyloc.device.emulator.peripherals import (
    Clock,
    Dwt,
    Host,
    Peripheral,
    Register,
    RegisterFile,
    Sleep,
    SystemControl,
    named,
    unwired_pin,
)
from tinyloc.device.emulator.stm32l4.clocks import (
    BROWN_OUT_RESET,
    LSI_HZ,
    PIN_RESET,
    SOFTWARE_RESET,
    WATCHDOG_RESET,
    Rcc,
)
from tinyloc.device.emulator.stm32l4.flash import FlashRegisters
from tinyloc.device.emulator.stm32l4.gpio import Gpio
from tinyloc.device.emulator.stm32l4.sleep import LowPowerTimer, exti, stop_2
from tinyloc.device.emulator.stm32l4.usart import Usart

CPUID_M4_R0P1 = 0x410F_C241


class RandomGenerator(RegisterFile):
    """Random generator: a word is there whenever it runs. Seeded, so that a run can be repeated."""

    def __init__(self, name: str, base: int, registers: dict[int, Register], closed: Callable[[], str | None]) -> None:
        self._chance = random.Random(name)
        super().__init__(name, base, registers, closed=closed)

    def on_read(self, name: str, value: int) -> int:
        if name == "SR":
            return int(bool(self.values["CR"] & 4))
        return self._chance.getrandbits(32) if name == "DR" else value


class Watchdog(RegisterFile):
    """Independent watchdog: once started it resets the part when it is not fed in time."""

    def __init__(self, clock: Clock, rcc: Rcc) -> None:
        self.clock, self.rcc = clock, rcc
        self.running = False
        self._fed = 0
        super().__init__("IWDG", 0x4000_3000, named("0 KR\n4 PR\n8 RLR fff fff\nc SR 0 0\n10 WINR fff"))

    def reset(self) -> None:
        super().reset()
        self.running = False

    def on_write(self, name: str, value: int) -> int:
        if name == "KR":
            if value == 0xCCCC:
                self.running = True
            if value in (0xCCCC, 0xAAAA):
                self._fed = self.clock.cycles()
        return value

    def timeout_s(self) -> float:
        """Time from one feeding to the reset."""
        return (4 << min(self.values["PR"], 6)) * (self.values["RLR"] + 1) / LSI_HZ

    def expired(self) -> bool:
        """Whether it would have reset the part by now."""
        if not self.running:
            return False
        return (self.clock.cycles() - self._fed) / max(self.rcc.system_hz(), 1) > self.timeout_s()


class Stm32l4:
    """All peripherals of the part, and what the machine asks of it."""

    def __init__(self, host: Host) -> None:
        clock, facts = host.clock, host.facts
        self.system = SystemControl(clock, host.request_reset, CPUID_M4_R0P1)
        flash = self._flash = FlashRegisters(host.flash)
        self.rcc = Rcc(flash, facts.wait_state_limits_hz)
        ports = {letter: Gpio(letter, self.rcc) for letter in facts.ports}

        def function(pin: str) -> int | None:
            return ports[pin[1]].function(pin_place(pin)[1]) if pin[1] in ports else None

        self.watchdog = Watchdog(clock, self.rcc)
        self.uart = Usart(host, self.rcc, lambda signal: unwired_pin(host, signal, function))
        power = RegisterFile(
            "PWR",
            0x4000_7000,
            named("00 CR1 200\n04 CR2\n08 CR3 8000\n0c CR4\n10 SR1 0 0\n14 SR2 100 0\n18 SCR\n20 PUCRA\n24 PDCRA"
                  "\n28 PUCRB\n2c PDCRB"),
        )  # fmt: skip
        debug = RegisterFile("DBGMCU", 0xE004_2000, named("0 IDCODE 0 0\n4 CR\n8 APB1FZR1\nc APB1FZR2\n10 APB2FZ"))
        factory = named("590 UID0 20 0\n594 UID1 20 0\n598 UID2 20 0\n5e0 FLASHSIZE 0 0")
        unique = RegisterFile("factory data", 0x1FFF_7000, factory, 0x1000)
        self._power, self._events = power, exti()
        self._timer = LowPowerTimer(self.rcc.gate("APB1ENR1", 31), self._lptim1_hz)
        rng = RandomGenerator("RNG", 0x5006_0800, named("0 CR\n4 SR 0 60\n8 DR 0 0"), lambda: self._random_closed())
        self.peripherals: list[Peripheral] = [
            rng, self.system, Dwt(clock, self.system), flash, self.rcc, power, self.watchdog, self.uart, debug, unique,
            self._events, self._timer,
            *ports.values(),
        ]  # fmt: skip

    def _random_closed(self) -> str | None:
        if not self.rcc.values["AHB2ENR"] >> 18 & 1:
            return "its clock is off (RCC AHB2ENR bit 18)"
        if self.rcc.values["CCIPR"] >> 26 & 3 != 3:
            return "it has no 48 MHz clock (RCC CCIPR CLK48SEL)"
        return None

    def _lptim1_hz(self) -> int:
        """0 for the clocks that stop in Stop 2."""
        lsi = LSI_HZ * (self.rcc.values["CSR"] >> 1 & 1)
        return (0, lsi, 0, 0)[self.rcc.values["CCIPR"] >> 18 & 3]

    def sleep(self) -> Sleep | str:
        """Stop 2, or what of it is not set up."""
        return stop_2(self._timer, self._events, self._power, self.system.values["SCR"])

    def wake(self) -> None:
        """LPTIM1 ends Stop 2: the PLL is off, the system clock is HSI16 or MSI as STOPWUCK has it."""
        self._timer.elapse()
        self.rcc.leave_stop()

    def store_to_flash(self, address: int, size: int, value: int) -> bool:
        """Whether the flash is being programmed."""
        return self._flash.store(address, size, value)

    def unreadable(self, address: int) -> int:
        """A unit with an uncorrectable error raises an NMI."""
        return self._flash.unreadable(address)

    def core_hz(self) -> int:
        """Core clock now."""
        return self.rcc.system_hz()

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        flags = {"power-on": BROWN_OUT_RESET | PIN_RESET, "software": SOFTWARE_RESET | PIN_RESET}
        self.rcc.cause = flags.get(cause, WATCHDOG_RESET | PIN_RESET)
        for peripheral in self.peripherals:
            peripheral.reset()


FAMILY = Family(
    Stm32l4,
    RenodeNotes(
        "UART.STM32F7_USART",
        "frequency: {hz}",
        ready={"RCC": {"CR": 1 << 10 | 1 << 25, "CFGR": 3 << 2}},  # HSIRDY, PLLRDY; SWS
    ),
)
