"""Buildings that differ: a corridor with rooms behind doors, anchors, and routes from room to room.

A building is drawn from its seed. Training, choosing of settings and tests take different buildings; results name them.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.simulation.sites import CONCRETE, PLASTER, SHAFT, Material, Site, Wall, box

Floats = npt.NDArray[np.float64]
CORRIDOR_M = 2.0
DOOR_M = 1.0
RATE_HZ = 5.0


@dataclass(frozen=True)
class Building:
    """A place with its rooms: middle and door of each."""

    site: Site
    rooms_m: tuple[tuple[float, float], ...]
    doors_m: tuple[tuple[float, float], ...]
    """Where a room opens to the corridor."""
    corridor_y_m: float


def building(seed: int) -> Building:
    """The building of that seed, the same everywhere."""
    generator = np.random.default_rng([seed, *b"building"])
    length = float(generator.uniform(18.0, 34.0))
    depth = float(generator.uniform(4.0, 7.0))
    middle = depth + CORRIDOR_M / 2
    height = 2 * depth + CORRIDOR_M
    inner: Material = CONCRETE if generator.random() < 0.5 else PLASTER
    walls = [
        Wall(0, 0, length, 0, CONCRETE),
        Wall(length, 0, length, height, CONCRETE),
        Wall(length, height, 0, height, CONCRETE),
        Wall(0, height, 0, 0, CONCRETE),
    ]
    rooms, doors = [], []
    for lower in (True, False):
        edge = depth if lower else depth + CORRIDOR_M
        far = 0.0 if lower else height
        x = 0.0
        while x < length - 1e-6:
            wide = float(generator.uniform(4.0, 8.0))
            end = length if length - x - wide < 4.0 else x + wide
            door = float(generator.uniform(x + 0.8, end - 0.8 - DOOR_M))
            walls += [Wall(x, edge, door, edge, inner), Wall(door + DOOR_M, edge, end, edge, inner)]
            if end < length:
                walls.append(Wall(end, edge, end, far, inner if generator.random() < 0.7 else PLASTER))
            rooms.append(((x + end) / 2, (edge + far) / 2))
            doors.append((door + DOOR_M / 2, edge))
            if generator.random() < 0.15:  # a lift or ducts in the corner of a room
                size = float(generator.uniform(1.0, 1.6))
                a, b = end - 0.2 - size, (far + 0.2 if lower else far - 0.2 - size)
                walls += box(a, b, a + size, b + size, SHAFT)
            x = end
    count = int(generator.integers(5, 9))
    along = np.linspace(1.0, length - 1.0, count) + generator.uniform(-0.8, 0.8, count)
    across = np.where(
        generator.random(count) < 0.5,
        generator.uniform(0.3, height - 0.3, count),
        np.where(np.arange(count) % 2 == 0, 0.3, height - 0.3),
    )
    anchors = tuple((float(x), float(y)) for x, y in zip(np.clip(along, 0.3, length - 0.3), across, strict=True))
    site = Site(
        name=f"building-{seed}",
        title=f"corridor of {length:.0f} m, {len(rooms)} rooms, {'concrete' if inner is CONCRETE else 'plaster'} walls",
        anchors_m=anchors,
        walls=tuple(walls),
        route_m=(),
        rate_hz=RATE_HZ,
    )
    return Building(site, tuple(rooms), tuple(doors), middle)


def route(place: Building, generator: np.random.Generator, stops: int) -> tuple[Floats, list[float]]:
    """Corners (n, 2) of a way through so many rooms, and for how long somebody stands at each: at doors, and inside."""
    order = generator.permutation(len(place.rooms_m))
    while len(order) < stops:
        order = np.concatenate([order, generator.permutation(len(place.rooms_m))])
    corners: list[tuple[float, float]] = []
    pauses: list[float] = []

    def go(x: float, y: float, pause: float = 0.0, spread: float = 0.15) -> None:
        corners.append((x + float(generator.uniform(-spread, spread)), y + float(generator.uniform(-spread, spread))))
        pauses.append(pause)

    for number, room in enumerate(order[:stops].tolist()):
        (x, y), (door, edge) = place.rooms_m[room], place.doors_m[room]
        inside = edge + (0.7 if y > edge else -0.7)
        outside = edge + (-0.8 if y > edge else 0.8)
        if number:
            go(door, outside, spread=0.1)
            go(door, edge, float(generator.uniform(0.8, 2.5)) if generator.random() < 0.5 else 0.0, 0.05)
            go(door, inside, spread=0.1)
        go(x, y, float(generator.uniform(1.0, 8.0)) if generator.random() < 0.5 else 0.0, 0.8)
        if number + 1 < stops:
            go(door, inside, spread=0.1)
            go(door, outside, spread=0.1)
    return np.array(corners), pauses
