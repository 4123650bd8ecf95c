"""How a person walks a route, and what an inertial sensor on the chest reads meanwhile.

Sources: MPU-6050 product specification rev. 3.4, sections 6.1 and 6.2 (noise densities, tolerances); Weinberg, Analog
Devices AN-602 (step length from the fourth root of the vertical swing); preferred walking 1.2 to 1.4 m/s at about
1.8 steps/s with length growing as the root of speed (Grieve and Gear 1966). Sway, warm-up and the remaining scale
errors after a factory calibration are ours and are marked so.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.walks import slow_noise

Floats = npt.NDArray[np.float64]
IMU_RATE_HZ = 100.0
GRAVITY = 9.80665
STAND_S = 3.0
"""Everybody stands still at first: the gyroscope's bias is learned then."""
ACCELEROMETER_NOISE = 400e-6 * GRAVITY * (IMU_RATE_HZ / 2) ** 0.5
"""Standard deviation of a sample, m/s²: 400 µg/√Hz over half the sampling rate."""
GYROSCOPE_NOISE = np.deg2rad(0.005) * (IMU_RATE_HZ / 2) ** 0.5
"""rad/s: 0.005 °/s/√Hz."""
GYROSCOPE_OFFSET = np.deg2rad(20.0) / 3
"""Zero-rate output, ±20 °/s taken as three standard deviations."""
GYROSCOPE_DRIFT = np.deg2rad(20.0) / 60 / 3
"""rad/s per kelvin: ±20 °/s between 25 and 85 °C, taken as three standard deviations."""
GYROSCOPE_SCALE = 0.01
"""Left of the ±3 % after calibration (ours)."""
ACCELEROMETER_OFFSET = 0.05 * GRAVITY / 3
WARM_UP_K, WARM_UP_S = 1.0, 120.0
"""Rise and time constant of the chip's temperature after switching on (ours)."""
WEINBERG_K = 0.45
"""Step length (m) over the fourth root of the swing (m/s²) of the mean wearer."""
WEINBERG_SPREAD = 0.03
"""Left of the differences between wearers after a calibration walk (ours)."""
SPEED_MPS, SPEED_SPREAD = 1.25, 0.12
STEP_AT_1_MPS = 0.62
TURN_RATE = np.deg2rad(100.0)
SWAY = np.deg2rad(4.0)
"""Amplitude of the torso's yaw at half the step frequency (ours)."""
MOUNT = np.deg2rad(4.0)
"""Standard deviation of pitch and roll of the sensor on the chest (ours)."""


@dataclass(frozen=True)
class Motion:
    """The truth at IMU_RATE_HZ: M samples."""

    time_s: Floats  # (M,)
    position_m: Floats  # (M, 2)
    heading: Floats  # (M,) of travel, unwrapped
    speed_mps: Floats  # (M,)


@dataclass(frozen=True)
class Inertial:
    """What the sensor reads: x forward, y left, z up on the chest."""

    time_s: Floats  # (M,)
    acceleration: Floats  # (M, 3) m/s², gravity included
    rate: Floats  # (M, 3) rad/s


def stroll(corners: Floats, generator: np.random.Generator, wanders: bool = False) -> Motion:
    """Stand for STAND_S, then walk through the corners (n, 2) in order, turning at a finite rate, and stop.

    Who wanders has a pace of 0.2 m/s or more (a trolley, a browser) and stands at some corners.
    """
    pace = float(np.clip(generator.normal(SPEED_MPS, SPEED_SPREAD), 0.8, 1.7))
    pauses = [0.0] * len(corners)
    if wanders:
        pace = float(generator.uniform(0.2, 1.4))
        for corner in range(1, len(corners) - 1):
            if generator.random() < 0.4:
                pauses[corner] = float(generator.uniform(2.0, 12.0))
    return travel(corners, pace, pauses)


