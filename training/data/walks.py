"""Who is where, when, facing where: scripted fingerprint walks and unscripted living in a simulated house."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.floor_plans import STOREY_M, House, Space

RATE_HZ = 5.0
WALK_SPEED_MPS = 1.0
SURVEY_SPEED_MPS = 0.7
SURVEY_PAUSE_S = 2.0
GRID_M = {"room": 1.0, "hall": 0.8, "stairs": 0.6, "garden": 1.5}
STAY_S = {"room": 60.0, "hall": 8.0, "stairs": 0.0, "garden": 40.0}
"""Mean of the exponential time that somebody stays in a space of that kind."""
WALL_DISTANCE_M = 0.4
"""Nobody stands closer to a wall."""
USE_LIMITS = (0.1, 20.0)
"""Stays in a favourite room are at most so many times longer than usual, in a neglected one so many times."""
FIDGET_M = 0.25
TURN_RAD = 0.35
"""Standard deviation of heading while standing, slowly varying."""

Floats = npt.NDArray[np.float64]
Point = tuple[float, float, float]


@dataclass(frozen=True)
class Track:
    """A walk sampled at RATE_HZ: N samples."""

    time_s: Floats  # (N,) from 0
    position_m: Floats  # (N, 3) of the feet
    heading_rad: Floats  # (N,) direction the body faces, 0 = +x, counter-clockwise
    label: npt.NDArray[np.int32]  # (N,) index of the space


def on_floor(space: Space, x: float, y: float) -> Point:
    """The point of the space's floor at x, y; stairs rise along x."""
    if space.kind == "stairs":
        return x, y, STOREY_M * (x - space.x) / space.width
    return x, y, space.floor * STOREY_M


def route(house: House, start: str, end: str) -> list[tuple[str, Point]]:
    """The doors from one space to another, fewest first: (space entered, position of the door)."""
    came: dict[str, tuple[str, Point]] = {}
    queue, seen = deque([start]), {start}
    while queue:
        here = queue.popleft()
        for door in house.doors:
            if here not in door.spaces:
                continue
            there = door.spaces[0] if door.spaces[1] == here else door.spaces[1]
            if there not in seen:
                seen.add(there)
                came[there] = (here, (door.x, door.y, door.floor * STOREY_M))
                queue.append(there)
    steps = []
    while end != start:
        before, point = came[end]
        steps.append((end, point))
        end = before
    return steps[::-1]


class _Walker:
    """Collects legs: straight lines at constant speed, or standing."""

    def __init__(self, house: House, start: Space, point: Point) -> None:
        self.house = house
        self.space = start
        self.times = [0.0]
        self.points = [point]
        self.labels: list[int] = []
        self.headings: list[float] = []

    def stand(self, seconds: float, heading: float, point: Point | None = None) -> None:
        """Stay, or drift to `point` of the same space, for so long."""
        self.times.append(self.times[-1] + seconds)
        self.points.append(point or self.points[-1])
        self.labels.append(self.house.spaces.index(self.space))
        self.headings.append(heading)

    def line(self, point: Point, speed: float) -> None:
        step = np.subtract(point, self.points[-1])
        length = float(np.linalg.norm(step))
        if length > 1e-6:
            heading = float(np.arctan2(step[1], step[0]))
            self.stand(length / speed, heading, point)

    def go(self, space: Space, point: Point, speed: float) -> None:
        """Walk through the doors to a point of a space."""
        for name, door in route(self.house, self.space.name, space.name):
            self.line(door, speed)
            self.space = self.house.space(name)
        self.line(point, speed)

    def track(self, generator: np.random.Generator) -> Track:
        time = np.arange(0.0, self.times[-1], 1.0 / RATE_HZ)
        leg = np.searchsorted(self.times, time, side="right") - 1
        points = np.array(self.points)
        position = np.stack([np.interp(time, self.times, points[:, axis]) for axis in range(3)], axis=1)
        wobble = slow_noise(generator, len(time), 10.0) * TURN_RAD
        return Track(
            time_s=time,
            position_m=position,
            heading_rad=np.array(self.headings)[leg] + wobble,
            label=np.array(self.labels, np.int32)[leg],
        )


