"""Peripherals of the STM32L432KC, as far as firmware that polls a UART can tell them from the real ones.

Register offsets and reset values: ST's stm32l432xx.h v1.7.4 and STM32L4x2.svd. Clock gates, pin functions, flash wait
states and ready bits are modelled, so that start-up code which forgets one of them fails here too.
"""

from collections.abc import Callable

from tinyloc.boards import Board
from tinyloc.device.emulator.peripherals import (
    BadAccess,
    Clock,
    Dwt,
    Gate,
    Peripheral,
    RegisterFile,
    Sleep,
    SystemControl,
    Uart,
    named,
)
from tinyloc.device.emulator.stm32l4_sleep import LowPowerTimer, exti, stop_2

HSI_HZ = 16_000_000
MSI_RANGES_HZ = (
    100_000, 200_000, 400_000, 800_000, 1_000_000, 2_000_000, 4_000_000, 8_000_000,
    16_000_000, 24_000_000, 32_000_000, 48_000_000,
)  # fmt: skip
WAIT_STATE_LIMITS_HZ = (16_000_000, 32_000_000, 48_000_000, 64_000_000, 80_000_000)  # range 1, by number of wait states
LSI_HZ = 32_000
GPIO_PORTS = (("A", 0, 0xABFF_FFFF), ("B", 1, 0xFFFF_FEBF), ("C", 2, 0xFFFF_FFFF), ("H", 7, 0xF))  # number, MODER
CPUID_M4_R0P1 = 0x410F_C241

# bits of RCC_CSR that tell the cause of the last reset
PIN_RESET, BROWN_OUT_RESET, SOFTWARE_RESET, WATCHDOG_RESET = 1 << 26, 1 << 27, 1 << 28, 1 << 29


class FlashRegisters(RegisterFile):
    """Flash interface: the wait states are what matters."""

    def __init__(self) -> None:
        super().__init__(
            "FLASH registers",
            0x4002_2000,
            named("""
                00 ACR 600 7f07
                04 PDKEYR
                08 KEYR
                0c OPTKEYR
                10 SR 0 0
                14 CR c0000000 0
                18 ECCR 0 0
                20 OPTR ffeff8aa 0
                24 PCROP1SR ffffffff 0
                28 PCROP1ER 0 0
                2c WRP1AR ff 0
                30 WRP1BR ff 0
            """),
        )

    @property
    def wait_states(self) -> int:
        return self.values["ACR"] & 7


class Rcc(RegisterFile):
    """Reset and clock control: oscillators, PLL, system clock, clock gates, reset cause. No crystal is fitted."""

    def __init__(self, flash: FlashRegisters) -> None:
        self.flash = flash
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
            for on, ready in ((0, 1), (8, 10), (24, 25), (26, 27)):  # MSI, HSI16, PLL, PLLSAI1; HSE never gets ready
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
        limit = WAIT_STATE_LIMITS_HZ[min(states, 4)]
        if hz > limit:
            raise BadAccess(f"{hz / 1e6:g} MHz with {states} flash wait states; they allow {limit / 1e6:g} MHz")

    def leave_stop(self) -> None:
        """The clocks after a Stop mode: PLL off, HSI16 with STOPWUCK, else MSI."""
        on = 8 if self.values["CFGR"] >> 15 & 1 else 0
        self.values["CR"] = self.values["CR"] & ~(3 << 24) | 1 << on | 1 << (10 if on else 1)
        self.values["CFGR"] = self.values["CFGR"] & ~0xF | (0b0101 if on else 0)

    def _msi_hz(self) -> int:
        cr = self.values["CR"]
        index = cr >> 4 & 15 if cr >> 3 & 1 else self.values["CSR"] >> 8 & 15
        return MSI_RANGES_HZ[min(index, 11)]

    def _pll_hz(self) -> int:
        config = self.values["PLLCFGR"]
        source = {1: self._msi_hz(), 2: HSI_HZ}.get(config & 3, 0)
        if not self.values["CR"] >> 25 & 1 or not config >> 24 & 1 or not source:
            return 0
        divider, factor, output = (config >> 4 & 7) + 1, config >> 8 & 0x7F, 2 * ((config >> 25 & 3) + 1)
        vco = source // divider * factor
        if not 4_000_000 <= source // divider <= 16_000_000 or not 64_000_000 <= vco <= 344_000_000:
            raise BadAccess(f"PLL input {source / divider / 1e6:g} MHz, VCO {vco / 1e6:g} MHz: outside its limits")
        return vco // output

    def system_hz(self) -> int:
        """The core clock, 0 when its source does not run."""
        cr = self.values["CR"]
        source = self.values["CFGR"] & 3
        hz = (self._msi_hz() * (cr >> 1 & 1), HSI_HZ * (cr >> 10 & 1), 0, self._pll_hz())[source]
        prescaler = self.values["CFGR"] >> 4 & 15
        return hz >> ((0, 1, 2, 3, 4, 6, 7, 8, 9)[prescaler - 7] if prescaler >= 8 else 0)

    def apb1_hz(self) -> int:
        """Clock of the peripherals on APB1."""
        prescaler = self.values["CFGR"] >> 8 & 7
        return self.system_hz() >> (prescaler - 3 if prescaler >= 4 else 0)

    def enabled(self, register: str, bit: int) -> bool:
        """Whether a clock gate is open."""
        return bool(self.values[register] >> bit & 1)


