"""Double-sided two-way ranging between a tag and anchors, in sight and through walls and people.

Sources: the asymmetric double-sided formula is that of Neirynck, Luk, McLaughlin (WPNC 2016); DW1000 datasheet
(ticks of 15.65 ps, crystal within 20 ppm, about 0.1 m precision in sight). Blocked paths: see sites.Material. The
torso's shadow (a chest-worn tag, anchors behind the wearer) and people in the way delay by some decimetres: the
recordings of uwb_trek1000_sang with one anchor blocked show the same size, see results/fusion.
"""

import math

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.walks import slow_noise
from tinyloc.training.fusion.simulation.sites import Material, Site, crossings

Floats = npt.NDArray[np.float64]
SPEED_OF_LIGHT = 299_702_547.0  # in air
TICK_S = 15.65e-12
REPLY_S = 300e-6
CRYSTAL_PPM = 10.0
SIGHT_NOISE_M = 0.06
CALIBRATION_M = 0.03
"""Spread of an anchor's antenna delay after calibration."""
UNCALIBRATED_M = 0.25
"""The same in a room, where nothing is known: uwb_trek1000_sang has 0.1 to 1.1 m in sight."""
LOSS_IN_SIGHT = 0.02
BODY = Material(excess_m=0.10, tail_m=0.20, loss=0.05)
PERSON = Material(excess_m=0.10, tail_m=0.35, loss=0.05)
BODY_ANGLE = np.deg2rad(120.0)
"""The torso is in the way of anchors further than this from the direction of travel."""
PERSISTENCE_M = 1.5
"""Walked distance over which multipath stays alike."""
STRAY, STRAY_M = 0.02, 1.5
"""Share and mean excess of single blocked ranges that are far off."""
PEOPLE_EVERY_S, PEOPLE_STAY_S = 12.0, 5.0


def measured_distance(distance: Floats, generator: np.random.Generator) -> Floats:
    """What double-sided two-way ranging makes of path lengths (N, A): clocks off by ppm, time stamps in ticks."""
    flight = distance / SPEED_OF_LIGHT
    tag, anchors = 1e-6 * generator.normal(0, CRYSTAL_PPM), 1e-6 * generator.normal(0, CRYSTAL_PPM, distance.shape[1])

    def stamp(interval: Floats, drift: Floats | float) -> Floats:
        """An interval as a clock shows it: two time stamps, each rounded to a tick."""
        shown: Floats = interval * (1 + drift) + generator.uniform(-1, 1, distance.shape) * TICK_S / 2
        return shown

    reply_a, reply_t = REPLY_S * (1 + generator.uniform(0, 0.5, distance.shape)), np.full(distance.shape, REPLY_S)
    round_t, delay_a = stamp(2 * flight + reply_a, tag), stamp(reply_a, anchors)
    round_a, delay_t = stamp(2 * flight + reply_t, anchors), stamp(reply_t, tag)
    result: Floats = SPEED_OF_LIGHT * (round_t * round_a - delay_a * delay_t) / (round_t + round_a + delay_a + delay_t)
    return result


def simulate_ranges(
    place: Site, time_s: Floats, points: Floats, heading: Floats, generator: np.random.Generator
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Ranges (N, A), NaN where the exchange failed, and the number of obstacles (N, A) of each."""
    anchors = place.anchors
    towards = anchors[None] - points[:, None]
    distance = np.linalg.norm(towards, axis=2)
    crossed = crossings(place, points)
    behind = np.cos(np.arctan2(towards[..., 1], towards[..., 0]) - heading[:, None]) < np.cos(BODY_ANGLE)
    obstacles: list[tuple[npt.NDArray[np.bool_], Material]] = [
        (crossed[:, :, index], wall.material) for index, wall in enumerate(place.walls)
    ]
    if place.people:
        obstacles.append((_people(time_s, len(anchors), generator), PERSON))
    else:
        obstacles.append((behind, BODY))
    excess, tail = np.zeros(distance.shape), np.zeros(distance.shape)
    arrives = np.full(distance.shape, 1 - LOSS_IN_SIGHT)
    for blocked, material in obstacles:
        excess += blocked * material.excess_m
        tail = np.where(blocked, np.hypot(tail, material.tail_m), tail)
        arrives *= np.where(blocked, 1 - material.loss, 1.0)
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    tail *= _exponential(walked + 0.1 * (time_s - time_s[0]), len(anchors), generator)
    stray = (tail > 0) & (generator.random(distance.shape) < STRAY)
    tail += stray * generator.exponential(STRAY_M, distance.shape)
    noise = generator.normal(0.0, SIGHT_NOISE_M, distance.shape) * np.where(excess > 0, 1.5, 1.0)
    ranges = measured_distance(distance + excess + tail, generator) + noise
    ranges += generator.normal(0.0, UNCALIBRATED_M if place.people else CALIBRATION_M, len(anchors))
    ranges = np.maximum(ranges, 0.0)
    ranges[generator.random(distance.shape) > arrives] = np.nan
    return ranges, np.sum([blocked for blocked, _ in obstacles], axis=0)


def _exponential(walked: Floats, anchors: int, generator: np.random.Generator) -> Floats:
    """Exponential variables of mean 1 (N, A) that stay alike over PERSISTENCE_M of walked distance."""
    step = 0.05
    cells = int(walked[-1] / step) + 2
    smooth = slow_noise(generator, cells, PERSISTENCE_M / step, anchors)
    place = walked / step
    normal = np.stack([np.interp(place, np.arange(cells), column) for column in smooth.T], axis=1)
    above = 0.5 * np.vectorize(math.erfc)(normal / 2**0.5)
    result: Floats = -np.log(np.maximum(above, 1e-12))
    return result


def _people(time_s: Floats, anchors: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether somebody stands before an anchor, (N, A): comes at random, stays for some seconds."""
    blocked = np.zeros((len(time_s), anchors), dtype=bool)
    for anchor in range(anchors):
        now = float(time_s[0])
        while now < time_s[-1]:
            now += generator.exponential(PEOPLE_EVERY_S)
            stay = generator.exponential(PEOPLE_STAY_S)
            blocked[(time_s >= now) & (time_s < now + stay), anchor] = True
            now += stay
    return blocked
