"""Peripherals as registers: what a name holds after reset, and the few that answer to what was written.

Only documented offsets exist; anything else in a peripheral's page is a crash, as an unmapped address is.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from tinyloc.boards import Board, PartFacts
from tinyloc.device.emulator.flash_memory import FlashMemory


class BadAccess(Exception):
    """The firmware touched a peripheral in a way that the part does not allow; the text is the crash reason."""


class Peripheral(Protocol):
    """A window of `size` bytes of the address space from `base`."""

    name: str
    base: int
    size: int

    def reset(self) -> None: ...

    def read(self, offset: int, size: int) -> int: ...

    def write(self, offset: int, size: int, value: int) -> None: ...


@dataclass(frozen=True)
class Register:
    """One 32-bit register."""

    name: str
    reset: int = 0
    writable: int = 0xFFFF_FFFF  # bits that keep what is written


class RegisterFile:
    """A peripheral made of 32-bit registers. Subclasses override `on_read` and `on_write` where one has behaviour.

    `closed` says why the registers cannot be reached now, such as a clock that is off; None: they can.
    """

    def __init__(
        self,
        name: str,
        base: int,
        registers: dict[int, Register],
        size: int = 0x400,
        closed: Callable[[], str | None] = lambda: None,
    ) -> None:
        self.name, self.base, self.size = name, base, size
        self.closed = closed
        self.registers = registers
        self.values: dict[str, int] = {}
        self.reset()

    def reset(self) -> None:
        """Every register to its reset value."""
        self.values = {register.name: register.reset for register in self.registers.values()}

    def on_read(self, name: str, value: int) -> int:
        """What a read of the register gives; `value` is what it holds."""
        return value

    def on_write(self, name: str, value: int) -> int:
        """What the register holds after a write of `value`."""
        return value

    def _at(self, offset: int) -> Register:
        try:
            return self.registers[offset & ~3]
        except KeyError:
            raise BadAccess(f"{self.name} has no register at offset {offset:#x}") from None

    def _open(self, register: Register, how: str) -> None:
        if (reason := self.closed()) is not None:
            raise BadAccess(f"{self.name} {register.name} {how} while {reason}")

    def read(self, offset: int, size: int) -> int:
        register = self._at(offset)
        self._open(register, "read")
        value = self.on_read(register.name, self.values[register.name])
        return (value >> 8 * (offset & 3)) & ((1 << 8 * size) - 1)

    def write(self, offset: int, size: int, value: int) -> None:
        register = self._at(offset)
        self._open(register, "written")
        old = self.values[register.name]
        shift = 8 * (offset & 3)
        lanes = ((1 << 8 * size) - 1) << shift
        merged = (old & ~lanes) | ((value << shift) & lanes)
        kept = (old & ~register.writable) | (merged & register.writable)
        self.values[register.name] = self.on_write(register.name, kept) & 0xFFFF_FFFF


def named(table: str) -> dict[int, Register]:
    """Registers from lines of `offset name [reset [writable bits]]`, all in hexadecimal."""
    registers = {}
    for line in table.strip().splitlines():
        offset, name, *rest = line.split()
        registers[int(offset, 16)] = Register(name, *(int(word, 16) for word in rest))
    return registers


class Clock(Protocol):
    """The time of the emulated core."""

    def cycles(self) -> int:
        """Core cycles since power-on."""
        ...


class Gate(Protocol):
    """Opens and closes a range of the board's memory."""

    def __call__(self, base: int, size: int, closed: str | None) -> None:
        """`closed` says why every access to the range crashes; None opens it."""
        ...


class Watching(Protocol):
    """A watchdog."""

    def expired(self) -> bool:
        """Whether it would have reset the part by now."""
        ...


Signal = Literal["tx", "rx"]
"""Output and input of a UART."""


@dataclass(frozen=True)
class Host:
    """What the machine gives to the model of a part."""

    board: Board
    facts: PartFacts
    clock: Clock
    look: Callable[[], None]
    """The firmware looked for a received byte and there is none."""
    progress: Callable[[], None]
    """The firmware sent a byte: it is not waiting."""
    request_reset: Callable[[], None]
    """Reset the part as soon as the current block ends."""
    gate: Gate
    flash: FlashMemory
    """What erases and programs the flash."""


