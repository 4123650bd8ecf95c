"""The host's end of the link to an image with fusion: walks, inertial samples, ranges, fixes."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.frames import FrameError, Hello, Message
from tinyloc.device.link.transport import LinkError

IMU_MAX = 8
"""Inertial samples of one frame."""
_FIX = struct.Struct("<BB5fIH")
_IMU_REPLY = struct.Struct("<I")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fix:
    """What the device made of one epoch of ranges."""

    valid: bool  # False until the first fix
    status: int  # of this epoch's trilateration, as training.fusion.trilaterate.Fix
    x_m: float
    y_m: float
    xx_m2: float
    yy_m2: float
    fix_variance_m2: float  # 0 when there was no fix
    cycles: int
    stack_high_water: int  # bytes


def parse_fix(body: bytes) -> Fix:
    """Body of a FIX. Raises FrameError when it cannot be one, a number that is not finite included."""
    if len(body) != _FIX.size:
        raise FrameError(f"a FIX of {len(body)} bytes, expected {_FIX.size}; flash this tinyloc's firmware")
    valid, status, x, y, xx, yy, variance, cycles, stack = _FIX.unpack(body)
    if valid > 1 or status > 3 or not np.isfinite([x, y, xx, yy, variance]).all():
        raise FrameError(f"a FIX that no firmware of ours sends: valid {valid}, status {status}, at {x}, {y}")
    return Fix(bool(valid), status, x, y, xx, yy, variance, cycles, stack)


def _microseconds(time_s: float) -> int:
    """Device time, which wraps after 71 minutes."""
    return round(time_s * 1e6) & 0xFFFF_FFFF


class FusionClient(DeviceClient):
    """Talks to one device with fusion; retries, order and errors as in DeviceClient."""

    def hello(self) -> Hello:
        """Who is there. Raises LinkError when the image has no fusion."""
        hello = super().hello()
        if not hello.fusion:
            raise LinkError(
                f"{self.transport.name}: the image there classifies scans and has no fusion; build one with fusion"
            )
        return hello

    def walk(self, k: float, heading: float) -> None:
        """Begin a walk: Weinberg's constant, and the heading in rad."""
        self._ask(Message.WALK, struct.pack("<ff", k, heading), Message.WALK_REPLY)

    def imu(self, time_s: Floats, acceleration: Floats, rate: Floats) -> int:
        """Any number of inertial samples: (n,) s, (n, 3) m/s², (n, 3) rad/s. Gives the device's cycles for all."""
        cycles = 0
        for rows in _batches(len(time_s)):
            body = bytes([rows.stop - rows.start])
            for time, a, w in zip(time_s[rows], acceleration[rows], rate[rows], strict=True):
                body += struct.pack("<I6f", _microseconds(time), *a, *w)
            answer = self._ask(Message.IMU, body, Message.IMU_REPLY)
            if len(answer.body) != _IMU_REPLY.size:
                raise FrameError(f"an IMU reply of {len(answer.body)} bytes; flash this tinyloc's firmware")
            cycles += _IMU_REPLY.unpack(answer.body)[0]
        return cycles

    def ranges(self, time_s: float, ranges_m: Floats) -> Fix:
        """One epoch: (A,) ranges in m in the order of the anchors, NaN where there is none."""
        body = struct.pack(f"<I{len(ranges_m)}f", _microseconds(time_s), *ranges_m)
        return parse_fix(self._ask(Message.RANGES, body, Message.FIX).body)


def _batches(count: int) -> Iterator[slice]:
    for start in range(0, count, IMU_MAX):
        yield slice(start, min(start + IMU_MAX, count))
