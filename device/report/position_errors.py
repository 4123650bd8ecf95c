"""Position errors as pictures: a map of where they happen and their cumulative distribution."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.site import Room
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
class FloorMap:
    """One floor: view box in metres, rooms behind, dots before."""

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


def storeys(heights: npt.NDArray[np.float64], floor_plan: Sequence[Room]) -> list[float]:
    """Height of each floor. With a plan of several floors they lie evenly between the lowest and the highest position
    (who stands on the stairs belongs to the nearer floor); without one the heights themselves tell."""
    planned = len({room.floor for room in floor_plan})
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


def _room_shape(room: Room) -> RoomShape:
    x, y = room.middle_m
    return RoomShape(room.name, [(u, -v) for u, v in room.outline_m], (x, -y))


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
) -> ErrorFigure | None:
    """Maps and distribution, None without positions.

    Args:
        positions: a decision, true x, y, z and predicted x, y, z in metres.
        floor_plan: rooms of the bundle.
        access_points: x, y, z of each in metres, None where unknown.
        known: p50, p75 and p90 as the tables have them; computed here without.
    """
    table = np.asarray(positions or np.empty((0, 6)), dtype=np.float64)
    table = table[np.isfinite(table[:, [0, 1, 3, 4]]).all(axis=1)]
    if not len(table):
        return None
    errors = position_errors(table)
    bounds, labels = _tones(errors)
    heights = np.nan_to_num(table[:, 2])
    levels = storeys(heights, floor_plan)
    floor_of = np.abs(heights[:, None] - np.asarray(levels)).argmin(axis=1)
    plan_floors = sorted({room.floor for room in floor_plan})
    shapes = [_room_shape(room) for room in floor_plan]
    edges = [(*room.low_m, *room.high_m) for room in floor_plan]
    left = min([float(table[:, 0].min()), *(low for low, _, _, _ in edges)])
    right = max([float(table[:, 0].max()), *(high for _, _, high, _ in edges)])
    top = min([float(-table[:, 1].max()), *(-high for _, _, _, high in edges)])
    bottom = max([float(-table[:, 1].min()), *(-low for _, low, _, _ in edges)])
    floors = []
    for number in range(len(levels)):
        here = floor_of == number
        rooms = shapes
        if len(plan_floors) > 1:
            wanted = plan_floors[number]
            rooms = [shape for shape, room in zip(shapes, floor_plan, strict=True) if room.floor == wanted]
        title = f"Floor {number}" if len(levels) > 1 else "Floor plan" if shapes else "True positions"
        mean = f", mean error {metres(float(errors[here].mean()))}" if here.any() else ""
        caption = f"{title}: {int(here.sum()):,} decisions{mean}"
        floors.append(_floor_map(caption, rooms, table[here, :2], errors[here], (left, top, right, bottom), bounds))
    floors = [_with_marks(floor, number, table, errors, floor_of, bounds, access_points, levels)
              for number, floor in enumerate(floors)]  # fmt: skip
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
    here = [
        (place[0], -place[1])
        for place in access_points
        if place is not None and int(np.abs(np.asarray(levels) - place[2]).argmin()) == number
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