class Uart(RegisterFile, ABC):
    """What the machine asks of a UART: `received` waits to be read by the firmware, `sent` came out of the TX pin.

    `unwired` says why a signal does not reach its pin on the board; None: it does.
    """

    def __init__(
        self,
        host: Host,
        registers: dict[int, Register],
        unwired: Callable[[Signal], str | None],
        closed: Callable[[], str | None] = lambda: None,
        size: int = 0x400,
    ) -> None:
        self.unwired, self.look, self.progress = unwired, host.look, host.progress
        self.received = bytearray()
        self.sent = bytearray()
        self.before_rate_change: Callable[[], None] = lambda: None
        super().__init__(host.board.uart.instance, host.board.uart_base, registers, size, closed)

    @property
    @abstractmethod
    def baud(self) -> float:
        """Bits a second, 0 when it is not set up."""

    def reset(self) -> None:
        self.before_rate_change()
        super().reset()
        self.received.clear()

    def send(self, byte: int, works: bool) -> None:
        """The firmware wrote a byte. Raises BadAccess when it could never come out."""
        self.progress()
        if not works:
            raise BadAccess(f"{self.name} sends while its transmitter is off or has no rate")
        if (reason := self.unwired("tx")) is not None:
            raise BadAccess(f"{self.name} sends, but {reason}")
        self.sent.append(byte)

    def deaf(self) -> str | None:
        """Why the firmware waits for bytes that can never come, None when they can."""
        reason = self.unwired("rx")
        return None if reason is None else f"{self.name} waits for bytes, but {reason}"


def unwired_pin(host: Host, signal: Signal, has: Callable[[str], int | None]) -> str | None:
    """Why the board's pin does not carry a signal of its UART, None when it does.

    Args:
        host: The board and the facts of its part.
        signal: tx or rx.
        has: The alternate function that a pin has now, None when it is in another mode.
    """
    pin = host.board.uart.tx if signal == "tx" else host.board.uart.rx
    facts = host.facts.uart[host.board.uart.instance]
    name = f"{host.board.uart.instance}_{signal.upper()}"
    if pin is None:
        return f"board.toml names no pin for {name} (uart.{signal})"
    needed = facts.function(signal, pin.pin)
    if needed is None:
        return f"{pin.pin} of a {host.facts.name} cannot be {name}; {facts.able(signal)} can"
    found = has(pin.pin)
    if found == needed:
        return None
    state = "no alternate function" if found is None else f"alternate function {found}"
    return f"{pin.pin} has {state}; {name} is function {needed} there"


@dataclass(frozen=True)
class Sleep:
    """What a WFE began: the mode by its name, and seconds until the timer wakes the core."""

    mode: str
    period_s: float


RomCall = Callable[[Callable[[int, int], bytes], int, int, int], int]
"""A function of the ROM: a reader of memory and three arguments -> its result."""


@dataclass(frozen=True)
class Rom:
    """Memory of the part with functions that the emulator carries out itself, by their addresses."""

    base: int
    content: bytes
    calls: Mapping[int, RomCall]


@runtime_checkable
class StoresToFlash(Protocol):
    """A part that is programmed by stores of the core, and has ECC."""

    def store_to_flash(self, address: int, size: int, value: int) -> bool:
        """Whether the part takes a store to its flash, as one that was told to program does."""
        ...

    def unreadable(self, address: int) -> int:
        """Number of the exception that a read of a unit with an uncorrectable error raises."""
        ...


@runtime_checkable
class HasRom(Protocol):
    """A part with functions in its ROM."""

    @property
    def rom(self) -> Rom: ...


class Part(Protocol):
    """The peripherals of a part, and what the machine asks of it."""

    @property
    def system(self) -> "SystemControl": ...

    @property
    def uart(self) -> Uart: ...

    @property
    def watchdog(self) -> Watching: ...

    @property
    def peripherals(self) -> list[Peripheral]: ...

    def core_hz(self) -> int:
        """Core clock now."""
        ...

    def reset(self, cause: str) -> None:
        """Reset the part: power-on, software or watchdog."""
        ...

    def sleep(self) -> Sleep | str:
        """The sleep that a WFE begins now, or why the core would not wake from it as it should."""
        ...

    def wake(self) -> None:
        """The timer ends the sleep."""
        ...


