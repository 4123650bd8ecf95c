"""Floor plans of the simulated houses: rectangles, doors and access points, in metres.

The counts of access points and classes are those of the four houses of Byrne et al. 2018 (8/4, 11/11, 11/9, 11/10);
the plans themselves are ours. Floor 0 has z = 0 at its boards, floor 1 z = STOREY_M.
"""

from dataclasses import dataclass
from typing import Literal

from tinyloc.bundle.site import Room

STOREY_M = 2.7

Kind = Literal["room", "hall", "stairs", "garden"]


@dataclass(frozen=True)
class Space:
    """A class: a rectangle of the plan. Stairs lie on floor 0 and rise along x from their left to their right edge."""

    name: str
    x: float
    y: float
    width: float
    height: float
    floor: int = 0
    kind: Kind = "room"
    living: float = 1.0
    """Weight of the room when somebody living there chooses where to stay next; 0 = passed through only."""

    @property
    def centre(self) -> tuple[float, float, float]:
        """x, y, z of the middle of the floor; on the stairs half way up."""
        z = STOREY_M / 2 if self.kind == "stairs" else self.floor * STOREY_M
        return self.x + self.width / 2, self.y + self.height / 2, z

    def room(self) -> Room:
        return Room.rectangle(self.name, self.x, self.y, self.width, self.height, self.floor)


@dataclass(frozen=True)
class Door:
    """An opening between two spaces, at a point that both touch."""

    spaces: tuple[str, str]
    x: float
    y: float
    floor: int = 0


@dataclass(frozen=True)
class House:
    """One simulated house. Access points are x, y, z in metres."""

    name: str
    spaces: tuple[Space, ...]
    doors: tuple[Door, ...]
    access_points: tuple[tuple[float, float, float], ...]

    def space(self, name: str) -> Space:
        return next(space for space in self.spaces if space.name == name)


HOUSE_A = House(
    name="house-a",  # a flat: one floor
    spaces=(
        Space("foyer", 3.6, 0.0, 2.2, 3.2, kind="hall", living=0.5),
        Space("bedroom", 0.0, 0.0, 3.6, 5.6, living=3.0),
        Space("living room", 3.6, 3.2, 5.4, 4.4, living=5.0),
        Space("bathroom", 5.8, 0.0, 3.2, 3.2, living=1.0),
    ),
    doors=(
        Door(("foyer", "bedroom"), 3.6, 1.6),
        Door(("foyer", "living room"), 4.7, 3.2),
        Door(("foyer", "bathroom"), 5.8, 1.4),
    ),
    access_points=(
        (0.3, 0.4, 1.8), (0.4, 5.2, 0.6), (3.3, 5.3, 2.0), (4.6, 0.3, 2.1),
        (8.7, 0.4, 1.9), (8.7, 4.0, 1.0), (6.2, 7.3, 1.6), (4.0, 7.2, 0.5),
    ),
)  # fmt: skip

HOUSE_B = House(
    name="house-b",
    spaces=(
        Space("hall", 4.0, 0.0, 1.6, 5.0, kind="hall", living=0.4),
        Space("living room", 0.0, 0.0, 4.0, 4.6, living=5.0),
        Space("dining room", 0.0, 4.6, 4.0, 3.6, living=1.5),
        Space("kitchen", 4.0, 5.0, 5.0, 3.2, living=3.0),
        Space("toilet", 5.6, 3.2, 3.4, 1.8, living=0.5),
        Space("stairs", 5.6, 0.0, 3.4, 1.2, kind="stairs", living=0.0),
        Space("garden", 0.0, 8.2, 9.0, 4.5, kind="garden", living=0.6),
        Space("landing", 5.0, 1.2, 4.0, 3.0, floor=1, kind="hall", living=0.2),
        Space("front bedroom", 0.0, 0.0, 5.0, 3.8, floor=1, living=3.0),
        Space("back bedroom", 0.0, 3.8, 5.0, 4.4, floor=1, living=1.5),
        Space("bathroom", 5.0, 4.2, 4.0, 4.0, floor=1, living=1.0),
    ),
    doors=(
        Door(("hall", "living room"), 4.0, 2.4),
        Door(("hall", "kitchen"), 4.8, 5.0),
        Door(("hall", "toilet"), 5.6, 4.2),
        Door(("hall", "stairs"), 5.6, 0.6),
        Door(("living room", "dining room"), 2.0, 4.6),
        Door(("dining room", "kitchen"), 4.0, 6.6),
        Door(("kitchen", "garden"), 6.5, 8.2),
        Door(("stairs", "landing"), 9.0, 1.2, floor=1),
        Door(("landing", "front bedroom"), 5.0, 2.8, floor=1),
        Door(("landing", "back bedroom"), 5.0, 4.0, floor=1),
        Door(("landing", "bathroom"), 7.0, 4.2, floor=1),
    ),
    access_points=(
        (0.3, 0.4, 1.2), (3.6, 4.2, 2.0), (0.4, 7.8, 1.0), (4.3, 0.3, 2.1), (8.6, 7.8, 1.5), (8.7, 3.4, 1.9),
        (4.6, 8.0, 2.2), (0.4, 0.4, 3.9), (4.6, 3.9, 4.8), (0.4, 7.8, 3.5), (8.6, 7.6, 4.6),
    ),
)  # fmt: skip

