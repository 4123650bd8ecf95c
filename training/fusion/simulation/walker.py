"""People as they walk, and what their chest sensor reads: a gait that does not invert the estimator's own law.

Sources. Step length: length over cadence is a constant of a person at all speeds, 0.0064 m per step a minute on average
(Sekiya and Nagasaki 1998). Rise and fall of the trunk: an inverted pendulum of the leg's length, of which the trunk
makes a part (Zijlstra and Hof 1997: displacement below the model's at most speeds). Acceleration: that displacement at
the frequency of the steps, with harmonics that differ between people and between left and right. Scatter from step to
step of 3 % in length (normal walking: 2 to 4 %). The sensor: MPU-6050 as in gait.py, and a temperature that also falls.
The figures are taken from memory of these papers; spreads between people that no source gives are ours.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.walks import slow_noise
from tinyloc.training.fusion.simulation.gait import (
    ACCELEROMETER_NOISE,
    ACCELEROMETER_OFFSET,
    GRAVITY,
    GYROSCOPE_DRIFT,
    GYROSCOPE_NOISE,
    GYROSCOPE_OFFSET,
    GYROSCOPE_SCALE,
    IMU_RATE_HZ,
    MOUNT,
    Inertial,
    Motion,
    rotation,
)

Floats = npt.NDArray[np.float64]
WALK_RATIO, WALK_RATIO_SPREAD = 0.0064, 0.0005
"""m per (step a minute), and between people."""
LEG_M, LEG_SPREAD_M = 0.90, 0.05
BOUNCE, BOUNCE_SPREAD = 0.70, 0.10
"""Share of the pendulum's displacement that the chest makes."""
LENGTH_SCATTER = 0.03
AMPLITUDE_SCATTER = 0.12
ASYMMETRY = 0.05
WALKS_MPS = 0.15
"""Below it a person stands."""
GYROSCOPE_WALK = np.deg2rad(0.02)
"""rad/s per root of a minute: random walk of the bias (ours; data sheets name none)."""


@dataclass(frozen=True)
class Person:
    """What differs between people."""

    leg_m: float
    walk_ratio: float
    bounce: float
    harmonics: tuple[float, float]
    """Of the vertical swing at two and three times the step frequency."""
    asymmetry: float
    forward: float
    lateral: float
    sway: float  # rad
    pace_mps: float


def person(generator: np.random.Generator) -> Person:
    """Draw a person."""
    return Person(
        leg_m=float(np.clip(generator.normal(LEG_M, LEG_SPREAD_M), 0.75, 1.05)),
        walk_ratio=float(np.clip(generator.normal(WALK_RATIO, WALK_RATIO_SPREAD), 0.005, 0.008)),
        bounce=float(np.clip(generator.normal(BOUNCE, BOUNCE_SPREAD), 0.45, 1.0)),
        harmonics=(float(generator.uniform(0.05, 0.30)), float(generator.uniform(0.0, 0.15))),
        asymmetry=float(generator.normal(0.0, ASYMMETRY)),
        forward=float(generator.uniform(0.3, 0.6)),
        lateral=float(generator.uniform(0.15, 0.35)),
        sway=float(np.deg2rad(generator.uniform(2.0, 7.0))),
        pace_mps=float(np.clip(generator.normal(1.2, 0.15), 0.7, 1.6)),
    )


def swing(who: Person, step_m: Floats, cadence_hz: Floats) -> Floats:
    """Peak-to-peak vertical acceleration in m/s² of steps of that length (m) and frequency (steps per second)."""
    half = np.minimum(step_m / 2, 0.6 * who.leg_m)
    rise = who.leg_m - np.sqrt(who.leg_m**2 - half**2)
    return np.asarray(who.bounce * rise * (2 * np.pi * cadence_hz) ** 2)


