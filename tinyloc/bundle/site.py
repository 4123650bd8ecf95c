"""Where the data were taken: floors, rooms, access points. Drawn in reports; a device reads none of it."""

import base64
import binascii
from typing import Annotated

from pydantic import Field, model_validator

from tinyloc.bundle.pictures import PictureError, picture_size
from tinyloc.bundle.quantities import Index, Metres, Place, Point
from tinyloc.names import Line
from tinyloc.strict import Strict

MOST_PICTURE_BYTES = 2_000_000
"""Of a picture that travels in bundles, evaluations and reports."""


class FloorPicture(Strict):
    """A picture of a floor, which the report draws behind everything else."""

    content: Annotated[str, Field(max_length=4 * (MOST_PICTURE_BYTES // 3 + 1))]
    """The PNG or JPEG file in base64."""
    metres_per_pixel: Annotated[float, Field(gt=0, le=100)]
    """Scale of the picture."""
    left_m: Metres = 0.0
    """x of its left edge."""
    bottom_m: Metres = 0.0
    """y of its lower edge."""

    @model_validator(mode="after")
    def _is_a_picture(self) -> "FloorPicture":
        try:
            picture_size(self.file)
        except (PictureError, binascii.Error, ValueError) as error:
            raise ValueError(f"content: {error}") from error
        return self

    @classmethod
    def of_file(cls, file: bytes, metres_per_pixel: float, left_m: float, bottom_m: float) -> "FloorPicture":
        """The picture of a file's bytes. Raises pydantic's ValidationError for no PNG or JPEG."""
        content = base64.b64encode(file).decode("ascii")
        return cls(content=content, metres_per_pixel=metres_per_pixel, left_m=left_m, bottom_m=bottom_m)

    @property
    def file(self) -> bytes:
        """The PNG or JPEG file."""
        return base64.b64decode(self.content, validate=True)

    @property
    def width_m(self) -> float:
        """Width in metres."""
        return picture_size(self.file)[1] * self.metres_per_pixel

    @property
    def height_m(self) -> float:
        """Height in metres."""
        return picture_size(self.file)[2] * self.metres_per_pixel

    @property
    def address(self) -> str:
        """The picture as a `data:` address for HTML."""
        kind = {"png": "png", "jpg": "jpeg"}[picture_size(self.file)[0]]
        return f"data:image/{kind};base64,{self.content}"


class Floor(Strict):
    """A storey of a building."""

    name: Line
    """Name of the floor, such as "ground floor", or "B0 F1" in building 0."""
    building: Line | None = None
    """Name of the building, where the data have several."""
    height_m: Metres | None = None
    """Height of its boards in metres, where known."""
    picture: FloorPicture | None = None
    """Picture of the floor for reports."""


class Room(Strict):
    """A room of the floor plan."""

    name: Line
    """Name of the room; that of its class, where it has one."""
    outline_m: list[Point] = Field(min_length=3)
    """Corners x, y in metres, in order around the room, the first not repeated."""
    floor: Index = 0
    """Index in `site.floors`."""

    @model_validator(mode="after")
    def _encloses_something(self) -> "Room":
        if not self.area_m2 > 0:
            raise ValueError(f"the outline of {self.name!r} encloses no area; list its corners in order")
        return self

    @classmethod
    def rectangle(cls, name: str, x: float, y: float, width: float, height: float, floor: int = 0) -> "Room":
        """A room with walls along the axes; x, y is its corner of the smallest coordinates, all in metres."""
        corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        return cls(name=name, outline_m=corners, floor=floor)

    @property
    def area_m2(self) -> float:
        """Enclosed area. Source: the shoelace formula."""
        around = zip(self.outline_m, [*self.outline_m[1:], self.outline_m[0]], strict=True)
        return abs(sum(x * v - u * y for (x, y), (u, v) in around)) / 2

    @property
    def low_m(self) -> tuple[float, float]:
        """Smallest x and y."""
        return min(x for x, _ in self.outline_m), min(y for _, y in self.outline_m)

    @property
    def high_m(self) -> tuple[float, float]:
        """Largest x and y."""
        return max(x for x, _ in self.outline_m), max(y for _, y in self.outline_m)

    @property
    def middle_m(self) -> tuple[float, float]:
        """Middle of the smallest rectangle around it."""
        (x, y), (u, v) = self.low_m, self.high_m
        return (x + u) / 2, (y + v) / 2


class Site(Strict):
    """Floors, rooms and access points, as far as the data set knows them."""

    floors: Annotated[list[Floor], Field(max_length=1000)] = Field(default_factory=list)
    """Floors from the lowest up, or in the order of the data set; rooms and classes name them by index."""
    rooms: Annotated[list[Room], Field(max_length=10_000)] = Field(default_factory=list)
    """Rooms, which the report draws behind its map."""
    access_point_m: list[Place | None] | None = None
    """Position x, y, z in metres of each of `preprocessing.access_points`, null where unknown."""

    @model_validator(mode="after")
    def _floors_are_there(self) -> "Site":
        lost = sorted({room.floor for room in self.rooms if room.floor >= len(self.floors)})
        if lost:
            raise ValueError(f"rooms lie on floors {', '.join(map(str, lost))} of {len(self.floors)} floors")
        return self
