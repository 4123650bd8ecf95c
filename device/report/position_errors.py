"""Position errors as pictures: a map of where they happen and their cumulative distribution."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.site import FloorPicture, Room
from tinyloc.device.report.memory_plan import tick_distance
from tinyloc.device.report.numbers import metres

ARROWS = 60  # of a floor
MAP_CELLS = 44  # along the longer side
FLOOR_GAP_M = 1.5  # heights closer than this are one floor


@dataclass(frozen=True)
class Dot:
    """Decisions whose true position lies in one cell of the map; metres, y downwards as SVG has it."""

    x: float
    y: float
    radius: float
    tone: int
    title: str


@dataclass(frozen=True)
class RoomShape:
    """A room of the floor plan; metres, y downwards."""

    name: str
    corners: list[tuple[float, float]]
    middle: tuple[float, float]


@dataclass(frozen=True)
class Arrow:
    """From the true to the decided place of one decision; metres, y downwards."""

    x: float
    y: float
    to_x: float
    to_y: float
    tone: int


@dataclass(frozen=True)
class Picture:
    """A picture of the floor as a `data:` address; its upper left corner and size in metres, y downwards."""

    address: str
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True)
class FloorMap:
    """One floor: view box in metres, picture and rooms behind, dots before."""

    title: str
    left: float
    top: float
    width: float
    height: float
    rooms: list[RoomShape]
    dots: list[Dot]
    scale_bar: float  # metres
    arrows: list[Arrow] = field(default_factory=list)
    access_points: list[tuple[float, float]] = field(default_factory=list)
    picture: Picture | None = None


@dataclass(frozen=True)
class ErrorFigure:
    """Maps of all floors, the bounds of the colours and the distribution."""

    floors: list[FloorMap]
    bounds: list[str]  # label of each tone
    curve: list[tuple[float, float]]  # error and share of decisions, both in percent of the axes
    ticks: list[tuple[float, str]]  # x in percent, metres
    marks: list[tuple[float, float, str]]  # x and y in percent, label
    beyond: int  # decisions to the right of the axis
    heights: bool  # whether a true and a decided height differ anywhere


def position_errors(positions: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Distance between true and predicted position, metres; (N, 6) -> (N,). Heights count where both are known."""
    return np.asarray(np.linalg.norm(np.nan_to_num(positions[:, :3] - positions[:, 3:]), axis=1), dtype=np.float64)


def floor_levels(heights: npt.NDArray[np.float64]) -> list[float]:
    """Distinct floor heights: sorted heights are cut wherever they jump by more than FLOOR_GAP_M."""
    ordered = np.unique(heights)
    groups = np.split(ordered, np.flatnonzero(np.diff(ordered) > FLOOR_GAP_M) + 1)
    return [float(group.mean()) for group in groups]


def storeys(heights: npt.NDArray[np.float64], planned: int) -> list[float]:
    """Height of each floor. With a plan of several floors they lie evenly between the lowest and the highest position
    (who stands on the stairs belongs to the nearer floor); without one (0) the heights themselves tell."""
    if planned > 1:
        return [float(height) for height in np.linspace(heights.min(), heights.max(), planned)]
    return [float(heights.mean())] if planned == 1 else floor_levels(heights)


def _tones(errors: npt.NDArray[np.float64]) -> tuple[npt.NDArray[np.float64], list[str]]:
    bounds = np.unique(np.percentile(errors, [50, 75, 90]))
    labels = [f"up to {metres(bounds[0])}"]
    labels += [f"{metres(low)} to {metres(high)}" for low, high in itertools.pairwise(bounds)]
    labels.append(f"over {metres(bounds[-1])}")
    return bounds, labels


