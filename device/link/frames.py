"""Frames and messages between host and device, byte for byte as docs/reference/link.md (link 2) has them.

On the wire: COBS(payload) 0x00. payload = version u8, type u8, seq u16, body, CRC-16/CCITT-FALSE u16, little-endian.
"""

import binascii
import re
import struct
from dataclasses import dataclass, field
from enum import IntEnum

import numpy as np
import numpy.typing as npt
from cobs import cobs

from tinyloc.codegen.backend_names import BACKENDS
from tinyloc.device.link.transport import LinkError

VERSION = 2
TAGGED = 0x80 | VERSION
"""Version of a frame that ends in a tag."""
TAG_BYTES = 8
COUNTER_BYTES = 4
OVERHEAD_BYTES = 6
"""Bytes of a payload that are not body: version, type, seq, CRC."""
_HEAD = struct.Struct("<BBH")
_HELLO = struct.Struct("<QIHHHHBHBIIIH16s")
_RESULT = struct.Struct("<hBHiIHH")
_POSITION = struct.Struct("<ii")


class Message(IntEnum):
    """Type of a frame. Replies carry the request's seq."""

    HELLO = 0x01
    HELLO_REPLY = 0x81
    RESET = 0x02
    RESET_REPLY = 0x82
    BAUD = 0x03
    BAUD_REPLY = 0x83
    LAYERS = 0x04
    LAYERS_REPLY = 0x84
    WALK = 0x20
    WALK_REPLY = 0xA0
    IMU = 0x21
    IMU_REPLY = 0xA1
    RANGES = 0x22
    FIX = 0xA2
    SAMPLE_SPARSE = 0x10
    SAMPLE_DENSE = 0x11
    RESULT = 0x90
    UPDATE_STATUS = 0x30
    UPDATE_STATUS_REPLY = 0xB0
    UPDATE_BEGIN = 0x31
    UPDATE_BEGIN_REPLY = 0xB1
    UPDATE_DATA = 0x32
    UPDATE_DATA_REPLY = 0xB2
    UPDATE_COMMIT = 0x33
    UPDATE_COMMIT_REPLY = 0xB3
    CHALLENGE = 0x38
    CHALLENGE_REPLY = 0xB8
    ROLLBACK = 0x3A
    ROLLBACK_REPLY = 0xBA
    SESSION = 0x3B
    SESSION_REPLY = 0xBB
    ERROR = 0xFF


class ErrorCode(IntEnum):
    """Why the device refused a frame."""

    UNREADABLE = 1
    CRC = 2
    VERSION = 3
    TYPE = 4
    LENGTH = 5
    ORDER = 6
    INDEX = 7
    NOT_ASCENDING = 8
    VALUE = 9
    TOO_LONG = 10
    BAUD = 11
    FAULT = 12
    WATCHDOG = 13
    CHANGED = 14
    UPDATE = 15
    NO_MODEL = 16
    TAG = 17


TRANSIENT = frozenset({ErrorCode.UNREADABLE, ErrorCode.CRC, ErrorCode.TOO_LONG})
"""Errors of a frame that was spoilt on its way: the same frame again may pass."""

