"""USARTs of the STM32L4. Offsets and bits: ST's headers v1.7.4."""

from collections.abc import Callable

from tinyloc.boards import BoardError
from tinyloc.device.emulator.peripherals import BadAccess, Host, Signal, Uart, named
from tinyloc.device.emulator.stm32l4.clocks import HSI_HZ, Rcc

SWITCHES = {
    "USART1": ("APB2ENR", 14, 0), "USART2": ("APB1ENR1", 17, 2), "USART3": ("APB1ENR1", 18, 4),
    "UART4": ("APB1ENR1", 19, 6), "UART5": ("APB1ENR1", 20, 8),
}  # fmt: skip
"""Register and bit that switch the clock on, and the lowest bit of the clock's choice in RCC_CCIPR."""


class Usart(Uart):
    """USART of the STM32L4."""

    def __init__(self, host: Host, rcc: Rcc, unwired: Callable[[Signal], str | None]) -> None:
        instance = host.board.uart.instance
        if instance not in SWITCHES:
            raise BoardError(f"{instance}: the emulator models {', '.join(SWITCHES)} of a {host.facts.name}")
        self._rcc, (register, bit, self._select) = rcc, SWITCHES[instance]
        self._bus = 2 if register == "APB2ENR" else 1
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
        super().__init__(host, table, unwired, rcc.gate(register, bit))

    @property
    def baud(self) -> float:
        """Bits a second that the divider gives, 0 when it is not set."""
        divider = self.values["BRR"]
        if self.values["CR1"] >> 15 & 1:  # OVER8
            return 2 * self._clock_hz() / max((divider & 0xFFF0) | (divider & 7) << 1, 1)
        return self._clock_hz() / divider if divider else 0.0

    def _clock_hz(self) -> int:
        source = self._rcc.values["CCIPR"] >> self._select & 3
        return (self._rcc.apb_hz(self._bus), self._rcc.system_hz(), HSI_HZ, 32_768)[source]

    def on_read(self, name: str, value: int) -> int:
        cr1 = self.values["CR1"]
        if name == "ISR":
            status = 0xC0 | (cr1 & 1 and (cr1 >> 3 & 1) << 21 | (cr1 >> 2 & 1) << 22)
            if self.received and cr1 & 5 == 5:
                return status | 0x20
            self.look()
            return status
        if name == "RDR":
            return self.received.pop(0) if self.received and cr1 & 5 == 5 else 0
        return value

    def on_write(self, name: str, value: int) -> int:
        if name == "TDR":
            self.send(value & 0xFF, self.values["CR1"] & 9 == 9 and self.baud > 0)
        if name == "RQR":
            if value & 8:  # RXFRQ: drop what was received
                self.received.clear()
            return 0
        if name == "BRR":
            if 0 < value < 16:
                raise BadAccess(f"{self.name} BRR = {value}: the divider must be at least 16")
            self.before_rate_change()
        return 0 if name in ("ICR", "TDR") else value