def _dots(
    true: npt.NDArray[np.float64], errors: npt.NDArray[np.float64], cell: float, bounds: npt.NDArray[np.float64]
) -> list[Dot]:
    cells: dict[tuple[int, int], list[int]] = {}
    for index, (x, y) in enumerate(np.floor(true / cell).astype(int)):
        cells.setdefault((int(x), int(y)), []).append(index)
    most = max(len(found) for found in cells.values())
    dots = []
    for found in (cells[key] for key in sorted(cells)):
        mean = float(errors[found].mean())
        x, y = true[found].mean(axis=0).tolist()
        dots.append(
            Dot(
                x=x,
                y=-y,
                radius=cell * (0.25 + 0.3 * (len(found) / most) ** 0.5),
                tone=int(np.searchsorted(bounds, mean)),
                title=f"{len(found)} decisions, mean error {metres(mean)}",
            )
        )
    return dots


def room_shape(room: Room) -> RoomShape:
    x, y = room.middle_m
    return RoomShape(room.name, [(u, -v) for u, v in room.outline_m], (x, -y))


def picture_on(picture: FloorPicture) -> Picture:
    """The picture where it lies."""
    height = picture.height_m
    return Picture(picture.address, picture.left_m, -picture.bottom_m - height, picture.width_m, height)


def extent_of(
    rooms: Sequence[Room], pictures: Sequence[FloorPicture], x: Sequence[float] = (), y: Sequence[float] = ()
) -> tuple[float, float, float, float]:
    """left, top, right, bottom of all that is drawn, in metres, y downwards; x and y of further points."""
    edges = [(*room.low_m, *room.high_m) for room in rooms]
    edges += [(one.left_m, one.bottom_m, one.left_m + one.width_m, one.bottom_m + one.height_m) for one in pictures]
    edges += list(zip(x, y, x, y, strict=True))
    return (
        min(low for low, _, _, _ in edges),
        min(-high for _, _, _, high in edges),
        max(high for _, _, high, _ in edges),
        max(-low for _, low, _, _ in edges),
    )


def _floor_map(
    title: str,
    rooms: list[RoomShape],
    true: npt.NDArray[np.float64],
    errors: npt.NDArray[np.float64],
    extent: tuple[float, float, float, float],
    bounds: npt.NDArray[np.float64],
) -> FloorMap:
    left, top, right, bottom = extent
    longer = max(right - left, bottom - top, 1.0)
    margin = longer / 30
    return FloorMap(
        title=title,
        left=left - margin,
        top=top - margin,
        width=right - left + 2 * margin,
        height=bottom - top + 3 * margin,
        rooms=rooms,
        dots=_dots(true, errors, longer / MAP_CELLS, bounds) if len(errors) else [],
        scale_bar=tick_distance(longer, 8),
    )


