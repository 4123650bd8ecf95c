"""Walks that assume no answer: other people, buildings and routes, measured range errors; or a measured trajectory."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.simulation.buildings import Building, route
from tinyloc.training.fusion.simulation.gait import Inertial, Motion, travel
from tinyloc.training.fusion.simulation.range_errors import KINDS, RangeErrors
from tinyloc.training.fusion.simulation.ranging import BODY_ANGLE
from tinyloc.training.fusion.simulation.simulate import HEADING_ERROR, Walk
from tinyloc.training.fusion.simulation.sites import CONCRETE, PLASTER, SHAFT, Site, Wall, crossings
from tinyloc.training.fusion.simulation.walker import along, person, readings

Floats = npt.NDArray[np.float64]
CALIBRATION_M = 0.03
LOSS = {"sight": 0.02, "person": 0.05, "wall": 0.05, "deep": 0.25}
"""Share of exchanges that fail (ours, as in ranging.py)."""
DEEP_WALLS = 2
"""So many concrete walls, or a shaft, let reflections through only."""
BLOCKED_WALK = 0.15
"""A walk is called blocked when the mean share of its ranges of kind "deep" is at least this."""
EVERY_S, STAY_S = 15.0, 4.0
"""Other people step before an anchor: mean time between, mean stay (ours)."""


@dataclass(frozen=True)
class FieldWalk:
    """A walk and what it is."""

    walk: Walk
    place: str
    deep: float
    """Share of ranges of kind "deep"."""
    source: str = "simulated"

    @property
    def blocked(self) -> bool:
        return self.deep >= BLOCKED_WALK


def simulate_field(place: Building, seed: int, errors: RangeErrors, stops: int = 5) -> FieldWalk:
    """The walk of that seed in a building: a person, a route with doors and stops, ranges, inertial readings."""
    generator = np.random.default_rng([seed, *place.site.name.encode()])
    who = person(generator)
    corners, pauses = route(place, generator, stops)
    motion = travel(corners, who.pace_mps, pauses)
    inertial = readings(motion, who, generator)
    return _walk(f"{place.site.name}-{seed}", place.site, motion, inertial, errors, generator, "simulated")


def semi_real(
    name: str, time_s: Floats, points: Floats, seed: int, errors: RangeErrors
) -> FieldWalk:  # fmt: skip
    """A measured trajectory (n, 2) in a building drawn around it: walls that it does not cross, anchors, a person."""
    generator = np.random.default_rng([seed, *name.encode()])
    who = person(generator)
    motion = along(time_s, points)
    site = _around(f"{name}-{seed}", motion.position_m[::20], generator)
    return _walk(site.name, site, motion, readings(motion, who, generator), errors, generator, "semi-real")


def with_imu(walk: Walk, seed: int) -> Walk:
    """A recording of real ranges, with inertial readings simulated along its measured trajectory.

    Epochs before and after the reference are cut off; time begins three seconds before the first that is left.
    """
    known = np.flatnonzero(np.isfinite(walk.truth_m).all(axis=1))
    rows = slice(int(known[0]), int(known[-1]) + 1)
    truth = walk.truth_m[rows]
    sound = np.isfinite(truth).all(axis=1)
    generator = np.random.default_rng([seed, *walk.name.encode()])
    motion = along(walk.time_s[rows][sound], truth[sound])
    inertial = readings(motion, person(generator), generator)
    return replace(
        walk,
        time_s=walk.time_s[rows] - walk.time_s[rows][0] + 3.0,
        ranges_m=walk.ranges_m[rows],
        truth_m=truth,
        imu=inertial,
        start_heading=float(motion.heading[0] + generator.normal(0.0, HEADING_ERROR)),
    )


def _walk(
    name: str, site: Site, motion: Motion, inertial: Inertial, errors: RangeErrors, generator: np.random.Generator,
    source: str,
) -> FieldWalk:  # fmt: skip
    time = np.arange(0.1, motion.time_s[-1], 1.0 / site.rate_hz)
    points = np.stack([np.interp(time, motion.time_s, motion.position_m[:, axis]) for axis in range(2)], axis=1)
    heading = np.interp(time, motion.time_s, motion.heading)
    kind = kinds(site, time, points, heading, generator)
    walked = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])
    distance = np.linalg.norm(site.anchors[None] - points[:, None], axis=2)
    crossed = crossings(site, points) @ np.array([wall.material.excess_m for wall in site.walls])
    ranges = distance + crossed + errors.draw(kind, walked, time, generator)
    ranges += generator.normal(0.0, CALIBRATION_M, len(site.anchors))
    ranges = np.maximum(ranges, 0.0)
    ranges[generator.random(kind.shape) < np.array([LOSS[name] for name in KINDS])[kind]] = np.nan
    walk = Walk(
        name=name,
        anchors_m=site.anchors,
        time_s=time,
        ranges_m=ranges,
        truth_m=points,
        imu=inertial,
        start_heading=float(motion.heading[0] + generator.normal(0.0, HEADING_ERROR)),
        obstacles=kind,
    )
    return FieldWalk(walk, site.name, float((kind == KINDS.index("deep")).mean()), source)


def kinds(
    site: Site, time_s: Floats, points: Floats, heading: Floats, generator: np.random.Generator
) -> npt.NDArray[np.int64]:
    """What stands between each point (N, 2) and anchor, by geometry: (N, A) index into KINDS."""
    crossed = crossings(site, points)
    concrete = crossed @ np.array([wall.material is CONCRETE for wall in site.walls], dtype=np.int64)
    shaft = crossed @ np.array([wall.material is SHAFT for wall in site.walls], dtype=np.int64)
    away = site.anchors[None] - points[:, None]
    behind = np.cos(np.arctan2(away[..., 1], away[..., 0]) - heading[:, None]) < np.cos(BODY_ANGLE)
    kind = np.where(behind | _others(time_s, len(site.anchors), generator), KINDS.index("person"), 0)
    kind = np.where(crossed.any(axis=2), KINDS.index("wall"), kind)
    return np.asarray(np.where((concrete >= DEEP_WALLS) | (shaft > 0), KINDS.index("deep"), kind))


def _others(time_s: Floats, anchors: int, generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Whether another person stands before an anchor: (N, A)."""
    there = np.zeros((len(time_s), anchors), dtype=bool)
    for anchor in range(anchors):
        now = float(time_s[0])
        while now < time_s[-1]:
            now += float(generator.exponential(EVERY_S))
            stay = float(generator.exponential(STAY_S))
            there[(time_s >= now) & (time_s < now + stay), anchor] = True
            now += stay
    return there


