"""What carries bytes to a device and back."""

from typing import Protocol

from tinyloc.errors import UserError


class LinkError(UserError):
    """The link to a device failed; the message says which end and what to do."""


class Transport(Protocol):
    """A byte stream in both directions: a serial port or the emulated UART."""

    @property
    def name(self) -> str:
        """For messages and the report, e.g. "serial /dev/ttyACM0"."""
        ...

    def write(self, data: bytes) -> None:
        """Send all bytes.

        Raises:
            LinkError: the port is gone.
        """
        ...

    def read(self, timeout: float) -> bytes:
        """Return what has come in.

        Args:
            timeout: seconds to wait for the first byte.

        Returns:
            b"" when nothing came.

        Raises:
            LinkError: the port is gone.
        """
        ...

    @property
    def baud(self) -> int:
        """Rate of this end in bits a second."""
        ...

    def set_baud(self, baud: int) -> None:
        """Change the rate of this end to `baud` bit/s."""
        ...

    def wait(self, seconds: float) -> None:
        """Let `seconds` pass, for this end and the device."""
        ...

    def close(self) -> None:
        """Release the port."""
        ...