def error_figure(
    positions: list[list[float]] | None,
    floor_plan: Sequence[Room],
    access_points: Sequence[tuple[float, float, float] | None] = (),
    known: Mapping[str, float] | None = None,
    pictures: Mapping[int, FloorPicture] | None = None,
    class_floors: Sequence[int] = (),
    names: Sequence[str] = (),
) -> ErrorFigure | None:
    """Maps and distribution, None without positions.

    Args:
        positions: a decision, true x, y, z and predicted x, y, z in metres.
        floor_plan: rooms of the bundle.
        access_points: x, y, z of each in metres, None where unknown.
        known: p50, p75 and p90 as the tables have them; computed here without.
        pictures: index of a floor -> its picture.
        class_floors: index of the true class's floor of each decision, -1 where unknown; empty: heights tell.
        names: of the floors, by index; a floor without one gets its number.
    """
    pictures = pictures or {}
    table = np.asarray(positions or np.empty((0, 6)), dtype=np.float64)
    kept = np.isfinite(table[:, [0, 1, 3, 4]]).all(axis=1)
    of_class = np.asarray(class_floors if len(class_floors) == len(table) else np.full(len(table), -1), dtype=int)[kept]
    table = table[kept]
    if not len(table):
        return None
    errors = position_errors(table)
    bounds, labels = _tones(errors)
    heights = np.nan_to_num(table[:, 2])
    plan_floors = sorted({*(room.floor for room in floor_plan), *pictures})
    told = len(plan_floors) > 1 and bool(np.isin(of_class, plan_floors).all())
    levels = storeys(heights, len(plan_floors))
    floor_of = np.abs(heights[:, None] - np.asarray(levels)).argmin(axis=1)
    floor_of = np.searchsorted(plan_floors, of_class) if told else floor_of
    extent = extent_of(floor_plan, list(pictures.values()), table[:, 0].tolist(), table[:, 1].tolist())
    floors = []
    for number in range(len(levels)):
        here = floor_of == number
        index = plan_floors[number] if plan_floors else 0
        rooms = [room_shape(room) for room in floor_plan if room.floor == index]
        number_or_kind = f"Floor {number}" if len(levels) > 1 else "Floor plan" if plan_floors else "True positions"
        named = plan_floors and index < len(names) and names[index] != f"floor {index}"  # what none is called
        title = names[index] if named else number_or_kind
        mean = f", mean error {metres(float(errors[here].mean()))}" if here.any() else ""
        caption = f"{title}: {int(here.sum()):,} decisions{mean}"
        drawn = _floor_map(caption, rooms, table[here, :2], errors[here], extent, bounds)
        if index in pictures:
            drawn = replace(drawn, picture=picture_on(pictures[index]))
        floors.append(_with_marks(drawn, number, table, errors, floor_of, bounds, access_points, levels))
    differ = bool(np.nan_to_num(table[:, 2] - table[:, 5]).any())
    return _with_distribution(floors, labels, errors, differ, known or {})


def _with_marks(
    floor: FloorMap, number: int, table: npt.NDArray[np.float64], errors: npt.NDArray[np.float64],
    floor_of: npt.NDArray[np.int64], bounds: npt.NDArray[np.float64],
    access_points: Sequence[tuple[float, float, float] | None], levels: Sequence[float],
) -> FloorMap:  # fmt: skip
    """Arrows of evenly drawn decisions, and the access points of the floor."""
    rows = np.flatnonzero(floor_of == number)
    chosen = rows[np.linspace(0, len(rows) - 1, min(ARROWS, len(rows))).astype(int)] if len(rows) else rows
    arrows = [
        Arrow(float(x), -float(y), float(u), -float(v), int(np.searchsorted(bounds, errors[row])))
        for row in chosen
        for x, y, u, v in [table[row, [0, 1, 3, 4]]]
    ]
    flat = len(set(levels)) < len(levels)  # heights do not tell: on every floor
    here = [
        (place[0], -place[1])
        for place in access_points
        if place is not None and (flat or int(np.abs(np.asarray(levels) - place[2]).argmin()) == number)
    ]
    return replace(floor, arrows=arrows, access_points=here)


def _with_distribution(
    floors: list[FloorMap], labels: list[str], errors: npt.NDArray[np.float64], heights: bool,
    known: Mapping[str, float],
) -> ErrorFigure:  # fmt: skip
    limit = max(float(np.percentile(errors, 98)), 1e-3)
    apart = tick_distance(limit, 6)
    shares = np.linspace(0, 100, 201)
    reached = np.percentile(errors, shares)
    curve = [(100 * float(e) / limit, float(s)) for s, e in zip(shares, reached, strict=True) if e <= limit]
    marks = []
    for name, percentile in (("P50", 50), ("P75", 75), ("P90", 90)):
        value = known.get(name.lower(), float(np.percentile(errors, percentile)))
        marks.append((100 * value / limit, float(percentile), f"{name} {metres(value)}"))
    ticks = [(100 * step * apart / limit, f"{step * apart:.3g}") for step in range(int(limit / apart) + 1)]
    return ErrorFigure(floors, labels, [(0.0, 0.0), *curve], ticks, marks, int((errors > limit).sum()), heights)