_TEXTS = {
    ErrorCode.UNREADABLE: "the frame was not valid COBS, or too short",
    ErrorCode.CRC: "the frame's checksum was wrong",
    ErrorCode.VERSION: "the device does not know protocol version {detail}; flash the firmware of this tinyloc",
    ErrorCode.TYPE: "the device does not know frame type {detail:#x}; flash the firmware of this tinyloc",
    ErrorCode.LENGTH: "the frame's length did not fit its type ({detail})",
    ErrorCode.ORDER: "the sample was out of order: the device expected seq {detail}",
    ErrorCode.INDEX: "access point {detail} is beyond the model's inputs",
    ErrorCode.NOT_ASCENDING: "the readings were not in ascending order of access points (at {detail})",
    ErrorCode.VALUE: "a value that cannot be: 127 dBm of access point {detail}, or of WALK k (1) or heading (2)",
    ErrorCode.TOO_LONG: "the frame was too long for the device",
    ErrorCode.BAUD: "the device cannot run its UART at {detail} baud",
    ErrorCode.FAULT: "the firmware faulted (CFSR {detail:#x})",
    ErrorCode.WATCHDOG: "the watchdog reset the device",
    ErrorCode.CHANGED: "another request was sent under the last one's number; the device expects seq {detail}",
    ErrorCode.UPDATE: "the device refused a step of an update (reason {detail})",
    ErrorCode.NO_MODEL: "no model in the device's flash is whole; send one with `tinyloc update`",
    ErrorCode.TAG: "its frames need tags (reason {detail}); give the key of its image with --link-key",
}


class FrameError(LinkError):
    """Received bytes that are no frame: no COBS, too short, or a wrong checksum."""


class VersionError(FrameError):
    """A whole frame of another protocol version: no noise, and sending again does not help."""


@dataclass(frozen=True)
class Frame:
    """One message: `type` is a Message, or another number when the other end knows more types."""

    type: int
    seq: int
    body: bytes = b""
    tag: bytes = b""
    """The last bytes before the CRC, of a frame that has one."""

    def encode(self) -> bytes:
        """Bytes for the wire, delimiter included."""
        payload = self.covered() + self.tag
        return bytes(cobs.encode(payload + struct.pack("<H", binascii.crc_hqx(payload, 0xFFFF)))) + b"\0"

    def covered(self, tagged: bool | None = None) -> bytes:
        """Head and body, which a tag is of. `tagged`: as in a frame that has one; None: as this frame is."""
        version = TAGGED if (bool(self.tag) if tagged is None else tagged) else VERSION
        return _HEAD.pack(version, self.type, self.seq) + self.body


def decode(encoded: bytes) -> Frame:
    """A frame from the bytes between two delimiters. Raises FrameError, VersionError."""
    try:
        payload = cobs.decode(encoded)
    except cobs.DecodeError as error:
        raise FrameError(f"{len(encoded)} bytes that are not COBS: {error}") from error
    if len(payload) < OVERHEAD_BYTES:
        raise FrameError(f"a frame of {len(payload)} bytes; the shortest has {OVERHEAD_BYTES}")
    (checksum,) = struct.unpack("<H", payload[-2:])
    if checksum != binascii.crc_hqx(payload[:-2], 0xFFFF):
        raise FrameError(f"a frame of {len(payload)} bytes with a wrong checksum")
    version, kind, seq = _HEAD.unpack_from(payload)
    if version == TAGGED and len(payload) >= OVERHEAD_BYTES + TAG_BYTES:
        return Frame(kind, seq, payload[4 : -2 - TAG_BYTES], payload[-2 - TAG_BYTES : -2])
    if version != VERSION:
        raise VersionError(
            f"this image speaks link {version}, this tinyloc speaks link {VERSION}: build it again with this tinyloc"
            + (" and flash it" if version < VERSION else ", or use the tinyloc that built it")
        )
    return Frame(kind, seq, payload[4:-2])


@dataclass
class Receiver:
    """Cuts a byte stream into frames. Spoilt frames are counted and dropped; the next good one is found."""

    spoilt: int = 0
    longest: int = 1 << 17
    _pending: bytearray = field(default_factory=bytearray)

    def feed(self, data: bytes) -> list[Frame]:
        """All frames that these bytes complete. Raises VersionError."""
        self._pending += data
        *complete, rest = self._pending.split(b"\0")
        self._pending = rest if len(rest) <= self.longest else bytearray()
        frames = []
        for encoded in complete:
            if not encoded:
                continue
            try:
                frames.append(decode(bytes(encoded)))
            except VersionError:
                raise
            except FrameError:
                self.spoilt += 1
        return frames

    def clear(self) -> None:
        """Forget a half-received frame."""
        self._pending.clear()


