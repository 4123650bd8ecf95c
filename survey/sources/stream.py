"""A byte stream of a scanner as readings: lines `time,id,dBm`, or frames of the link (docs/reference/scanner.md)."""

import struct
from collections.abc import Callable

from tinyloc.device.link.frames import Frame, FrameError, Receiver, VersionError
from tinyloc.survey.readings import STRONGEST_DBM, WEAKEST_DBM, LineError, Reading, parse_line

HEARD = 0x50
"""Type of a frame that a scanner sends unasked: time u32 in ms, count u8, then count times: address 6 bytes, dBm i8."""
_HEAD = struct.Struct("<IB")
_ENTRY = 7
WRAP_S = 2**32 / 1000.0
LONGEST_PENDING = 4096
"""Bytes without an end of line: no lines, or another baud rate."""


def heard_frame(seq: int, time_ms: int, heard: list[tuple[bytes, int]]) -> Frame:
    """The frame of some readings: addresses of 6 bytes, most significant first, and dBm."""
    body = _HEAD.pack(time_ms & 0xFFFF_FFFF, len(heard))
    return Frame(HEARD, seq, body + b"".join(address + struct.pack("<b", dbm) for address, dbm in heard))


def parse_heard(body: bytes, source: str = "", wraps: int = 0) -> list[Reading]:
    """Readings of a frame's body. Raises FrameError when it cannot be one."""
    if len(body) < _HEAD.size:
        raise FrameError(f"a HEARD of {len(body)} bytes is too short")
    time_ms, count = _HEAD.unpack_from(body)
    if len(body) != _HEAD.size + count * _ENTRY:
        raise FrameError(f"a HEARD of {len(body)} bytes does not hold {count} readings")
    time_s = time_ms / 1000.0 + wraps * WRAP_S
    found = []
    for place in range(_HEAD.size, len(body), _ENTRY):
        (dbm,) = struct.unpack_from("<b", body, place + 6)
        if not WEAKEST_DBM <= dbm <= STRONGEST_DBM:
            raise FrameError(f"a HEARD with a reading of {dbm} dBm")
        found.append(Reading(time_s, body[place : place + 6].hex(":"), dbm, source))
    return found


class StreamDecoder:
    """Finds lines and frames in bytes; once a good frame came, only frames count.

    `garbage` is called with what is neither.
    """

    def __init__(self, source: str, garbage: Callable[[str], None]) -> None:
        self._source, self._garbage = source, garbage
        self._receiver = Receiver(longest=LONGEST_PENDING)
        self._framed = False
        self._pending = b""
        self._first = True
        self._wraps, self._last_ms = 0, 0.0

    def feed(self, data: bytes) -> list[Reading]:
        """All readings that these bytes complete."""
        found = self._frames(data)
        return found if self._framed else [*found, *self._lines(data)]

    def _frames(self, data: bytes) -> list[Reading]:
        spoilt, framed = self._receiver.spoilt, self._framed
        try:
            frames = self._receiver.feed(data)
        except VersionError as error:
            self._garbage(str(error))
            return []
        found: list[Reading] = []
        for frame in frames:
            self._framed = True
            if frame.type != HEARD:
                continue
            try:
                readings = parse_heard(frame.body, self._source, self._wraps)
            except FrameError as error:
                self._garbage(str(error))
                continue
            found += self._unwrapped(readings)
        if framed and self._receiver.spoilt > spoilt:
            self._garbage("a damaged frame")
        return found

    def _unwrapped(self, readings: list[Reading]) -> list[Reading]:
        """Count on when the scanner's 32 bits of milliseconds begin anew."""
        if not readings or readings[0].time_s is None:
            return readings
        if readings[0].time_s < self._last_ms - WRAP_S / 2:
            self._wraps += 1
            readings = [Reading((r.time_s or 0.0) + WRAP_S, r.id, r.dbm, r.source) for r in readings]
        self._last_ms = readings[0].time_s or 0.0
        return readings

    def _lines(self, data: bytes) -> list[Reading]:
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > LONGEST_PENDING:
            self._garbage(f"{len(self._pending)} bytes without an end of line; is the baud rate right?")
            self._pending = b""
        found = []
        for line in lines:
            first, self._first = self._first, False
            try:
                reading = parse_line(line.decode("utf-8"), self._source)
            except (LineError, UnicodeDecodeError) as error:
                if not first:  # the first line may be the end of one
                    self._garbage("bytes that are no text" if isinstance(error, UnicodeDecodeError) else str(error))
                continue
            if reading is not None:
                found.append(reading)
        return found
