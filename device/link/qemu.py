"""A virtual board in QEMU, an independent machine: the same image, over a pseudo-terminal that QEMU opens.

Debian's qemu-system-arm has boards with the peripherals of Arm's Cortex-M System Design Kit, at the addresses of our
virtual boards: mps2-an385 (Cortex-M3) and mps2-an386 (Cortex-M4).
"""

import os
import re
import selectors
import shutil
import subprocess
import time
from pathlib import Path

from tinyloc.boards import Board
from tinyloc.device.link.serial_port import SerialPort
from tinyloc.device.link.transport import LinkError

PROGRAM = "qemu-system-arm"
MACHINES = {"cortex-m3": "mps2-an385", "cortex-m4f": "mps2-an386"}
START_S = 20.0
_PTY = re.compile(rb"char device redirected to (\S+)")


class QemuDevice(SerialPort):
    """An image that runs in QEMU until `close`; QEMU starts it anew each time.

    Raises:
        LinkError: The board is no virtual one, or QEMU is missing or does not start.
    """

    def __init__(self, elf: Path, board: Board) -> None:
        self._process = _start(qemu_command(elf, board))
        try:
            super().__init__(_pty(self._process), board.uart.baud)
        except LinkError:
            self._process.kill()
            self._process.wait()
            raise

    @property
    def name(self) -> str:
        return f"QEMU {self.port}"

    def close(self) -> None:
        super().close()
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def qemu_command(elf: Path, board: Board) -> list[str]:
    """The command that runs an image. Raises LinkError when QEMU has no such board or is not installed."""
    if not board.virtual:
        virtual = "cortex-m4 or cortex-m3"
        raise LinkError(f"{board.title}: QEMU has no such board here; run it with `tinyloc emulate`, or take {virtual}")
    program = shutil.which(PROGRAM)
    if program is None:
        raise LinkError(f"no {PROGRAM} on the PATH; install it (`apt install qemu-system-arm`)")
    options = ["-display", "none", "-monitor", "none", "-nodefaults", "-serial", "pty"]
    return [program, "-M", MACHINES[board.core], *options, "-kernel", str(elf.resolve())]


def _start(command: list[str]) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def _pty(process: "subprocess.Popen[bytes]") -> str:
    """The pseudo-terminal that QEMU names when it has opened it."""
    assert process.stdout is not None
    told, deadline = b"", time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        while (found := _PTY.search(told)) is None:
            if not selector.select(max(0.0, deadline - time.monotonic())):
                raise LinkError(f"{PROGRAM} opened no pseudo-terminal within {START_S:g} s: {_text(told)}")
            piece = os.read(process.stdout.fileno(), 4096)
            if not piece:
                raise LinkError(f"{PROGRAM} did not start: {_text(told)}")
            told += piece
    return found[1].decode()


def _text(told: bytes) -> str:
    return told.decode(errors="replace").strip() or "it said nothing"
