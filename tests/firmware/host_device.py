"""The firmware's link, localiser and application compiled by the host's cc and driven through ctypes."""

import binascii
import ctypes
import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cobs import cobs

from tinyloc.boards import load_board
from tinyloc.device.image.build import board_header
from tinyloc.paths import FIRMWARE_DIR

HERE = Path(__file__).parent
WARNINGS = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
HELLO, RESET, BAUD, SPARSE, DENSE, RESULT, ERROR = 0x01, 0x02, 0x03, 0x10, 0x11, 0x90, 0xFF


def compile_host(generated: Path, out: Path) -> Path:
    """Compile the device for the host into a shared library."""
    (generated / "board.h").write_text(board_header(load_board("stm32l4")))
    areas = [*FIRMWARE_DIR.glob("link/*.c"), *FIRMWARE_DIR.glob("localise/*.c"), FIRMWARE_DIR / "app/app.c"]
    sources = [*areas, HERE / "host_port.c", *generated.glob("*.c")]
    command = ["cc", *WARNINGS, "-O0", "-g", "-fsanitize=undefined", "-fno-sanitize-recover=all"]
    command += ["-shared", "-fPIC", "-Wl,-Bsymbolic"]
    command += [f"-I{generated}", f"-I{FIRMWARE_DIR}", *map(str, sorted(sources)), "-o", str(out)]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return out


def payload(kind: int, seq: int, body: bytes = b"", version: int = 2) -> bytes:
    data = struct.pack("<BBH", version, kind, seq) + body
    return data + struct.pack("<H", binascii.crc_hqx(data, 0xFFFF))


def wire(data: bytes) -> bytes:
    return bytes(cobs.encode(data)) + b"\0"


def frame(kind: int, seq: int, body: bytes = b"", version: int = 2) -> bytes:
    return wire(payload(kind, seq, body, version))


def sparse_body(readings: Sequence[tuple[int, int]]) -> bytes:
    return struct.pack("<H", len(readings)) + b"".join(struct.pack("<Hb", i, dbm) for i, dbm in readings)


@dataclass(frozen=True)
class Reply:
    kind: int
    seq: int
    body: bytes

    @property
    def error(self) -> tuple[int, int]:
        """(code, detail) of an ERROR frame."""
        assert self.kind == ERROR, self
        code, detail = struct.unpack("<BI", self.body)
        return code, detail


@dataclass(frozen=True)
class Result:
    class_index: int
    flags: int
    heard: int
    margin: int
    cycles: int
    stack: int
    scores: list[int]


class HostDevice:
    """A fresh device. Every instance needs its own library file: the state of the firmware is global."""

    def __init__(self, library: Path) -> None:
        self.lib = ctypes.CDLL(str(library))
        self.lib.tl_app_init()

    def knob(self, name: str) -> ctypes.c_uint32:
        return ctypes.c_uint32.in_dll(self.lib, f"host_{name}")

    def exchange(self, data: bytes) -> list[Reply]:
        """Put bytes on the wire, let the device take them all, and read its well-formed replies."""
        self.lib.host_send(data, len(data))
        while self.lib.host_waiting():
            self.lib.tl_app_poll()
        return self.replies()

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.lib.tl_app_poll()

    def replies(self) -> list[Reply]:
        buffer = ctypes.create_string_buffer(65536)
        count = self.lib.host_receive(buffer, 65536)
        raw = buffer.raw[:count]
        assert raw == b"" or raw.endswith(b"\0"), "the device left a frame unfinished"
        out = []
        for part in filter(None, raw.split(b"\0")):
            data = cobs.decode(part)
            assert binascii.crc_hqx(data[:-2], 0xFFFF) == struct.unpack("<H", data[-2:])[0]
            version, kind, seq = struct.unpack("<BBH", data[:4])
            assert version == 2
            out.append(Reply(kind, seq, data[4:-2]))
        return out

    def ask(self, kind: int, seq: int, body: bytes = b"", version: int = 2) -> Reply:
        (reply,) = self.exchange(frame(kind, seq, body, version))
        return reply

    def result(self, reply: Reply, bits: int) -> Result:
        assert reply.kind == RESULT, reply
        *head, count = struct.unpack_from("<hBHiIHH", reply.body)
        scores = struct.unpack_from(f"<{count}{'b' if bits == 8 else 'h'}", reply.body, 17)
        assert len(reply.body) == 17 + count * bits // 8
        return Result(*head, list(scores))
