"""What a source is: something that runs in a thread and hands readings to a sink until it is stopped."""

import threading
from dataclasses import dataclass
from typing import Literal, Protocol

from tinyloc.survey.readings import Reading

State = Literal["starting", "running", "waiting", "ended", "failed"]


@dataclass(frozen=True)
class Place:
    """Where a replayed file says that the person was."""

    time_s: float
    """By the source's clock."""
    room: str | None = None
    x: float | None = None
    y: float | None = None
    floor: int = 0


class Sink(Protocol):
    """Takes what sources hear; callable from any thread."""

    def take(self, reading: Reading) -> None:
        """A reading was heard."""
        ...

    def place(self, source: str, place: Place) -> None:
        """A replayed file says where the person is from now on."""
        ...

    def garbage(self, source: str, why: str) -> None:
        """Something arrived that is no reading."""
        ...

    def state(self, source: str, state: State, text: str = "") -> None:
        """The source's state changed; `text` says what happened and what to do."""
        ...


class Source(Protocol):
    """A scanner, a radio of this computer, or a file."""

    @property
    def name(self) -> str:
        """Short name, in readings and on the page."""
        ...

    @property
    def real_time(self) -> bool:
        """Whether readings arrive when they are made."""
        ...

    def run(self, sink: Sink, stop: threading.Event) -> None:
        """Hand over readings until `stop` is set or there are no more."""
        ...
