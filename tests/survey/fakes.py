"""Clocks, sinks and ports for tests of the survey."""

import threading
from typing import Any

from tinyloc.device.link.serial_port import NoSuchPort, PortGone
from tinyloc.device.link.transport import LinkError


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Collected:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.readings: list[Any] = []
        self.places: list[Any] = []
        self.spoilt: list[str] = []
        self.states: list[tuple[str, str]] = []

    def take(self, reading) -> None:
        self.readings.append(reading)

    def place(self, source, place) -> None:
        self.places.append(place)

    def garbage(self, source, why) -> None:
        self.spoilt.append(why)

    def state(self, source, state, text="") -> None:
        self.states.append((state, text))


class Ports:
    """`open_port` of a serial source: each item is the bytes of one connection, or None for a port that is missing."""

    def __init__(self, connections: list[bytes | None], stop: threading.Event) -> None:
        self.connections, self.stop = connections, stop

    def __call__(self, port: str, baud: int) -> "Ports":
        if not self.connections:
            self.stop.set()
            raise LinkError("no such port")
        self.data = self.connections.pop(0)
        if self.data is None:
            raise NoSuchPort(f"{port}: no such port. Name its port with --port")
        return self

    def read(self, timeout: float) -> bytes:
        if not self.data:
            raise PortGone("the port is gone", "/dev/ttyX")
        part, self.data = self.data[:7], self.data[7:]
        return part

    def close(self) -> None:
        pass
