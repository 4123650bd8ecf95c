"""Decisions on the floor plan where samples have rooms but no positions: from the true room to the decided one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tinyloc.bundle.site import FloorPicture, Room, Site
from tinyloc.device.report.memory_plan import tick_distance
from tinyloc.device.report.position_errors import Picture, RoomShape, extent_of, picture_on, room_shape

BOUNDS = (0.5, 0.75, 0.9)
"""Of the share of right decisions in a room; each has a colour."""
ARROWS = 40
"""Of a floor: the most frequent mistakes."""
ROUND_ROOM = 0.12
"""Radius of the largest dot, of the longer side of the map."""

ASIDE, SHORTER = 0.012, 0.05
"""Of an arrow: how far it lies beside the line of both middles, and ends before the second, of the longer side."""


@dataclass(frozen=True)
class RoomDot:
    """Decisions whose true class is a room; metres, y downwards."""

    x: float
    y: float
    radius: float
    tone: int
    title: str


@dataclass(frozen=True)
class RoomArrow:
    """Decisions for a wrong room of the same floor; `width` in pixels."""

    x: float
    y: float
    to_x: float
    to_y: float
    width: float
    title: str


@dataclass(frozen=True)
class RoomFloor:
    """One floor: view box in metres, what lies behind, and the decisions of its rooms."""

    title: str
    left: float
    top: float
    width: float
    height: float
    picture: Picture | None
    rooms: list[RoomShape]
    dots: list[RoomDot]
    arrows: list[RoomArrow]
    access_points: list[tuple[float, float]]
    scale_bar: float


@dataclass(frozen=True)
class RoomFigure:
    """Maps of all floors, and the mistakes that no map shows."""

    floors: list[RoomFloor]
    bounds: list[str]
    elsewhere: int
    """Wrong decisions for another floor, or for a class that has no room."""


def pictures_of(site: Site) -> dict[int, FloorPicture]:
    """Index of a floor -> its picture, of those that have one."""
    return {number: floor.picture for number, floor in enumerate(site.floors) if floor.picture is not None}


def room_figure(site: Site, classes: Sequence[str], confusion: Sequence[Sequence[int]]) -> RoomFigure | None:
    """Maps of the decisions by room; None when no class has the name of a room.

    Args:
        site: rooms, pictures and access points.
        classes: C names.
        confusion: (C, C) decisions by true and decided class.
    """
    by_name = {room.name: room for room in site.rooms}
    rooms = {number: by_name[name] for number, name in enumerate(classes) if name in by_name}
    if not rooms:
        return None
    pictures = pictures_of(site)
    places = [(x, y) for x, y, _ in (at for at in site.access_point_m or [] if at is not None)]
    extent = extent_of(site.rooms, list(pictures.values()), [x for x, _ in places], [y for _, y in places])
    most = max(sum(confusion[number]) for number in rooms) or 1
    indices = sorted({room.floor for room in site.rooms})
    names = {number: floor.name for number, floor in enumerate(site.floors)}
    floors = [
        _floor(index, names.get(index, "Floor plan"), site.rooms, rooms, classes, confusion, extent, most, pictures,
               places)
        for index in indices
    ]  # fmt: skip
    shown = sum(
        confusion[true][decided]
        for true, room in rooms.items()
        for decided, other in rooms.items()
        if true != decided and room.floor == other.floor
    )
    wrong = sum(sum(row) - row[number] for number, row in enumerate(confusion))
    low, middle, high = (f"{100 * bound:.0f} %" for bound in BOUNDS)
    bounds = [f"at least {high} right", f"{middle} to {high}", f"{low} to {middle}", f"under {low}"]
    return RoomFigure(floors, bounds, wrong - shown)


def _floor(
    index: int, title: str, plan: Sequence[Room], rooms: Mapping[int, Room], classes: Sequence[str],
    confusion: Sequence[Sequence[int]], extent: tuple[float, float, float, float], most: int,
    pictures: Mapping[int, FloorPicture], places: list[tuple[float, float]],
) -> RoomFloor:  # fmt: skip
    left, top, right, bottom = extent
    longer = max(right - left, bottom - top, 1.0)
    margin = longer / 30
    here = {number: room for number, room in rooms.items() if room.floor == index}
    dots = [_dot(number, room, confusion[number], longer, most) for number, room in here.items()]
    pairs = [(confusion[true][decided], true, decided) for true in here for decided in here if true != decided]
    largest = sorted((pair for pair in pairs if pair[0]), reverse=True)[:ARROWS]
    arrows = [_arrow(count, here[true], here[decided], classes[true], classes[decided], largest[0][0], longer)
              for count, true, decided in largest]  # fmt: skip
    return RoomFloor(
        title=title,
        left=left - margin,
        top=top - margin,
        width=right - left + 2 * margin,
        height=bottom - top + 3 * margin,
        picture=picture_on(pictures[index]) if index in pictures else None,
        rooms=[room_shape(room) for room in plan if room.floor == index],
        dots=[dot for dot in dots if dot is not None],
        arrows=arrows,
        access_points=[(x, -y) for x, y in places],
        scale_bar=tick_distance(longer, 8),
    )


def _dot(number: int, room: Room, row: Sequence[int], longer: float, most: int) -> RoomDot | None:
    count = sum(row)
    if not count:
        return None
    right = row[number] / count
    x, y = room.middle_m
    tone = 3 - sum(right >= bound for bound in BOUNDS)
    title = f"{room.name}: {row[number]:,} of {count:,} decisions right"
    return RoomDot(x, -y, ROUND_ROOM * longer * (count / most) ** 0.5 / 2, tone, title)


def _arrow(count: int, true: Room, decided: Room, name: str, other: str, most: int, longer: float) -> RoomArrow:
    """Beside the line from middle to middle, so that both directions are seen, and a little shorter."""
    (x, y), (u, v) = true.middle_m, decided.middle_m
    far = math.hypot(u - x, v - y) or 1.0
    along_x, along_y = (u - x) / far, (v - y) / far
    aside, short = ASIDE * longer, min(SHORTER * longer, far / 4)
    x, y, u, v = (
        x + aside * along_y, y - aside * along_x, u + aside * along_y - short * along_x,
        v - aside * along_x - short * along_y,
    )  # fmt: skip
    return RoomArrow(x, -y, u, -v, 1 + 5 * count / most, f"{count:,} decisions for {other} in {name}")
