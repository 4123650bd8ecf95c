"""The plan of a home: floors with a picture and a scale, rooms as polygons, beacons. Metres; y points up the page."""

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, model_validator

from tinyloc.bundle.quantities import Metres, Point
from tinyloc.bundle.site import Room, Site
from tinyloc.names import FileName, Line, printable, repeated

MOST_ROOMS, MOST_BEACONS, MOST_FLOORS, MOST_CORNERS = 500, 1000, 50, 200


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class PlanFloor(_Part):
    """A storey."""

    name: Line
    image: FileName | None = None
    """File beside survey.toml that is drawn behind the rooms; its lower left corner is x = 0, y = 0."""
    metres_per_pixel: float = Field(default=0.01, gt=0, le=100)
    """Scale of the image, from one length that is known."""
    width_px: int = Field(default=0, ge=0, le=100_000)
    """Size of the image; 0 without one."""
    height_px: int = Field(default=0, ge=0, le=100_000)


class PlanRoom(_Part):
    """A room; its name is the label of what is recorded in it."""

    name: Line
    outline: Annotated[list[Point], Field(min_length=3, max_length=MOST_CORNERS)]
    """Corners x, y in metres in order around the room."""
    floor: int = Field(default=0, ge=0, lt=MOST_FLOORS)

    @model_validator(mode="after")
    def _encloses(self) -> "PlanRoom":
        self.shape()
        return self

    def shape(self) -> Room:
        """The room as bundles have it; ValueError when it encloses no area."""
        return Room(name=self.name, outline_m=self.outline, floor=self.floor)

    def holds(self, x: float, y: float) -> bool:
        """Whether a point lies in the room. Source: the crossing-number test."""
        inside = False
        for (x1, y1), (x2, y2) in zip(self.outline, [*self.outline[1:], self.outline[0]], strict=True):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) * (x2 - x1) / (y2 - y1):
                inside = not inside
        return inside


class Beacon(_Part):
    """Where a beacon is fixed."""

    id: Line
    x: Metres
    y: Metres
    z: Metres | None = None
    """Height above the ground floor's boards."""
    floor: int = Field(default=0, ge=0, lt=MOST_FLOORS)


class Plan(_Part):
    """Everything that is drawn."""

    floors: Annotated[list[PlanFloor], Field(min_length=1, max_length=MOST_FLOORS)] = [PlanFloor(name="ground floor")]
    rooms: Annotated[list[PlanRoom], Field(max_length=MOST_ROOMS)] = []
    beacons: Annotated[list[Beacon], Field(max_length=MOST_BEACONS)] = []

    @model_validator(mode="after")
    def _fits(self) -> "Plan":
        wrong = []
        for what, names in (
            ("room", [room.name for room in self.rooms]),
            ("beacon", [beacon.id for beacon in self.beacons]),
            ("floor", [floor.name for floor in self.floors]),
        ):
            wrong += [f"two {what}s are called {printable(name)!r}" for name in repeated(names)]
        used = {room.floor for room in self.rooms} | {beacon.floor for beacon in self.beacons}
        lost = sorted(floor for floor in used if floor >= len(self.floors))
        if lost:
            wrong.append(f"something lies on floor {lost[0] + 1} of {len(self.floors)}")
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    def room_at(self, x: float, y: float, floor: int) -> str | None:
        """The room that a tap means: the smallest that holds the point."""
        found = [room for room in self.rooms if room.floor == floor and room.holds(x, y)]
        return min(found, key=lambda room: room.shape().area_m2).name if found else None


def plan_of_site(site: Site, access_points: Sequence[str]) -> Plan:
    """The plan of a bundle: rooms and known access points, for a model that comes without a survey."""
    floors = [PlanFloor(name=floor.name) for floor in site.floors] or [PlanFloor(name="ground floor")]
    rooms = [PlanRoom(name=room.name, outline=room.outline_m, floor=room.floor) for room in site.rooms]
    places = zip(access_points, site.access_point_m or [], strict=False)
    beacons = [Beacon(id=name, x=at[0], y=at[1], z=at[2]) for name, at in places if at is not None]
    return Plan(floors=floors, rooms=rooms, beacons=beacons)
