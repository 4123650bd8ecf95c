"""How loud each access point of a simulated house hears the wearable.

    rssi = RSSI_1M - 10 n log10(d) - walls - floors - body + shadowing + fading      (dBm)

with the log-distance law, a loss for each wall and floor slab that the straight line crosses (doors are ignored), the
body in the way of access points behind the back, shadowing that is a smooth function of place, and Rician fading that
is new with every packet. A packet is lost at random and the more likely the weaker it is. What survives is rounded
to whole dBm. The numbers are typical of 2.4 GHz indoors (ITU-R P.1238, COST 231 multi-wall), chosen and
not fitted; `CHANNELS` has a fitted set too.
"""

import itertools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.floor_plans import STOREY_M, House, Space
from tinyloc.training.data.walks import RATE_HZ, Track, slow_noise

PATH_LOSS_EXPONENT = 2.0
INNER_WALL_DB = 3.5
OUTER_WALL_DB = 7.0
FLOOR_DB = 12.0
BODY_DB = 10.0
"""Loss when the body is exactly between wearable and access point; half of it sideways."""
SHADOWING_DB = 3.0
SHADOWING_M = 1.5
"""Shadowing is correlated over about so many metres."""
RECEIVER_DB = 1.5
"""The level of each receiver drifts from recording to recording."""
SENSITIVITY_DBM = -95.0
"""Half of the packets are lost at this level, besides those of `Channel.loss_floor`."""
SENSITIVITY_SLOPE_DB = 2.0
LOWEST_DBM, HIGHEST_DBM = -110.0, -20.0
WEARABLE_M = 1.0
"""Height of the wearable above the floor boards."""
_WAVES = 48

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Channel:
    """How loud the wearable sends, and what packets suffer whatever the place."""

    rssi_1m_dbm: float = -58.0
    """Level at 1 m in dBm."""
    rician_k: float = 3.0
    """Power of the steady path over that of the scattered ones."""
    loss_floor: float = 0.08
    """Share of packets that are lost at any level."""
    session_db: float = 2.0
    """Furniture, doors and people differ from recording to recording: further shadowing, new in each."""


CHANNELS = {"typical": Channel(), "flat": Channel(-37.0, 5.0, 0.093, 0.5)}
"""By name. "flat" brings house-a near to the training drives of ble_flat_kolakowski (docs/reference/data.md)."""


@dataclass(frozen=True)
class Wall:
    """A vertical wall of one floor: the line `axis` (0: x, 1: y) = at, from low to high on the other, in metres."""

    axis: int
    at: float
    low: float
    high: float
    floor: int
    loss_db: float


def walls(house: House) -> list[Wall]:
    """Edges of the indoor spaces, each once; outer walls (nothing indoors on one side) lose more."""
    found = []
    for floor in sorted({space.floor for space in house.spaces}):
        indoor = [space for space in house.spaces if space.floor == floor and space.kind != "garden"]
        for axis in (0, 1):
            for at in sorted({edge for space in indoor for edge in _extent(space, axis)}):
                cuts = sorted({cut for space in indoor for cut in _extent(space, 1 - axis)})
                for low, high in itertools.pairwise(cuts):
                    middle = (low + high) / 2
                    sides = [_owner(indoor, axis, at + shift, middle) for shift in (-0.05, 0.05)]
                    if sides[0] is not sides[1]:
                        loss = OUTER_WALL_DB if None in sides else INNER_WALL_DB
                        found.append(Wall(axis, at, low, high, floor, loss))
    return found


def _extent(space: Space, axis: int) -> tuple[float, float]:
    start, length = (space.x, space.width) if axis == 0 else (space.y, space.height)
    return start, start + length


def _owner(spaces: list[Space], axis: int, across: float, along: float) -> Space | None:
    for space in spaces:
        (a0, a1), (b0, b1) = _extent(space, axis), _extent(space, 1 - axis)
        if a0 < across < a1 and b0 < along < b1:
            return space
    return None


def wall_loss(plan: list[Wall], source: Floats, position: Floats) -> Floats:
    """Loss in dB (N,) of the walls between one point (3,) and many (N, 3), in metres."""
    total = np.zeros(len(position))
    step = position - source
    for wall in plan:
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (wall.at - source[wall.axis]) / step[:, wall.axis]
            along = source[1 - wall.axis] + share * step[:, 1 - wall.axis]
            height = source[2] + share * step[:, 2]
            storey = np.floor(height / STOREY_M)
            crossed = (share > 0) & (share < 1) & (along >= wall.low) & (along < wall.high) & (storey == wall.floor)
        total += wall.loss_db * crossed
    return total


@dataclass(frozen=True)
class Field:
    """A smooth random function of place, mean 0 and standard deviation 1: a sum of plane waves."""

    waves: Floats  # (W, 3) rad/m
    phases: Floats  # (W,)

    def __call__(self, position: Floats) -> Floats:
        """Its values at places: (N, 3) in metres -> (N,)."""
        values: Floats = np.cos(position @ self.waves.T + self.phases).sum(axis=1) * np.sqrt(2.0 / len(self.phases))
        return values


