"""An emulated board as a transport: what is written goes into its UART, what it sends is read."""

from importlib.metadata import version
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.device.emulator.flash_reads import FlashTiming
from tinyloc.device.emulator.machine import Machine
from tinyloc.device.emulator.profile import RunCost

RATE_TOLERANCE = 0.03
"""Sender and receiver of 8N1 may differ by about 4.5 %; both ends have errors, so half of it and some margin."""


class EmulatedDevice:
    """A powered-on board running an ELF file. The firmware runs while `read` waits.

    `timing` counts what reads of the flash wait, beside the cycles. `measure` models cycles and instructions (slower);
    it may be switched at any time. Raises ImageError, BoardError, and EmulatorCrash from `read`.
    """

    def __init__(
        self,
        elf: Path,
        board: Board,
        measure: bool = False,
        *,
        check_alignment: bool = True,
        baud: int | None = None,
        timing: FlashTiming | None = None,
        power_on_seed: int = 1,
    ) -> None:
        self.machine = Machine(
            elf, board, measure=measure, check_alignment=check_alignment, timing=timing, power_on_seed=power_on_seed
        )
        self.timing = timing
        self._baud = baud or board.uart.baud
        self._heard = bytearray()
        self.machine.part.uart.before_rate_change = self._hear

    @property
    def name(self) -> str:
        return f"emulator (unicorn {version('unicorn')})"

    @property
    def measure(self) -> bool:
        """Whether cycles are modelled now."""
        return self.machine.measure

    @measure.setter
    def measure(self, wanted: bool) -> None:
        self.machine.measure = wanted

    def measure_next(self, cycles: bool, waits: bool = True) -> None:
        """Model cycles of what runs from now on, and with them what the flash waits where the device has a timing."""
        if self.measure and self.machine.waits != waits:
            self.measure = False
        self.machine.waits = waits
        self.measure = cycles

    @property
    def runs(self) -> list[RunCost]:
        """Cost of every sample that was measured so far, in order."""
        return self.machine.profiler.runs

    def _rates_match(self) -> bool:
        device = self.machine.part.uart.baud
        return device > 0 and abs(self._baud / device - 1) < RATE_TOLERANCE

    def _hear(self) -> None:
        """Take what the firmware sent so far, at the rate it has now."""
        sent = self.machine.part.uart.sent
        if sent:
            self._heard += sent if self._rates_match() else _garbled(sent)
            sent.clear()

    def write(self, data: bytes) -> None:
        if not self.machine.part.uart.baud:
            self.machine.run()  # power-on: the firmware has not set up its UART yet
        self.machine.part.uart.received += data if self._rates_match() else _garbled(data)

    def read(self, timeout: float) -> bytes:
        """Bytes that the firmware sends before it idles. b"" stands for the timeout; no time of the host passes."""
        self.machine.run()
        self.machine.check_sleep()
        self._hear()
        if not self._heard and timeout > 0:
            self.machine.pass_time(min(timeout, 0.002))
            self._hear()
        heard = bytes(self._heard)
        self._heard.clear()
        return heard

    def wait(self, seconds: float) -> None:
        """Let time pass in the emulated device; none passes here."""
        self.machine.pass_time(seconds)

    @property
    def baud(self) -> int:
        return self._baud

    def set_baud(self, baud: int) -> None:
        self._baud = baud

    def close(self) -> None:
        pass


def _garbled(data: bytes | bytearray) -> bytes:
    """Bytes read at the wrong rate: not what was sent, and never a frame delimiter by luck alone."""
    return bytes((byte * 167 + 85) & 0xFF | 1 for byte in data)
