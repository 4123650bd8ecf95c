"""A serial port that survives its cable: when it goes away it is opened again as soon as it is back."""

import time
from collections.abc import Callable

from tinyloc.device.link.serial_port import PortGone, SerialPort
from tinyloc.device.link.transport import LinkError

PATIENCE_S = 60.0
"""How long a missing port is waited for."""
LOOK_S = 0.25


class PersistentPort:
    """Transport over a port that `open_port` finds, now and after each unplugging.

    What was on the way is lost, as on any bad line: the client asks again. The new port has the board's own rate, since
    a board that lost its power is there again. `tell` is called with what happens. Raises LinkError when the port is
    not back within `patience` seconds, and from the first opening.
    """

    def __init__(
        self,
        open_port: Callable[[], SerialPort],
        *,
        patience: float = PATIENCE_S,
        tell: Callable[[str], None] = lambda text: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._open, self._patience, self._tell, self._clock = open_port, patience, tell, clock
        self._port = open_port()

    @property
    def name(self) -> str:
        return self._port.name

    def write(self, data: bytes) -> None:
        try:
            self._port.write(data)
        except PortGone as gone:
            self._come_back(gone)

    def read(self, timeout: float) -> bytes:
        try:
            return self._port.read(timeout)
        except PortGone as gone:
            self._come_back(gone)
            return b""

    @property
    def baud(self) -> int:
        return self._port.baud

    def set_baud(self, baud: int) -> None:
        self._port.set_baud(baud)

    def wait(self, seconds: float) -> None:
        self._port.wait(seconds)

    def close(self) -> None:
        self._port.close()

    def _come_back(self, gone: PortGone) -> None:
        self._port.close()
        self._tell(f"{gone.port} is gone; connect the board again to continue")
        deadline = self._clock() + self._patience
        while True:
            try:
                self._port = self._open()
            except LinkError as error:
                if self._clock() > deadline:
                    raise LinkError(
                        f"{gone}; the board did not come back within {self._patience:g} s ({error})"
                    ) from error
                time.sleep(LOOK_S)
            else:
                self._tell(f"{self._port.port} is back")
                return
