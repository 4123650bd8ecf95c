"""The places of the study: anchors, walls as segments, and the routes that people walk.

`corridor` and `loop` follow the two published settings in kind, not in their unpublished dimensions: a short walk from
a hall into a blocked corridor, and a closed rectangular corridor around an obstructed core with anchors on two of its
four sides. `room` stands for the laboratories of the real recordings: one room, people who step into the line of sight.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.errors import FusionError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Material:
    """What a wall does to a range whose straight path crosses it."""

    excess_m: float  # delay of the transmitted path: thickness * (sqrt(permittivity) - 1)
    tail_m: float  # mean of the exponential excess when a later path is detected in place of the first
    loss: float  # probability that the exchange fails


# Permittivities at 6.5 GHz from ITU-R P.2040-3, table 3: concrete 5.24, plasterboard 2.73. Gaussian core with an
# exponential tail for blocked paths: Alsindi, Alavi, Pahlavan (IEEE TVT 2009); the means of the tails and the losses
# are ours, set once so that the errors of a plain filter are of the published size
# (0.9 and 1.3 m, arXiv 2603.18027), see docs/results/fusion.md.
CONCRETE = Material(excess_m=0.20 * (5.24**0.5 - 1), tail_m=0.35, loss=0.06)
PLASTER = Material(excess_m=0.10 * (2.73**0.5 - 1), tail_m=0.10, loss=0.01)
SHAFT = Material(excess_m=0.4, tail_m=0.8, loss=0.20)  # lifts, ducts: only reflections arrive


@dataclass(frozen=True)
class Wall:
    """A segment from (x0, y0) to (x1, y1)."""

    x0: float
    y0: float
    x1: float
    y1: float
    material: Material


@dataclass(frozen=True)
class Site:
    """A place: anchors (A, 2), walls, corners of the route with the spread (m) by which each walk moves them."""

    name: str
    title: str
    anchors_m: tuple[tuple[float, float], ...]
    walls: tuple[Wall, ...]
    route_m: tuple[tuple[float, float, float], ...]  # x, y, spread
    people: bool = False  # others step into the line of sight for seconds
    wanders: bool = False  # corners in random order, each several times
    rate_hz: float = 5.0
    detour_m: tuple[tuple[float, float, float], ...] = ()  # a route that nobody is trained on

    @property
    def anchors(self) -> Floats:
        return np.array(self.anchors_m)


def box(x0: float, y0: float, x1: float, y1: float, material: Material) -> tuple[Wall, ...]:
    """Four walls."""
    return (
        Wall(x0, y0, x1, y0, material),
        Wall(x1, y0, x1, y1, material),
        Wall(x1, y1, x0, y1, material),
        Wall(x0, y1, x0, y0, material),
    )


CORRIDOR = Site(
    name="corridor",
    title="hall and blocked corridor, a short walk",
    anchors_m=((0.3, 0.3), (11.7, 0.3), (11.7, 9.7), (0.3, 9.7)),
    walls=(
        Wall(12.0, 0.0, 12.0, 4.0, CONCRETE),
        Wall(12.0, 6.0, 12.0, 10.0, CONCRETE),
        Wall(12.0, 4.0, 26.0, 4.0, CONCRETE),
        Wall(12.0, 6.0, 26.0, 6.0, CONCRETE),
        Wall(4.0, 3.0, 7.0, 3.0, PLASTER),
    ),
    route_m=((2.0, 2.0, 0.5), (9.0, 2.0, 0.5), (9.0, 5.0, 0.3), (13.0, 5.0, 0.3), (24.0, 5.0, 0.4), (14.0, 5.0, 0.4)),
    detour_m=((2.0, 8.5, 0.5), (10.5, 8.5, 0.5), (10.5, 5.0, 0.3), (18.0, 5.0, 0.4), (9.0, 5.0, 0.3), (3.0, 5.0, 0.5)),
)
LOOP = Site(
    name="loop",
    title="closed corridor around an obstructed core, anchors on two of four sides",
    anchors_m=((0.3, 0.3), (9.0, 2.8), (18.0, 0.2), (29.7, 0.3), (27.2, 7.0), (29.8, 13.0), (27.2, 19.7)),
    walls=(*box(3.0, 3.0, 27.0, 17.0, CONCRETE), *box(9.0, 7.0, 21.0, 13.0, SHAFT)),
    route_m=((4.0, 1.5, 0.5), (28.5, 1.5, 0.5), (28.5, 18.5, 0.5), (1.5, 18.5, 0.5), (1.5, 1.5, 0.5), (7.0, 1.5, 0.5)),
    detour_m=(
        (15.0, 1.5, 0.5),
        (28.5, 1.5, 0.5),
        (28.5, 18.5, 0.5),
        (12.0, 18.5, 0.5),
        (28.0, 18.5, 0.5),
        (28.5, 9, 0.5),
    ),
)
ROOM = Site(
    name="room",
    title="one room, people in the line of sight",
    anchors_m=((0.0, 0.0), (5.77, 0.0), (5.55, 5.69), (0.0, 5.65)),
    walls=(),
    route_m=((1.5, 1.5, 0.7), (4.2, 1.5, 0.7), (4.2, 4.2, 0.7), (1.5, 4.2, 0.7), (2.8, 2.8, 0.7)),
    people=True,
    wanders=True,
    rate_hz=10.0,
)
SITES = {site.name: site for site in (CORRIDOR, LOOP, ROOM)}


def site(name: str) -> Site:
    """A site by name. Raises FusionError."""
    if name not in SITES:
        raise FusionError(f"no site {name!r}; there are: {', '.join(SITES)}")
    return SITES[name]


def crossings(place: Site, points: Floats) -> npt.NDArray[np.bool_]:
    """Which walls stand between points (N, 2) and anchors: (N, A, W). A wall touched at its end counts as crossed."""
    if not place.walls:
        return np.zeros((len(points), len(place.anchors_m), 0), dtype=bool)
    ends = np.array([(w.x0, w.y0, w.x1, w.y1) for w in place.walls])
    p, q = points[:, None, None, :], place.anchors[None, :, None, :]
    a, b = ends[:, :2], ends[:, 2:]

    def side(origin: Floats, end: Floats, point: Floats) -> Floats:
        """Sign tells on which side of origin -> end the point lies."""
        one, two = end - origin, point - origin
        product: Floats = one[..., 0] * two[..., 1] - one[..., 1] * two[..., 0]
        return product

    apart = side(p, q, a) * side(p, q, b) <= 0
    across = side(a, b, p) * side(a, b, q) <= 0
    return np.asarray(apart & across)