@dataclass(frozen=True)
class Hello:
    """What a device says of itself."""

    model_id: str  # 16 hexadecimal digits
    clock_hz: int
    inputs: int
    classes: int
    window: int
    hop: int
    score_bytes: int
    crf: bool
    sparse: bool
    counts_cycles: bool
    checks_layers: bool
    backend: str
    fusion: bool  # takes walks, not scans
    asks_tags: bool
    reset_cause: int
    arena_bytes: int
    state_bytes: int
    stack_bytes: int
    max_payload: int
    board: str


LIMITS = {
    "clock_hz": (100_000, 1_000_000_000),
    "inputs": (1, 65535),
    "classes": (0, 32767),
    "window": (1, 65535),
    "hop": (1, 65535),
    "score_bytes": (1, 2),
    "reset_cause": (0, 5),
    "arena_bytes": (0, 1 << 24),
    "state_bytes": (0, 1 << 24),
    "stack_bytes": (64, 1 << 24),
    "max_payload": (OVERHEAD_BYTES + 4, 65535),
}
"""What a device may say of itself, whichever board it is."""
_BOARD_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,15}")


def parse_hello(body: bytes) -> Hello:
    """Body of a HELLO reply; bytes beyond the table are of later devices. Raises FrameError with all that cannot be."""
    if len(body) < _HELLO.size:
        raise FrameError(f"a HELLO reply of {len(body)} bytes, expected {_HELLO.size}; flash this tinyloc's firmware")
    (
        model, clock_hz, inputs, classes, window, hop, score_bytes, flags, reset_cause,
        arena_bytes, state_bytes, stack_bytes, max_payload, name,
    ) = _HELLO.unpack_from(body)  # fmt: skip
    board = name.rstrip(b"\0").decode("ascii", "backslashreplace")
    hello = Hello(
        model_id=f"{model:016x}", clock_hz=clock_hz, inputs=inputs, classes=classes, window=window, hop=hop,
        score_bytes=score_bytes, crf=bool(flags & 1), sparse=bool(flags & 2), counts_cycles=bool(flags & 4),
        checks_layers=bool(flags & 8), backend=BACKENDS[min(flags >> 4 & 3, len(BACKENDS) - 1)],
        fusion=bool(flags & 64), asks_tags=bool(flags & 256), reset_cause=reset_cause, arena_bytes=arena_bytes,
        state_bytes=state_bytes,
        stack_bytes=stack_bytes, max_payload=max_payload, board=board,
    )  # fmt: skip
    problems = [
        f"{field} {getattr(hello, field):,} (possible are {low:,} to {high:,})"
        for field, (low, high) in LIMITS.items()
        if not low <= getattr(hello, field) <= high
    ]
    if flags >> 4 & 3 >= len(BACKENDS):
        problems.append(f"back end number {flags >> 4 & 3}")
    if hello.fusion != (classes == 0) or classes == 1:
        problems.append(f"{classes} classes {'with' if hello.fusion else 'without'} fusion")
    if not _BOARD_NAME.fullmatch(board):
        problems.append(f"a board called {board!r}")
    if problems:
        raise FrameError(
            f"impossible HELLO: {', '.join(problems)}. Check that the port belongs to a board with tinyloc; flash this "
            "tinyloc's firmware"
        )
    return hello


@dataclass(frozen=True)
class Result:
    """The device's answer to one sample."""

    class_index: int  # -1: no decision due
    cycles: int  # of tl_localiser_sample, by the device's own counter
    stack_high_water: int  # bytes
    scores: npt.NDArray[np.int16]  # (C,), int8 scores widened
    position_mm: tuple[int, int] | None = None  # x and y, of a model that decides positions
    margin: int = 0  # what the decision has more than the next best, see docs/reference/link.md; 0: none due
    heard: int = 0  # access points that counted
    unknown: bool = False  # too little was heard, or the margin is too small: the class means nothing