def travel(corners: Floats, pace: float, pauses_s: Sequence[float]) -> Motion:
    """Stand for STAND_S, walk through the corners (n, 2) at a pace in m/s, stand for so long at each, and stop."""
    dt = 1.0 / IMU_RATE_HZ
    points = [(float(x), float(y)) for x, y in corners]
    x, y = points[0]
    heading = math.atan2(points[1][1] - y, points[1][0] - x)
    speed, corner = 0.0, 1
    rows = [(x, y, heading, 0.0)] * int(STAND_S * IMU_RATE_HZ)
    while True:
        last = corner + 1 == len(points)
        dx, dy = points[corner][0] - x, points[corner][1] - y
        away = math.hypot(dx, dy)
        if away < (0.15 if last else 0.6):
            if last:
                break
            if pauses_s[corner] > 0:
                rows += [(x, y, heading, 0.0)] * int(pauses_s[corner] * IMU_RATE_HZ)
                speed = 0.0
            corner += 1
            continue
        miss = (math.atan2(dy, dx) - heading + math.pi) % (2 * math.pi) - math.pi
        heading += min(max(miss / 0.4, -TURN_RATE), TURN_RATE) * dt
        wanted = pace * (0.35 if abs(miss) > 1.2 else 1.0) * (min(1.0, away / 0.8) if last else 1.0)
        speed += min(max(max(wanted, min(pace, 0.3)) - speed, -1.5 * dt), 1.2 * dt)
        x, y = x + speed * math.cos(heading) * dt, y + speed * math.sin(heading) * dt
        rows.append((x, y, heading, speed))
    rows += [(x, y, heading, 0.0)] * int(1.0 * IMU_RATE_HZ)
    table = np.array(rows)
    return Motion(np.arange(len(table)) * dt, table[:, :2], np.unwrap(table[:, 2]), table[:, 3])


def inertial(motion: Motion, generator: np.random.Generator) -> Inertial:
    """Readings of the chest sensor along a motion."""
    count = len(motion.time_s)
    dt = 1.0 / IMU_RATE_HZ
    walking = motion.speed_mps > 0.25
    length = (
        STEP_AT_1_MPS * np.sqrt(np.maximum(motion.speed_mps, 0.25)) * (1 + 0.03 * slow_noise(generator, count, 100.0))
    )
    phase = 2 * np.pi * np.cumsum(np.where(walking, motion.speed_mps / length, 0.0)) * dt  # one turn a step
    person = WEINBERG_K * (1 + WEINBERG_SPREAD * generator.standard_normal())
    swing = np.where(walking, (length / person) ** 4, 0.0)  # peak to peak
    envelope = np.convolve(swing, np.ones(30) / 30, mode="same")
    vertical = 0.5 * envelope * (np.sin(phase) + 0.15 * np.sin(2 * phase + 0.7))
    forward = 0.25 * envelope * np.cos(phase) + np.gradient(motion.speed_mps, dt)
    lateral = 0.12 * envelope * np.sin(phase / 2)
    sway = SWAY * np.where(envelope > 0.5, 1.0, envelope / 0.5) * np.sin(phase / 2)
    yaw_rate = np.gradient(motion.heading + sway, dt)
    roll_rate = 0.5 * SWAY * np.gradient(np.sin(phase / 2), dt)
    body_acceleration = np.stack(
        [forward, lateral + motion.speed_mps * np.gradient(motion.heading, dt), vertical + GRAVITY], 1
    )
    body_rate = np.stack([roll_rate, np.zeros(count), yaw_rate], 1)
    pitch, roll = generator.normal(0.0, MOUNT, 2)
    turn = rotation(pitch, roll)
    warmth = WARM_UP_K * (1 - np.exp(-motion.time_s / WARM_UP_S))
    offset = generator.normal(0.0, GYROSCOPE_OFFSET, 3) + np.outer(warmth, generator.normal(0.0, GYROSCOPE_DRIFT, 3))
    scale = 1 + generator.normal(0.0, GYROSCOPE_SCALE, 3)
    return Inertial(
        time_s=motion.time_s,
        acceleration=body_acceleration @ turn.T
        + generator.normal(0.0, ACCELEROMETER_OFFSET, 3)
        + generator.normal(0.0, ACCELEROMETER_NOISE, (count, 3)),
        rate=(body_rate @ turn.T) * scale + offset + generator.normal(0.0, GYROSCOPE_NOISE, (count, 3)),
    )


def rotation(pitch: float, roll: float) -> Floats:
    """Body to sensor axes, (3, 3)."""
    cp, sp, cr, sr = np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = np.array([[cp, 0, -sp], [0, 1, 0], [sp, 0, cp]])
    about_x = np.array([[1, 0, 0], [0, cr, sr], [0, -sr, cr]])
    return np.asarray(about_x @ about_y)