def random_field(generator: np.random.Generator) -> Field:
    """A new field, correlated over about SHADOWING_M metres."""
    return Field(generator.normal(0.0, 1.0 / SHADOWING_M, (_WAVES, 3)), generator.uniform(0, 2 * np.pi, _WAVES))


def mean_level(
    house: House, plan: list[Wall], index: int, position: Floats, channel: Channel = CHANNELS["typical"]
) -> Floats:
    """dBm (N,) at access point `index` of a wearable at (N, 3) in metres, before body, shadowing and fading."""
    source = np.array(house.access_points[index])
    distance = np.maximum(np.linalg.norm(position - source, axis=1), 0.3)
    slabs = np.abs(np.floor(position[:, 2] / STOREY_M) - np.floor(source[2] / STOREY_M))
    level: Floats = (
        channel.rssi_1m_dbm
        - 10 * PATH_LOSS_EXPONENT * np.log10(distance)
        - wall_loss(plan, source, position)
        - FLOOR_DB * slabs
    )
    return level


@dataclass(frozen=True)
class Wearer:
    """How the body shades what it wears."""

    body_db: float
    """Loss when the body is exactly between wearable and access point."""
    side_rad: float = 0.0
    """The free side: this much to the left of where the body faces. 0: worn on the chest."""
    swing_rad: float = 0.0
    """Amplitude by which a swinging arm turns the free side while walking."""
    posture_db: float = 0.0
    """Standard deviation of a loss of all paths together that changes slowly: the wrist on a table, at the body."""


WEARERS = {1: Wearer(BODY_DB), 2: Wearer(14.0, np.pi / 3, 0.6, 3.0)}
"""By version of the simulator. 2: at the left wrist."""
SWING_HZ = 0.9
WALKING_MPS = 0.3
POSTURE_S = 20.0


def free_side(track: Track, wearer: Wearer) -> Floats:
    """(N,) direction in radians in which the body shades nothing; it swings with the arm while walking."""
    step = np.linalg.norm(np.diff(track.position_m[:, :2], axis=0, prepend=track.position_m[:1, :2]), axis=1)
    walking = step * RATE_HZ > WALKING_MPS
    swing = wearer.swing_rad * np.sin(2 * np.pi * SWING_HZ * track.time_s) * walking
    side: Floats = track.heading_rad + wearer.side_rad + swing
    return side


def body_loss(source: Floats, position: Floats, free_rad: Floats, body_db: float = BODY_DB) -> Floats:
    """Loss of the body in dB (N,): none when its free side faces the access point, body_db with the body between.

    source (3,) and position (N, 3) in metres, free_rad (N,) in radians from the x axis.
    """
    bearing = np.arctan2(source[1] - position[:, 1], source[0] - position[:, 0])
    loss: Floats = body_db * (1 - np.cos(bearing - free_rad)) / 2
    return loss


def hear(
    house: House,
    track: Track,
    fields: list[Field],
    generator: np.random.Generator,
    wearer: Wearer = WEARERS[1],
    channel: Channel = CHANNELS["typical"],
) -> npt.NDArray[np.float32]:
    """Readings (N, P) in whole dBm along a track, NaN where the packet was lost.

    `fields`: the house's shadowing, one for each access point.
    """
    free = free_side(track, wearer)
    plan = walls(house)
    position = track.position_m + np.array([0.0, 0.0, WEARABLE_M])
    samples, points = len(position), len(house.access_points)
    arms = slow_noise(generator, samples, 8.0, points)  # moving arms and door leaves: slow change of each path, 1 dB
    scatter = generator.standard_normal((2, samples, points)) * np.sqrt(0.5 / (channel.rician_k + 1))
    steady = np.sqrt(channel.rician_k / (channel.rician_k + 1))
    fading = 10 * np.log10((steady + scatter[0]) ** 2 + scatter[1] ** 2)
    level = np.empty((samples, points))
    for index in range(points):
        level[:, index] = (
            mean_level(house, plan, index, position, channel)
            - body_loss(np.array(house.access_points[index]), position, free, wearer.body_db)
            + SHADOWING_DB * fields[index](position)
            + channel.session_db * random_field(generator)(position)
            + RECEIVER_DB * generator.standard_normal()
        )
    level += arms + fading
    if wearer.posture_db:
        level -= wearer.posture_db * np.abs(slow_noise(generator, samples, POSTURE_S * RATE_HZ))[:, None]
    weak = 1 / (1 + np.exp((level - SENSITIVITY_DBM) / SENSITIVITY_SLOPE_DB))
    lost = generator.random(level.shape) < channel.loss_floor + (1 - channel.loss_floor) * weak
    return np.where(lost, np.nan, np.clip(np.rint(level), LOWEST_DBM, HIGHEST_DBM)).astype(np.float32)