_UNKNOWN, _POSITIONED = 1, 2


def parse_result(body: bytes, device: Hello) -> Result:
    """Body of a RESULT of this device. Raises FrameError when it cannot be one."""
    if len(body) < _RESULT.size:
        raise FrameError(f"a RESULT of {len(body)} bytes is too short")
    class_index, flags, heard, margin, cycles, stack, count = _RESULT.unpack_from(body)
    end = _RESULT.size + count * device.score_bytes
    if len(body) != end + (_POSITION.size if flags & _POSITIONED else 0):
        raise FrameError(f"a RESULT of {len(body)} bytes does not hold {count} scores of {device.score_bytes} bytes")
    unknown = bool(flags & _UNKNOWN)
    possible = (
        count == device.classes
        and flags < 4
        and -1 <= class_index < device.classes
        and heard <= device.inputs
        and margin >= 0
        and (class_index >= 0 or (margin == 0 and not unknown))
        and stack <= device.stack_bytes
    )
    if not possible:
        raise FrameError(
            f"a RESULT that no firmware of ours sends: class {class_index} of {count}, flags {flags:#x}, "
            f"{heard} heard, margin {margin}, stack {stack}"
        )
    scores = np.frombuffer(body, f"<i{device.score_bytes}", count, _RESULT.size).astype(np.int16)
    position_mm = _POSITION.unpack_from(body, end) if flags & _POSITIONED else None
    return Result(class_index, cycles, stack, scores, position_mm, margin, heard, unknown)


@dataclass(frozen=True)
class LayerChecks:
    """A part of the checksums of the last sample's layers."""

    count: int  # in all
    first: int  # position of checksums[0]
    checksums: tuple[int, ...]


def parse_layers(body: bytes) -> LayerChecks:
    """Body of a LAYERS reply. Raises FrameError."""
    if len(body) < 4 or len(body) % 4:
        raise FrameError(f"a LAYERS reply of {len(body)} bytes does not hold whole checksums")
    count, first = struct.unpack_from("<HH", body)
    return LayerChecks(count, first, struct.unpack_from(f"<{len(body) // 4 - 1}I", body, 4))


@dataclass(frozen=True)
class DeviceError:
    """An ERROR frame. `pc` and `lr` come with a fault."""

    code: int
    detail: int
    pc: int | None = None
    lr: int | None = None

    @property
    def transient(self) -> bool:
        """Whether sending the same frame again may help."""
        return self.code in TRANSIENT

    def text(self) -> str:
        """What the device reported, as a clause."""
        try:
            text = _TEXTS[ErrorCode(self.code)].format(detail=self.detail)
        except ValueError:
            text = f"error {self.code}, detail {self.detail}"
        return text if self.pc is None else f"{text} at pc {self.pc:#010x}, lr {self.lr:#010x}"


def parse_error(body: bytes) -> DeviceError:
    """Body of an ERROR. Raises FrameError."""
    if len(body) == 5:
        return DeviceError(*struct.unpack("<BI", body))
    if len(body) == 13:
        return DeviceError(*struct.unpack("<BIII", body))
    raise FrameError(f"an ERROR of {len(body)} bytes, expected 5 or 13")


def sparse_body(indices: npt.NDArray[np.uint16], dbm: npt.NDArray[np.int8]) -> bytes:
    """Body of a SAMPLE that names the heard access points, ascending: count, then (index u16, dBm i8) each."""
    readings = np.empty(len(indices), np.dtype([("index", "<u2"), ("dbm", "i1")]))
    readings["index"], readings["dbm"] = indices, dbm
    return struct.pack("<H", len(indices)) + readings.tobytes()


def dense_body(dbm: npt.NDArray[np.int8]) -> bytes:
    """Body of a SAMPLE of all access points, 127 where not heard."""
    return dbm.astype(np.int8).tobytes()
