"""A scanner at a serial port. A port that vanishes is waited for."""

import threading
from collections.abc import Callable
from typing import Protocol

from tinyloc.device.link.serial_port import NoSuchPort, SerialPort
from tinyloc.device.link.transport import LinkError
from tinyloc.survey.sources.source import Sink
from tinyloc.survey.sources.stream import StreamDecoder

LOOK_S = 0.5
"""Between two attempts to open a port that is gone."""
READ_S = 0.1


class Port(Protocol):
    """What is needed of a serial port."""

    def read(self, timeout: float) -> bytes: ...

    def close(self) -> None: ...


class SerialSource:
    """Readings from `port` at `baud`; `open_port` exists for tests."""

    real_time = True

    def __init__(self, port: str, baud: int, open_port: Callable[[str, int], Port] = SerialPort) -> None:
        self._port, self._baud, self._open = port, baud, open_port

    @property
    def name(self) -> str:
        return self._port.replace(",", "_")

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Read until stopped."""
        told = ""
        while not stop.is_set():
            try:
                port = self._open(self._port, self._baud)
            except LinkError as error:
                why = f"{self._port} is not there; connect the scanner" if isinstance(error, NoSuchPort) else str(error)
                if why != told:
                    told = why
                    sink.state(self.name, "waiting", told)
                stop.wait(LOOK_S)
                continue
            told = ""
            sink.state(self.name, "running", f"{self._baud} baud")
            try:
                self._read(port, sink, stop)
            except LinkError:
                sink.state(self.name, "waiting", f"{self._port} is gone; connect it again, the session goes on")
            finally:
                port.close()

    def _read(self, port: Port, sink: Sink, stop: threading.Event) -> None:
        decoder = StreamDecoder(self.name, lambda why: sink.garbage(self.name, why))
        while not stop.is_set():
            for reading in decoder.feed(port.read(READ_S)):
                sink.take(reading)
