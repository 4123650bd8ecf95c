"""A device behind a serial port, by pyserial."""

import errno
import time
from pathlib import Path

import serial
from serial.tools import list_ports

from tinyloc.boards import Board
from tinyloc.device.link.transport import LinkError


class PortGone(LinkError):
    """The port worked and then disappeared: the board was unplugged."""

    def __init__(self, message: str, port: str) -> None:
        super().__init__(message)
        self.port = port


class NoSuchPort(LinkError):
    """A port of this name is not there."""


class SerialPort:
    """A serial port, 8N1 without flow control. Raises LinkError when it cannot be opened or goes away."""

    def __init__(self, port: str, baud: int) -> None:
        self.port = port
        try:
            self._serial = serial.Serial(port, baud, timeout=0.0, write_timeout=5.0, exclusive=True)
        except (serial.SerialException, OSError, ValueError) as error:
            raise _why_not(port, error) from error

    @property
    def name(self) -> str:
        return f"serial {self.port}"

    def write(self, data: bytes) -> None:
        try:
            self._serial.write(data)
        except serial.SerialTimeoutException as error:
            raise LinkError(f"{self.port}: the board accepts no bytes; reset it, then run again") from error
        except (serial.SerialException, OSError) as error:
            raise self._gone(error) from error

    def read(self, timeout: float) -> bytes:
        try:
            self._serial.timeout = timeout
            first = self._serial.read(1)
            return bytes(first + self._serial.read(self._serial.in_waiting)) if first else b""
        except (serial.SerialException, OSError, TypeError) as error:  # TypeError: pyserial 3.5 after an unplug
            raise self._gone(error) from error

    @property
    def baud(self) -> int:
        return int(self._serial.baudrate)

    def wait(self, seconds: float) -> None:
        time.sleep(seconds)

    def set_baud(self, baud: int) -> None:
        try:
            self._serial.baudrate = baud
        except (serial.SerialException, OSError, ValueError) as error:
            raise LinkError(f"{self.port}: this port cannot run at {baud} baud ({error})") from error

    def close(self) -> None:
        self._serial.close()

    def _gone(self, error: Exception) -> PortGone:
        text = f"{self.port}: the port is gone ({error}); connect the board and run again"
        return PortGone(text, self.port)


def _why_not(port: str, error: Exception) -> LinkError:
    number = getattr(error, "errno", None)
    if not Path(port).exists() or number == errno.ENOENT:
        ports = ", ".join(ports_here()) or "none"
        return NoSuchPort(f"{port}: no such port; ports here: {ports}. Connect the board, or name its port with --port")
    if number in (errno.EACCES, errno.EPERM):
        why = "permission denied; add yourself to the group that owns it (dialout), then log in again"
    elif number in (errno.EBUSY, errno.EAGAIN, errno.EWOULDBLOCK) or "lock" in str(error).lower():
        why = "another program uses this port; close that terminal or debugger and try again"
    else:
        why = f"not usable as a serial port ({error})"
    return LinkError(f"{port}: {why}")


def ports_here() -> list[str]:
    """Names of the serial ports of this computer, sorted."""
    return sorted(str(info.device) for info in list_ports.comports())


def find_port(board: Board) -> str:
    """Find the serial port whose USB id board.toml names.

    Raises:
        LinkError: no such port, or more than one.
    """
    if board.virtual:
        raise LinkError(f"{board.title}: it is a virtual board; run it with `tinyloc emulate` or with --qemu")
    wanted = {tuple(int(part, 16) for part in name.split(":")) for name in board.uart.usb_ids}
    found = sorted(info.device for info in list_ports.comports() if (info.vid, info.pid) in wanted)
    if len(found) == 1:
        return str(found[0])
    if not found:
        raise LinkError(
            f"no {board.title} found (USB id {', '.join(board.uart.usb_ids)}); connect it, name its port with --port, "
            "or run in the emulator"
        )
    raise LinkError(f"more than one {board.title} found: {', '.join(found)}; choose one with --port")