HOUSE_C = House(
    name="house-c",
    spaces=(
        Space("hall", 0.0, 0.0, 1.8, 4.0, kind="hall", living=0.4),
        Space("living room", 1.8, 1.2, 4.2, 4.6, living=5.0),
        Space("kitchen", 0.0, 5.8, 6.0, 3.0, living=3.0),
        Space("stairs", 1.8, 0.0, 3.4, 1.2, kind="stairs", living=0.0),
        Space("garden", 0.0, 8.8, 6.0, 5.0, kind="garden", living=0.6),
        Space("landing", 3.2, 1.2, 2.8, 2.6, floor=1, kind="hall", living=0.2),
        Space("front bedroom", 0.0, 1.2, 3.2, 4.2, floor=1, living=3.0),
        Space("back bedroom", 0.0, 5.4, 6.0, 3.4, floor=1, living=1.5),
        Space("bathroom", 3.2, 3.8, 2.8, 1.6, floor=1, living=1.0),
    ),
    doors=(
        Door(("hall", "living room"), 1.8, 2.6),
        Door(("hall", "stairs"), 1.8, 0.6),
        Door(("living room", "kitchen"), 4.0, 5.8),
        Door(("kitchen", "garden"), 3.0, 8.8),
        Door(("stairs", "landing"), 5.2, 1.2, floor=1),
        Door(("landing", "front bedroom"), 3.2, 2.4, floor=1),
        Door(("landing", "bathroom"), 4.6, 3.8, floor=1),
        Door(("front bedroom", "back bedroom"), 1.6, 5.4, floor=1),
    ),
    access_points=(
        (0.3, 0.3, 2.0), (5.7, 1.6, 1.0), (2.1, 5.5, 1.6), (0.3, 8.4, 1.9), (5.7, 8.5, 1.1), (5.7, 5.5, 2.3),
        (0.3, 3.7, 1.1), (0.3, 1.5, 3.9), (5.7, 2.6, 4.9), (0.4, 8.4, 4.4), (5.6, 8.4, 3.6),
    ),
)  # fmt: skip

HOUSE_D = House(
    name="house-d",
    spaces=(
        Space("hall", 4.4, 0.0, 1.8, 5.4, kind="hall", living=0.4),
        Space("living room", 0.0, 0.0, 4.4, 5.4, living=4.0),
        Space("kitchen", 0.0, 5.4, 6.2, 3.2, living=3.0),
        Space("study", 6.2, 1.2, 3.4, 4.2, living=2.5),
        Space("stairs", 6.2, 0.0, 3.4, 1.2, kind="stairs", living=0.0),
        Space("garden", 0.0, 8.6, 9.6, 4.4, kind="garden", living=0.6),
        Space("landing", 5.4, 1.2, 4.2, 2.0, floor=1, kind="hall", living=0.2),
        Space("front bedroom", 0.0, 0.0, 5.4, 4.4, floor=1, living=3.0),
        Space("back bedroom", 0.0, 4.4, 5.4, 4.2, floor=1, living=1.5),
        Space("bathroom", 5.4, 3.2, 4.2, 3.0, floor=1, living=1.0),
    ),
    doors=(
        Door(("hall", "living room"), 4.4, 2.6),
        Door(("hall", "kitchen"), 5.3, 5.4),
        Door(("hall", "study"), 6.2, 3.4),
        Door(("hall", "stairs"), 6.2, 0.6),
        Door(("kitchen", "garden"), 3.0, 8.6),
        Door(("stairs", "landing"), 9.6, 1.2, floor=1),
        Door(("landing", "front bedroom"), 5.4, 2.2, floor=1),
        Door(("front bedroom", "back bedroom"), 2.7, 4.4, floor=1),
        Door(("landing", "bathroom"), 7.5, 3.2, floor=1),
    ),
    access_points=(
        (0.3, 0.3, 1.3), (4.1, 5.1, 2.1), (0.3, 8.3, 1.1), (5.9, 8.3, 1.9), (9.3, 1.5, 2.0), (9.3, 5.1, 1.0),
        (4.7, 0.3, 2.2), (0.3, 0.3, 3.8), (5.1, 4.1, 4.9), (0.3, 8.3, 4.3), (9.3, 5.9, 4.2),
    ),
)  # fmt: skip

HOUSES = {house.name: house for house in (HOUSE_A, HOUSE_B, HOUSE_C, HOUSE_D)}