def _around(name: str, path: Floats, generator: np.random.Generator) -> Site:
    """A site around a path (n, 2): anchors on the edge and inside, walls of 2 to 10 m that the path does not cross."""
    low, high = path.min(axis=0) - 2.0, path.max(axis=0) + 2.0
    count = int(generator.integers(5, 8))
    turn = (np.arange(count) + generator.uniform(-0.2, 0.2, count)) * 2 * np.pi / count
    middle, half = (low + high) / 2, (high - low) / 2
    rim = np.stack([np.cos(turn), np.sin(turn)], axis=1)
    anchors = middle + half * rim / np.maximum(np.abs(rim).max(axis=1, keepdims=True), 1e-9)
    walls: list[Wall] = []
    tried = 0
    wanted = int(generator.integers(6, 25))
    while len(walls) < wanted and tried < 400:
        tried += 1
        start = generator.uniform(low, high)
        length = float(generator.uniform(2.0, 10.0))
        end = start + (np.array([length, 0.0]) if generator.random() < 0.5 else np.array([0.0, length]))
        material = (CONCRETE, PLASTER, SHAFT)[int(generator.choice(3, p=[0.55, 0.3, 0.15]))]
        wall = Wall(float(start[0]), float(start[1]), float(end[0]), float(end[1]), material)
        if not _crosses(path, start, end):
            walls.append(wall)
    return Site(
        name=name,
        title=f"around {name}",
        anchors_m=tuple((float(x), float(y)) for x, y in anchors),
        walls=tuple(walls),
        route_m=(),
        rate_hz=5.0,
    )


def _crosses(path: Floats, start: Floats, end: Floats) -> bool:
    """Whether a path comes within 0.4 m of a wall that runs along x or y."""
    low, high = np.minimum(start, end) - 0.4, np.maximum(start, end) + 0.4
    steps = np.linspace(0.0, 1.0, 5)[:, None, None]
    dense = (path[:-1] + steps * np.diff(path, axis=0)).reshape(-1, 2)
    return bool(((dense > low) & (dense < high)).all(axis=1).any())
