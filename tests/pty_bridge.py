"""An emulated device behind a pseudo-terminal: programs that expect a serial port find one there."""

import os
import select
import termios
import threading
import time
import tty
from types import TracebackType

from tinyloc.device.emulator import EmulatedDevice

_SPEEDS = {
    getattr(termios, name): int(name[1:]) for name in dir(termios) if name.startswith("B") and name[1:].isdigit()
}
POLL_S = 0.02
"""How long the bridge waits for bytes before it lets as much time pass in the device."""


class PtyBridge:
    """Use as a context manager; `port` is the path to open. `error` holds what ended the device early, if anything.

    The rate that the other side sets on the terminal is the rate of the host's end of the emulated line.
    """

    def __init__(self, device: EmulatedDevice) -> None:
        self.device = device
        self.error: BaseException | None = None
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._pump, name=f"bridge to {self.port}", daemon=True)

    def __enter__(self) -> "PtyBridge":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.unplug()

    def unplug(self) -> None:
        """End the device and take the port away."""
        if self._stop.is_set():
            return
        self._stop.set()
        self._thread.join()
        os.close(self._master)
        os.close(self._slave)

    def _rate(self) -> int:
        return _SPEEDS.get(termios.tcgetattr(self._slave)[5], 0)

    def _pump(self) -> None:
        try:
            self._send(self.device.read(0.0))
            last = time.monotonic()
            while not self._stop.is_set():
                ready, _, _ = select.select([self._master], [], [], POLL_S)
                self.device.set_baud(self._rate() or self.device.baud)
                if ready:
                    self.device.write(os.read(self._master, 4096))
                else:
                    self.device.wait(time.monotonic() - last)
                last = time.monotonic()
                self._send(self.device.read(0.0))
        except Exception as error:  # the thread must not die unseen: the owner looks at `error`
            self.error = error

    def _send(self, data: bytes) -> None:
        while data:
            data = data[os.write(self._master, data) :]