class Gpio(RegisterFile):
    """One GPIO port. Without its clock, writes are lost and reads give 0."""

    def __init__(self, letter: str, base: int, moder: int, clocked: Callable[[], bool]) -> None:
        self.clocked = clocked
        super().__init__(
            f"GPIO{letter}",
            base,
            named(f"""
                00 MODER {moder:x}
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
            """),
        )

    def on_read(self, name: str, value: int) -> int:
        return value if self.clocked() else 0

    def on_write(self, name: str, value: int) -> int:
        if not self.clocked():
            return self.values[name]
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


class Usart(Uart):
    """USART of the STM32L4."""

    def __init__(
        self, name: str, base: int, clocked: Callable[[], bool], clock_hz: Callable[[], int], wired: Callable[[], bool],
        look: Callable[[], None], progress: Callable[[], None],
    ) -> None:  # fmt: skip
        self.clocked, self.clock_hz = clocked, clock_hz
        table = named("""
            00 CR1
            04 CR2
            08 CR3
            0c BRR 0 ffff
            10 GTPR
            14 RTOR
            18 RQR
            1c ISR c0 0
            20 ICR
            24 RDR 0 0
            28 TDR
        """)
        super().__init__(name, base, table, wired, look, progress)

    @property
    def baud(self) -> float:
        """Bits a second that the divider gives, 0 when it is not set."""
        divider = self.values["BRR"]
        if self.values["CR1"] >> 15 & 1:  # OVER8
            return 2 * self.clock_hz() / max((divider & 0xFFF0) | (divider & 7) << 1, 1)
        return self.clock_hz() / divider if divider else 0.0

    def read(self, offset: int, size: int) -> int:
        if not self.clocked():
            self.look()
            return 0
        if offset == 0x1C:  # ISR
            cr1 = self.values["CR1"]
            status = 0xC0 | (cr1 & 1 and (cr1 >> 3 & 1) << 21 | (cr1 >> 2 & 1) << 22)
            if self.received and cr1 & 5 == 5:
                return status | 0x20
            self.look()
            return status
        if offset == 0x24:  # RDR
            return self.received.pop(0) if self.received and self.values["CR1"] & 5 == 5 else 0
        return super().read(offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        if not self.clocked():
            return
        if offset == 0x28:  # TDR
            self.send(value & 0xFF, self.values["CR1"] & 9 == 9)
            return
        super().write(offset, size, value)

    def on_write(self, name: str, value: int) -> int:
        if name == "RQR":
            if value & 8:  # RXFRQ: drop what was received
                self.received.clear()
            return 0
        if name == "BRR":
            if 0 < value < 16:
                raise BadAccess(f"{self.name} BRR = {value}: the divider must be at least 16")
            self.before_rate_change()
        return 0 if name == "ICR" else value


class Stm32l4:
    """All peripherals of the part, and what the machine asks of it."""

    def __init__(
        self, board: Board, clock: Clock, look: Callable[[], None], progress: Callable[[], None],
        reset_request: Callable[[], None], gate: Gate,
    ) -> None:  # fmt: skip
        self.system = SystemControl(clock, reset_request, CPUID_M4_R0P1)
        flash = FlashRegisters()
        self.rcc = Rcc(flash)
        ports = {
            letter: Gpio(letter, 0x4800_0000 + 0x400 * index, moder, self._gate("AHB2ENR", index))
            for letter, index, moder in GPIO_PORTS
        }
        self.watchdog = Watchdog(clock, self.rcc)
        self.uart = Usart(
            "USART2",
            board.uart.base,
            self._gate("APB1ENR1", 17),
            self._usart2_hz,
            lambda: ports["A"].function(2) == 7 and ports["A"].function(15) == 3,
            look,
            progress,
        )
        power = RegisterFile(
            "PWR",
            0x4000_7000,
            named("00 CR1 200\n04 CR2\n08 CR3 8000\n0c CR4\n10 SR1 0 0\n14 SR2 100 0\n18 SCR\n20 PUCRA\n24 PDCRA"
                  "\n28 PUCRB\n2c PDCRB"),
        )  # fmt: skip
        debug = RegisterFile(
            "DBGMCU", 0xE004_2000, named("0 IDCODE 10006435 0\n4 CR\n8 APB1FZR1\nc APB1FZR2\n10 APB2FZ")
        )
        factory = named("590 UID0 20 0\n594 UID1 20 0\n598 UID2 20 0\n5e0 FLASHSIZE 100 0")
        unique = RegisterFile("factory data", 0x1FFF_7000, factory, 0x1000)
        self._power, self._events = power, exti()
        self._timer = LowPowerTimer(self._gate("APB1ENR1", 31), self._lptim1_hz)
        self.peripherals: list[Peripheral] = [
            self.system, Dwt(clock, self.system), flash, self.rcc, power, self.watchdog, self.uart, debug, unique,
            self._events, self._timer,
            *ports.values(),
        ]  # fmt: skip

    def _gate(self, register: str, bit: int) -> Callable[[], bool]:
        return lambda: self.rcc.enabled(register, bit)

    def _usart2_hz(self) -> int:
        source = self.rcc.values["CCIPR"] >> 2 & 3
        return (self.rcc.apb1_hz(), self.rcc.system_hz(), HSI_HZ, 32_768)[source]

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

    def core_hz(self) -> int:
        """Core clock now."""
        return self.rcc.system_hz()

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        flags = {"power-on": BROWN_OUT_RESET | PIN_RESET, "software": SOFTWARE_RESET | PIN_RESET}
        self.rcc.cause = flags.get(cause, WATCHDOG_RESET | PIN_RESET)
        for peripheral in self.peripherals:
            peripheral.reset()
