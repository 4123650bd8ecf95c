"""Steps, their length and the heading from a chest-worn inertial sensor, sample by sample.

The same arithmetic, in single precision, is firmware/fusion/dead_reckoning.c; scalars let the two be read side by side.
Step length: Weinberg (Analog Devices AN-602), K * (max - min)^(1/4) of the vertical acceleration.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.simulation.gait import Inertial

Floats = npt.NDArray[np.float64]
GRAVITY_TAU_S = 1.0
SMOOTH_TAU_S = 0.04
"""Two first-order filters on the vertical acceleration."""
LEVEL = 0.4
"""m/s² above and below which a step must swing."""
SHORTEST_S, LONGEST_S = 0.25, 1.5
FIRST_S = 0.55
"""Duration that is assumed of the first step after standing."""
STILL_S = 1.2
"""Without a step for so long one stands."""
BIAS_TAU_S = 2.0
BIAS_START, BIAS_START_SAMPLES = 0.6, 50
"""rad/s: no sensor's bias is larger; for so many samples whatever is read while standing is taken for bias."""
BIAS_STEP, QUIET = 0.02, 0.15
"""rad/s and m/s²: once learned, a bias follows only smaller changes, and only while nothing swings."""
LONGEST_GAP_S = 0.1
"""A longer silence of the sensor is counted; the heading is held beyond it."""
LONGEST_SILENCE_S, BACKWARDS_MOST = 10.0, 50
"""After a longer silence, or so many samples in a row whose time did not advance, the detector starts again."""
SILENT_S = 1.0
"""Nobody is known to stand when the last sample is older."""
ABSURD_ACCELERATION, ABSURD_RATE = 160.0, 36.0
"""Beyond the sensor's widest ranges: ±16 g, ±2000 °/s."""


@dataclass
class Counts:
    """Bad input that was met."""

    bad_samples: int = 0  # not finite or absurd
    backwards: int = 0  # time did not advance
    gaps: int = 0
    restarts: int = 0  # fresh starts of the detector


@dataclass(frozen=True)
class Step:
    """A step that has just ended."""

    time_s: float
    length_m: float
    duration_s: float
    heading: float