def slow_noise(generator: np.random.Generator, samples: int, correlation: float, columns: int | None = None) -> Floats:
    """Gaussian noise of unit variance, (samples,) or (samples, columns), smoothed over `correlation` samples."""
    width = int(4 * correlation) | 1
    kernel = np.exp(-0.5 * ((np.arange(width) - width // 2) / correlation) ** 2)
    kernel /= np.sqrt((kernel**2).sum())
    white = generator.standard_normal((samples + width - 1, columns or 1))
    smooth = np.stack([np.convolve(column, kernel, mode="valid") for column in white.T], axis=1)
    return smooth if columns else smooth[:, 0]


def grid(space: Space) -> list[Point]:
    """Survey points of a space, row by row, back and forth."""
    step = GRID_M[space.kind]

    def ticks(start: float, length: float) -> Floats:
        count = max(1, round((length - 2 * WALL_DISTANCE_M) / step) + 1)
        return np.linspace(start + WALL_DISTANCE_M, start + length - WALL_DISTANCE_M, count)

    points = []
    for row, y in enumerate(ticks(space.y, space.height)):
        xs = ticks(space.x, space.width)
        points += [on_floor(space, float(x), float(y)) for x in (xs if row % 2 == 0 else xs[::-1])]
    return points


def fingerprint_walk(house: House, generator: np.random.Generator) -> Track:
    """Visit every survey point of every space in turn; stop at each, facing one of four directions."""
    first = house.spaces[0]
    walker = _Walker(house, first, grid(first)[0])
    for space in house.spaces:
        points = grid(space)
        for x, y, z in points if generator.random() < 0.5 else points[::-1]:
            dx, dy = generator.normal(0.0, 0.1, 2)
            walker.go(space, on_floor(space, x + dx, y + dy) if space.kind != "stairs" else (x, y, z), SURVEY_SPEED_MPS)
            walker.stand(SURVEY_PAUSE_S, float(generator.integers(4)) * np.pi / 2)
    return walker.track(generator)


@dataclass(frozen=True)
class Habits:
    """How a person uses the rooms."""

    power: float
    """The share of time of a room falls with its rank to this power. 0: as long as the kind of room says."""
    gets_round: bool
    """The odds of a room fall with the visits already paid, so that most rooms are entered within half an hour."""


HABITS = {1: Habits(0.0, True), 2: Habits(2.5, False)}
"""By version of the simulator. 2: one room has half of the time or more, as in real homes."""


def longer_stays(house: House, habits: Habits, generator: np.random.Generator) -> Floats:
    """(spaces,) how many times the mean stay of the kind of space.

    Rooms are ranked at random, those that are lived in likely first.
    """
    if not habits.power:
        return np.ones(len(house.spaces))
    weights = np.array([space.living for space in house.spaces])
    lived = np.flatnonzero(weights)
    odds = weights[lived] ** 2
    ranked = generator.choice(lived, len(lived), replace=False, p=odds / odds.sum())
    shares = np.zeros(len(weights))
    shares[ranked] = 1.0 / np.arange(1, len(lived) + 1) ** habits.power
    mean_stay = np.array([STAY_S[space.kind] for space in house.spaces])
    usual = weights * mean_stay  # share of the time when all stays are usual
    stays = np.divide(shares / shares.sum(), usual / usual.sum(), out=np.ones_like(usual), where=usual > 0)
    return np.clip(stays, *USE_LIMITS)


def living_walk(
    house: House,
    generator: np.random.Generator,
    seconds: float,
    habits: Habits = HABITS[1],
    longer: Floats | None = None,
) -> Track:
    """Free living: stays of random length at favourite spots, rooms chosen with the plan's unequal weights.

    `longer` says how many times the usual stay in each room is, see `longer_stays`.
    """
    often = (
        np.ones(len(house.spaces)) if longer is None else np.sqrt(longer)
    )  # half by more visits, half by longer ones
    spots = {
        space.name: [_random_point(space, generator) for _ in range(1 + int(space.living) + (space.kind == "hall"))]
        for space in house.spaces
    }
    weights = np.array([space.living for space in house.spaces])
    start = house.spaces[int(weights.argmax())]
    walker = _Walker(house, start, spots[start.name][0])
    visits = np.zeros(len(weights))
    while walker.times[-1] < seconds:
        here = house.spaces.index(walker.space)
        visits[here] += 1
        odds = weights / (1 + visits) if habits.gets_round else weights * often
        odds[here] *= 0.3  # another spot of the same room
        space = house.spaces[int(generator.choice(len(odds), p=odds / odds.sum()))]
        spot = spots[space.name][int(generator.integers(len(spots[space.name])))]
        walker.go(space, spot, WALK_SPEED_MPS)
        stay = STAY_S[space.kind] * often[house.spaces.index(space)]
        end = walker.times[-1] + 3.0 + generator.exponential(stay)
        facing = generator.uniform(-np.pi, np.pi)
        while walker.times[-1] < end:
            dx, dy = generator.normal(0.0, FIDGET_M, 2)
            walker.stand(generator.uniform(2.0, 10.0), facing, _inside(space, spot[0] + dx, spot[1] + dy))
            facing += generator.normal(0.0, 0.5)
    track = walker.track(generator)
    keep = slice(0, int(seconds * RATE_HZ))
    return Track(track.time_s[keep], track.position_m[keep], track.heading_rad[keep], track.label[keep])


def _inside(space: Space, x: float, y: float) -> Point:
    margin = WALL_DISTANCE_M
    return on_floor(
        space,
        float(np.clip(x, space.x + margin, space.x + space.width - margin)),
        float(np.clip(y, space.y + margin, space.y + space.height - margin)),
    )


def _random_point(space: Space, generator: np.random.Generator) -> Point:
    return _inside(
        space,
        generator.uniform(space.x, space.x + space.width),
        generator.uniform(space.y, space.y + space.height),
    )
