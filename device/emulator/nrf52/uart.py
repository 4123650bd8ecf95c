"""UART0 of the nRF52 without DMA, and the GPIO ports. Source: Nordic's nrf52840.svd and nrf52.svd."""

from collections.abc import Sequence

from tinyloc.boards.parts import pin_place
from tinyloc.device.emulator.nrf52.clock_power import ClockPower
from tinyloc.device.emulator.peripherals import BadAccess, Host, RegisterFile, Signal, Uart, named

WITHOUT_DMA = 4
DISCONNECTED = 1 << 31
OUTPUT, INPUT_OFF = 1, 2
"""Bits of PIN_CNF."""
LEAST_RATE, UART_HZ = 0x4000, 16_000_000


class Gpio(RegisterFile):
    """One GPIO port, from its register OUT on."""

    def __init__(self, port: int, pins: int) -> None:
        table = named("04 OUT\n08 OUTSET\n0c OUTCLR\n10 IN 0 0\n14 DIR\n18 DIRSET\n1c DIRCLR\n20 LATCH\n24 DETECTMODE")
        table |= named("\n".join(f"{0x200 + 4 * pin:x} PIN_CNF{pin} 2" for pin in range(pins)))
        super().__init__(f"P{port}", 0x5000_0500 + 0x300 * port, table, 0x280)

    def on_write(self, name: str, value: int) -> int:
        base = name[:3]
        if name in ("OUTSET", "DIRSET"):
            self.values[base] |= value
            return 0
        if name in ("OUTCLR", "DIRCLR"):
            self.values[base] &= ~value
            return 0
        return value

    def output(self, pin: int) -> bool:
        """The pin drives."""
        return bool(self.values[f"PIN_CNF{pin}"] & OUTPUT or self.values["DIR"] >> pin & 1)

    def listens(self, pin: int) -> bool:
        """The pin's input buffer is connected."""
        return not self.values[f"PIN_CNF{pin}"] & INPUT_OFF


class LegacyUart(Uart):
    """UART0: events instead of flags; one byte at a time."""

    def __init__(self, host: Host, clock: ClockPower, ports: Sequence[Gpio]) -> None:
        self._host, self._clock, self._ports = host, clock, ports
        self._receiving = self._transmitting = False
        table = named("""
            000 TASKS_STARTRX
            004 TASKS_STOPRX
            008 TASKS_STARTTX
            00c TASKS_STOPTX
            01c TASKS_SUSPEND
            100 EVENTS_CTS
            104 EVENTS_NCTS
            108 EVENTS_RXDRDY
            11c EVENTS_TXDRDY
            124 EVENTS_ERROR
            144 EVENTS_RXTO
            200 SHORTS
            304 INTENSET
            308 INTENCLR
            480 ERRORSRC
            500 ENABLE 0 f
            508 PSELRTS ffffffff
            50c PSELTXD ffffffff
            510 PSELCTS ffffffff
            514 PSELRXD ffffffff
            518 RXD 0 0
            51c TXD 0 ff
            524 BAUDRATE 4000000
            56c CONFIG
        """)
        super().__init__(host, table, self._unwired, size=0x1000)

    def reset(self) -> None:
        super().reset()
        self._receiving = self._transmitting = False

    @property
    def baud(self) -> float:
        """16 MHz / floor(2^32 / BAUDRATE), as the rates that Nordic documents come out."""
        value = self.values["BAUDRATE"]
        return UART_HZ / ((1 << 32) // value) if self._enabled and value >= LEAST_RATE else 0.0

    @property
    def _enabled(self) -> bool:
        return self.values["ENABLE"] == WITHOUT_DMA

    def _unwired(self, signal: Signal) -> str | None:
        uart, name = self._host.board.uart, f"PSEL{signal.upper()}D"
        pin = uart.tx if signal == "tx" else uart.rx
        if pin is None:
            return f"board.toml names no pin for UART0_{signal.upper()}D (uart.{signal})"
        if self._host.board.clock.source == "HFXO" and not self._clock.on_crystal:
            return "the clock is not the crystal's (CLOCK_TASKS_HFCLKSTART): the rate is off by up to 8 %"
        port, number = pin_place(pin.pin)
        if self.values[name] & ~0x3F or self.values[name] != port << 5 | number:
            return f"{name} is {self.values[name]:#x}, {pin.pin} is {port << 5 | number:#x}"
        if signal == "tx" and not self._ports[port].output(number):
            return f"{pin.pin} is no output (PIN_CNF bit 0)"
        if signal == "rx" and not self._ports[port].listens(number):
            return f"{pin.pin} has its input buffer off (PIN_CNF bit 1)"
        return None

    def on_read(self, name: str, value: int) -> int:
        if name == "EVENTS_RXDRDY":
            if value or (self.received and self._enabled and self._receiving):
                self.values[name] = 1
                return 1
            self.look()
        if name == "RXD":
            return self.received.pop(0) if self.received and self._enabled and self._receiving else 0
        return value

    def on_write(self, name: str, value: int) -> int:
        if name.startswith("TASKS_"):
            self._task(name.removeprefix("TASKS_"), value)
            return 0
        if name == "TXD":
            self.send(value, self._enabled and self._transmitting and self.baud > 0)
            self.values["EVENTS_TXDRDY"] = 1
        if name == "INTENSET" and value:
            raise BadAccess("UART0 interrupt enabled; the emulator takes no interrupts; the firmware must poll")
        if name == "ENABLE" and value not in (0, WITHOUT_DMA):
            raise BadAccess(f"UART0 ENABLE = {value}: the emulator models the UART without DMA ({WITHOUT_DMA})")
        if name in ("ENABLE", "BAUDRATE"):
            self.before_rate_change()
        if name == "ENABLE" and not value:
            self._receiving = self._transmitting = False
        if name == "ERRORSRC":
            return self.values[name] & ~value
        return value

    def _task(self, task: str, value: int) -> None:
        if not value & 1:
            return
        if not self._enabled:
            raise BadAccess(f"UART0 TASKS_{task} while ENABLE is {self.values['ENABLE']}")
        if task in ("STARTRX", "STOPRX"):
            self._receiving = task == "STARTRX"
        elif task in ("STARTTX", "STOPTX"):
            self._transmitting = task == "STARTTX"