class DeadReckoner:
    """State of the detector. `k` is Weinberg's constant for the wearer and this filter."""

    def __init__(self, k: float, heading: float) -> None:
        self.k, self.heading = k, heading
        self.counts = Counts()
        self.time_s = 0.0
        self.started = False
        self.gravity = [0.0, 0.0, 0.0]
        self.smooth = [0.0, 0.0]
        self.bias = 0.0
        self.still_samples = 0
        self.high = self.low = 0.0
        self.rising = False
        self.last_step_s = 0.0
        self.walking = False
        self.backwards_in_a_row = 0
        self.turn_sum = 0.0
        self.turn_count = 0

    def still(self, now: float) -> bool:
        """Whether the wearer is known to stand at this time: no step, and a sample within SILENT_S."""
        return self.started and not self.walking and round(abs(now - self.time_s), 6) <= SILENT_S

    def sample(self, time_s: float, acceleration: Floats, rate: Floats) -> Step | None:
        """Take one sample: acceleration in m/s² and rate in rad/s, three each. Gives the step that it ends."""
        values = (*acceleration, *rate)
        sound = math.isfinite(time_s) and all(math.isfinite(v) for v in values)
        if not sound or max(map(abs, values[:3])) > ABSURD_ACCELERATION or max(map(abs, values[3:])) > ABSURD_RATE:
            self.counts.bad_samples += 1
            return None
        ax, ay, az, wx, wy, wz = values
        if not self.started:
            self._start(time_s, values[:3])
            return None
        dt = time_s - self.time_s
        if self._broken(dt):
            self.counts.restarts += 1
            self._start(time_s, values[:3])
            return None
        if dt <= 0:
            return None
        self.time_s = time_s
        dt = min(dt, LONGEST_GAP_S)
        gain = dt / GRAVITY_TAU_S
        g = self.gravity
        g[0] += gain * (ax - g[0])
        g[1] += gain * (ay - g[1])
        g[2] += gain * (az - g[2])
        size = math.sqrt(g[0] * g[0] + g[1] * g[1] + g[2] * g[2])
        if size < 1.0:  # free fall for a second: nothing to hold on to
            self.counts.bad_samples += 1
            return None
        vertical = (ax * g[0] + ay * g[1] + az * g[2]) / size - size
        yaw = (wx * g[0] + wy * g[1] + wz * g[2]) / size
        self._turn(yaw, dt)
        gain = dt / (SMOOTH_TAU_S + dt)
        self.smooth[0] += gain * (vertical - self.smooth[0])
        self.smooth[1] += gain * (self.smooth[0] - self.smooth[1])
        return self._step(time_s, self.smooth[1])

    def _start(self, now: float, acceleration: Sequence[float]) -> None:
        """From a first sample on: what the detector saw before is forgotten; heading, bias and counts stay."""
        self.started = True
        self.time_s = self.last_step_s = now
        self.gravity = list(acceleration)
        self.smooth = [0.0, 0.0]
        self.high = self.low = 0.0
        self.rising = self.walking = False
        self.backwards_in_a_row = 0
        self.turn_sum, self.turn_count = 0.0, 0

    def _broken(self, dt: float) -> bool:
        """Whether time has broken off, so that the detector must start again. Counts what does not fit."""
        if dt > 0:
            self.backwards_in_a_row = 0
            self.counts.gaps += dt > LONGEST_GAP_S
            return round(dt, 6) > LONGEST_SILENCE_S
        self.counts.backwards += 1
        self.backwards_in_a_row += 1
        return self.backwards_in_a_row >= BACKWARDS_MOST

    def _turn(self, yaw: float, dt: float) -> None:
        near = BIAS_START if self.still_samples < BIAS_START_SAMPLES else BIAS_STEP
        if not self.walking and abs(yaw - self.bias) < near and abs(self.smooth[1]) < QUIET:
            self.still_samples += 1
            self.bias += max(1.0 / self.still_samples, dt / BIAS_TAU_S) * (yaw - self.bias)
        self.heading += (yaw - self.bias) * dt
        if self.heading > math.pi:
            self.heading -= 2 * math.pi
        elif self.heading < -math.pi:
            self.heading += 2 * math.pi
        self.turn_sum += (yaw - self.bias) * dt * self.turn_count
        self.turn_count += 1

    def _step(self, now: float, vertical: float) -> Step | None:
        duration = round(now - self.last_step_s, 6)  # of microseconds, as in the firmware
        if duration > LONGEST_S and self.walking:
            self.walking = False
        if vertical > LEVEL and not self.rising:  # a swing from below to above: the step before it is over
            self.rising = True
            high, low = self.high, self.low
            self.high = vertical
            if low < -LEVEL and high > LEVEL and duration >= SHORTEST_S:
                return self._finish(now, high - low, duration)
            if high <= LEVEL:  # the first swing after standing
                self.last_step_s = now
                self.turn_sum, self.turn_count = 0.0, 0
        elif vertical < -LEVEL and self.rising:
            self.rising = False
            self.low = vertical
        if self.rising:
            self.high = max(self.high, vertical)
        else:
            self.low = min(self.low, vertical)
        if round(now - self.last_step_s, 6) > STILL_S and not self.walking:
            self.high = self.low = 0.0
            self.rising = False
        return None

    def _finish(self, now: float, swing: float, duration: float) -> Step:
        length = self.k * math.sqrt(math.sqrt(swing))
        # the mean heading over the step, from the turn since each of its samples
        mean = self.heading - self.turn_sum / max(self.turn_count, 1)
        if duration > LONGEST_S:
            duration = FIRST_S
        self.walking = True
        self.last_step_s = now
        self.turn_sum, self.turn_count = 0.0, 0
        self.low = 0.0
        return Step(now, length, duration, mean)


@dataclass(frozen=True)
class Reckoning:
    """Dead reckoning as the filter takes it, at the N epochs of ranging."""

    velocity_mps: Floats  # (N, 2) of the last step that ended since the epoch before
    fresh: npt.NDArray[np.bool_]  # (N,) whether there is one
    still: npt.NDArray[np.bool_]  # (N,) whether the wearer stands
    heading: Floats  # (N,)
    steps: tuple[Step, ...]
    counts: Counts


def reckon(imu: Inertial, epochs_s: Floats, k: float, heading: float) -> Reckoning:
    """Run the detector over a recording and look at it at each epoch."""
    reckoner = DeadReckoner(k, heading)
    count = len(epochs_s)
    velocity, fresh, still, headings = (
        np.zeros((count, 2)),
        np.zeros(count, bool),
        np.zeros(count, bool),
        np.zeros(count),
    )
    steps: list[Step] = []
    last: Step | None = None
    position = 0
    rows = list(zip(imu.time_s.tolist(), imu.acceleration.tolist(), imu.rate.tolist(), strict=True))
    for epoch, now in enumerate(epochs_s.tolist()):
        while position < len(rows) and not rows[position][0] > now:  # a NaN time is taken, and refused below
            step = reckoner.sample(*rows[position])
            position += 1
            if step is not None:
                steps.append(step)
                last = step
        if last is not None:
            speed = last.length_m / last.duration_s
            velocity[epoch] = speed * math.cos(last.heading), speed * math.sin(last.heading)
            fresh[epoch] = True
            last = None
        still[epoch], headings[epoch] = reckoner.still(now), reckoner.heading
    return Reckoning(velocity, fresh, still, headings, tuple(steps), reckoner.counts)
