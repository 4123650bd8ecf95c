"""The host's end of the link to an image with fusion: walks, inertial samples, ranges, fixes."""

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.frames import FrameError, Hello, Message
from tinyloc.device.link.transport import LinkError
from tinyloc.training.fusion.filters.trilaterate import ANCHORS_MAX

IMU_MAX = 8
"""Inertial samples of one frame."""
LONGEST_TIME_S = 1e10
"""Unix time fits."""
_FIX = struct.Struct("<BB5fIH14H")
_COUNTS = (
    "backwards", "gaps", "restarts", "diverged", "bad_ranges", "outside", "good", "few", "collinear", "far",
    "imu_bad_samples", "imu_backwards", "imu_gaps", "imu_restarts",
)  # fmt: skip
_IMU_REPLY = struct.Struct("<I")
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fix:
    """What the device made of one epoch of ranges."""

    valid: bool  # the position holds: a fix within 10 s, and time did not go back
    stale: bool  # there is a position, but no fix for more than 10 s
    backwards: bool  # this epoch's time did not advance; its ranges were not used
    restarted: bool  # the filter started again at this epoch
    status: int  # of this epoch's trilateration, as training.fusion.trilaterate.Fix
    x_m: float
    y_m: float
    xx_m2: float
    yy_m2: float
    fix_variance_m2: float  # 0 when there was no fix
    cycles: int
    stack_high_water: int  # bytes
    counts: dict[str, int]  # since the walk began: bad input that was met, epochs by status


def parse_fix(body: bytes) -> Fix:
    """Body of a FIX. Raises FrameError when it cannot be one, a number that is not finite included."""
    if len(body) != _FIX.size:
        raise FrameError(f"a FIX of {len(body)} bytes, expected {_FIX.size}; flash this tinyloc's firmware")
    flags, status, x, y, xx, yy, variance, cycles, stack, *counts = _FIX.unpack(body)
    numbers = np.array([x, y, xx, yy, variance])
    if flags > 15 or flags & 3 == 3 or status > 3 or not np.isfinite(numbers).all() or (numbers[2:] < 0).any():
        raise FrameError(f"an impossible FIX: flags {flags:#x}, status {status}, at {x}, {y}")
    return Fix(
        bool(flags & 1), bool(flags & 2), bool(flags & 4), bool(flags & 8), status, x, y, xx, yy, variance,
        cycles, stack, dict(zip(_COUNTS, counts, strict=True)),
    )  # fmt: skip


def _microseconds(time_s: float) -> int:
    """Device time: microseconds in 64 bits, which do not wrap."""
    if not 0 <= time_s < LONGEST_TIME_S:
        raise LinkError(f"a time of {time_s} s; count from the start of the walk, from 0 to {LONGEST_TIME_S:.0f} s")
    return round(time_s * 1e6)


class FusionClient(DeviceClient):
    """Talks to one device with fusion; retries, order and errors as in DeviceClient."""

    def hello(self) -> Hello:
        """Who is there. Raises LinkError when the image has no fusion."""
        hello = super().hello()
        if not hello.fusion:
            raise LinkError(f"{self.transport.name}: the image has no fusion; build one with `tinyloc fusion build`")
        if not 3 <= hello.inputs <= ANCHORS_MAX:
            raise LinkError(
                f"{self.transport.name}: the device reports {hello.inputs} anchors; 3 to {ANCHORS_MAX} are possible"
            )
        return hello

    def walk(self, k: float, heading: float) -> None:
        """Begin a walk: Weinberg's constant, and the heading in rad."""
        self._begin(Message.WALK, np.array([k, heading], "<f4").tobytes(), Message.WALK_REPLY)

    def imu(self, time_s: Floats, acceleration: Floats, rate: Floats) -> int:
        """Any number of inertial samples: (n,) s, (n, 3) m/s², (n, 3) rad/s. Gives the device's cycles for all."""
        cycles = 0
        times = [_microseconds(time) for time in time_s]
        values = np.concatenate([acceleration, rate], axis=1).astype("<f4")
        for rows in _batches(times):
            first = min(times[rows])
            body = struct.pack("<BQ", rows.stop - rows.start, first)
            for time, row in zip(times[rows], values[rows], strict=True):
                body += struct.pack("<I", time - first) + row.tobytes()
            answer = self._ask(Message.IMU, body, Message.IMU_REPLY)
            if len(answer.body) != _IMU_REPLY.size:
                raise FrameError(f"an IMU reply of {len(answer.body)} bytes; flash this tinyloc's firmware")
            cycles += _IMU_REPLY.unpack(answer.body)[0]
        return cycles

    def ranges(self, time_s: float, ranges_m: Floats) -> Fix:
        """One epoch: (A,) ranges in m in the order of the anchors, NaN where there is none."""
        body = struct.pack("<Q", _microseconds(time_s)) + np.asarray(ranges_m, "<f4").tobytes()
        return parse_fix(self._ask(Message.RANGES, body, Message.FIX).body)


def _batches(times: Sequence[int]) -> Iterator[slice]:
    """Cut samples into frames: at most IMU_MAX each, their times within 32 bits of microseconds."""
    start = 0
    for stop in range(1, len(times) + 1):
        cut = times[start : stop + 1]
        if stop == len(times) or stop - start == IMU_MAX or max(cut) - min(cut) > 0xFFFF_FFFF:
            yield slice(start, stop)
            start = stop