def readings(motion: Motion, who: Person, generator: np.random.Generator) -> Inertial:
    """Readings of the chest sensor along any motion at IMU_RATE_HZ, also one that was measured."""
    count, dt = len(motion.time_s), 1.0 / IMU_RATE_HZ
    walking = motion.speed_mps > WALKS_MPS
    speed = np.maximum(motion.speed_mps, WALKS_MPS)
    # length L and cadence c: L = ratio * 60 c and L c = v
    length = np.sqrt(who.walk_ratio * 60.0 * speed)
    steps = np.cumsum(np.where(walking, speed / length, 0.0)) * dt
    number = np.floor(steps).astype(np.int64)
    scatter = 1 + LENGTH_SCATTER * generator.standard_normal(int(number[-1]) + 2)
    length = length * scatter[number]
    cadence = np.where(walking, speed / length, 0.0)
    phase = 2 * np.pi * np.cumsum(cadence) * dt
    number = np.floor(phase / (2 * np.pi)).astype(np.int64)
    strength = np.exp(AMPLITUDE_SCATTER * generator.standard_normal(int(number[-1]) + 2))
    side = 1 + who.asymmetry * np.where(number % 2 == 0, 1.0, -1.0)
    envelope = np.where(walking, swing(who, length, cadence) * strength[number] * side, 0.0)
    envelope = np.convolve(envelope, np.ones(20) / 20, mode="same")
    second, third = who.harmonics
    vertical = 0.5 * envelope * (np.sin(phase) + second * np.sin(2 * phase + 0.7) + third * np.sin(3 * phase + 1.9))
    forward = 0.5 * who.forward * envelope * np.cos(phase) + np.gradient(motion.speed_mps, dt)
    lateral = 0.5 * who.lateral * envelope * np.sin(phase / 2)
    lateral = lateral + motion.speed_mps * np.gradient(motion.heading, dt)
    sway = who.sway * np.minimum(envelope / 2.0, 1.0) * np.sin(phase / 2)
    yaw = np.gradient(motion.heading + sway, dt)
    roll = 0.5 * who.sway * np.gradient(np.sin(phase / 2), dt)
    pitch = 0.3 * who.sway * np.gradient(np.sin(phase), dt) * np.minimum(envelope / 2.0, 1.0)
    turn = rotation(*generator.normal(0.0, MOUNT, 2))
    warmth = _temperature(motion.time_s, generator)
    minutes = np.sqrt(dt / 60.0) * generator.standard_normal((count, 3))
    offset = (
        generator.normal(0.0, GYROSCOPE_OFFSET, 3)
        + np.outer(warmth, generator.normal(0.0, GYROSCOPE_DRIFT, 3))
        + GYROSCOPE_WALK * np.cumsum(minutes, axis=0)
    )
    body = np.stack([forward, lateral, vertical + GRAVITY], axis=1) @ turn.T
    rate = np.stack([roll, pitch, yaw], axis=1) @ turn.T
    return Inertial(
        time_s=motion.time_s,
        acceleration=body
        + generator.normal(0.0, ACCELEROMETER_OFFSET, 3)
        + generator.normal(0.0, ACCELEROMETER_NOISE, (count, 3)),
        rate=rate * (1 + generator.normal(0.0, GYROSCOPE_SCALE, 3))
        + offset
        + generator.normal(0.0, GYROSCOPE_NOISE, (count, 3)),
    )


def _temperature(time_s: Floats, generator: np.random.Generator) -> Floats:
    """Kelvin above the start: warms up by some, and follows doors and draughts within a minute."""
    warm = generator.uniform(0.0, 4.0) * (1 - np.exp(-time_s / 120.0))
    slow = slow_noise(generator, int(time_s[-1]) + 2, 60.0)
    return np.asarray(warm + np.interp(time_s, np.arange(len(slow)), slow - slow[0]))


def along(time_s: Floats, points: Floats, smooth_s: float = 0.6) -> Motion:
    """The motion at IMU_RATE_HZ of somebody whose positions (n, 2) were measured at these times, ascending.

    Positions are smoothed over `smooth_s`; the heading is that of travel, held where nobody moves. Three seconds of
    standing are put before it: the gyroscope's bias is learned then.
    """
    grid = np.arange(time_s[0], time_s[-1], 1.0 / IMU_RATE_HZ)
    path = np.stack([np.interp(grid, time_s, points[:, axis]) for axis in range(2)], axis=1)
    width = int(smooth_s * IMU_RATE_HZ) | 1
    kernel = np.hanning(width + 2)[1:-1]
    kernel /= kernel.sum()
    padded = np.pad(path, ((width // 2, width // 2), (0, 0)), mode="edge")
    path = np.stack([np.convolve(padded[:, axis], kernel, mode="valid") for axis in range(2)], axis=1)
    velocity = np.gradient(path, 1.0 / IMU_RATE_HZ, axis=0)
    speed = np.linalg.norm(velocity, axis=1)
    moving = speed > WALKS_MPS
    if not moving.any():
        heading = np.zeros(len(grid))
    else:
        course = np.unwrap(np.arctan2(velocity[moving, 1], velocity[moving, 0]))
        heading = np.interp(np.arange(len(grid)), np.flatnonzero(moving), course)
        heading = np.convolve(np.pad(heading, width // 2, mode="edge"), kernel, mode="valid")
    stand = int(3.0 * IMU_RATE_HZ)
    return Motion(
        time_s=np.arange(len(grid) + stand) / IMU_RATE_HZ,
        position_m=np.concatenate([np.repeat(path[:1], stand, axis=0), path]),
        heading=np.concatenate([np.full(stand, heading[0]), heading]),
        speed_mps=np.concatenate([np.zeros(stand), speed]),
    )