class SystemControl(RegisterFile):
    """System control space of an ARMv7-M core: SysTick, NVIC, SCB, debug. No interrupt is ever taken."""

    def __init__(self, clock: Clock, on_reset_request: Callable[[], None], cpuid: int) -> None:
        self.clock, self.on_reset_request = clock, on_reset_request
        self.on_traps: Callable[[], None] = lambda: None
        """Called when the traps of CCR may have changed."""
        self.on_clear_pending: Callable[[int], None] = lambda mask: None
        """Called with what NVIC_ICPR0 clears."""
        self._systick_start = 0
        table = named(f"""
            000 MCR
            004 ICTR 2 0
            008 ACTLR
            010 SYST_CSR
            014 SYST_RVR 0 ffffff
            018 SYST_CVR
            01c SYST_CALIB 0 0
            d00 CPUID {cpuid:x} 0
            d04 ICSR
            d08 VTOR 0 ffffff80
            d0c AIRCR fa050000
            d10 SCR 0 16
            d14 CCR 200 31b
            d18 SHPR1
            d1c SHPR2
            d20 SHPR3
            d24 SHCSR
            d28 CFSR
            d2c HFSR
            d30 DFSR
            d34 MMFAR
            d38 BFAR
            d3c AFSR
            d88 CPACR 0 f00000
            d90 MPU_TYPE 800 0
            d94 MPU_CTRL
            d98 MPU_RNR
            d9c MPU_RBAR
            da0 MPU_RASR
            df0 DHCSR
            df4 DCRSR
            df8 DCRDR
            dfc DEMCR
            f34 FPCCR c0000000
            f38 FPCAR
            f3c FPDSCR
        """)
        for bank, name in ((0x100, "ISER"), (0x180, "ICER"), (0x200, "ISPR"), (0x280, "ICPR"), (0x300, "IABR")):
            table.update({bank + 4 * i: Register(f"NVIC_{name}{i}") for i in range(3)})
        table.update({0x400 + 4 * i: Register(f"NVIC_IPR{i}") for i in range(21)})
        super().__init__("system control space", 0xE000_E000, table, 0x1000)

    @property
    def fpu_enabled(self) -> bool:
        """CP10 and CP11 have full access."""
        return self.values["CPACR"] >> 20 & 0xF == 0xF

    @property
    def traps_unaligned(self) -> bool:
        """CCR.UNALIGN_TRP: unaligned words and halfwords fault."""
        return bool(self.values["CCR"] >> 3 & 1)

    @property
    def traps_division(self) -> bool:
        """CCR.DIV_0_TRP: a division by zero faults."""
        return bool(self.values["CCR"] >> 4 & 1)

    @property
    def interrupts_enabled(self) -> bool:
        """An interrupt could be taken. The emulator refuses to enable one."""
        return any(value for name, value in self.values.items() if name.startswith("NVIC_ISER"))

    def reset(self) -> None:
        super().reset()
        self.on_traps()

    @property
    def trace_enabled(self) -> bool:
        """DEMCR.TRCENA: the DWT works."""
        return bool(self.values["DEMCR"] >> 24 & 1)

    def on_read(self, name: str, value: int) -> int:
        if name == "SYST_CVR":
            if not self.values["SYST_CSR"] & 1:
                return value
            period = self.values["SYST_RVR"] + 1
            return (-(self.clock.cycles() - self._systick_start)) % period
        if name == "SYST_CSR" and value & 1:
            passed = self.clock.cycles() - self._systick_start > self.values["SYST_RVR"]
            return value | (int(passed) << 16)
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "AIRCR":
            if value >> 16 == 0x05FA and value & 4:
                self.on_reset_request()
            return 0xFA05_0000 | (value & 0x700)
        if name == "SYST_CSR":
            if value & 2:
                raise BadAccess("SysTick interrupt enabled; the emulator takes no interrupts; the firmware must poll")
            self._systick_start = self.clock.cycles()
        if name == "SYST_CVR":
            self._systick_start = self.clock.cycles()
            return 0
        if name.startswith("NVIC_ISER") and value:
            raise BadAccess("interrupt enabled; the emulator takes no interrupts; the firmware must poll")
        if name == "NVIC_ICPR0":
            self.on_clear_pending(value)
            return 0
        if name == "CCR":
            self.values[name] = value
            self.on_traps()
        if name in ("CFSR", "HFSR", "DFSR"):  # write one to clear
            return self.values[name] & ~value
        return value


class Dwt(RegisterFile):
    """Data watchpoint and trace unit: the cycle counter, which counts modelled cycles."""

    def __init__(self, clock: Clock, system: SystemControl) -> None:
        self.clock, self.system = clock, system
        self._start = 0
        super().__init__(
            "DWT",
            0xE000_1000,
            named("0 CTRL 40000000\n4 CYCCNT\n8 CPICNT\nc EXCCNT\n10 SLEEPCNT\n14 LSUCNT\n18 FOLDCNT\n1c PCSR 0 0"),
            0x1000,
        )

    def _counting(self) -> bool:
        return bool(self.values["CTRL"] & 1) and self.system.trace_enabled

    def on_read(self, name: str, value: int) -> int:
        if name == "CYCCNT" and self._counting():
            return (value + self.clock.cycles() - self._start) & 0xFFFF_FFFF
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "CYCCNT" or (name == "CTRL" and value & 1 and not self.values["CTRL"] & 1):
            self._start = self.clock.cycles()
        return value
