"""The walks of the field study by group. Splits are by walk, person, building and trajectory; no group shares any.

Trajectories A of uwb_hanyang help to choose the gate's settings; B, trek and lias are tested on only.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from tinyloc.training.fusion.recordings.hanyang import load_moving
from tinyloc.training.fusion.recordings.published import Recording, load_recordings
from tinyloc.training.fusion.simulation.buildings import building
from tinyloc.training.fusion.simulation.field import FieldWalk, semi_real, simulate_field, with_imu
from tinyloc.training.fusion.simulation.range_errors import RangeErrors, load_errors
from tinyloc.training.fusion.simulation.simulate import Walk, simulate
from tinyloc.training.fusion.simulation.sites import CORRIDOR, LOOP, ROOM
from tinyloc.training.fusion.study.record import DETOUR_SEED, TEST_SEED, TUNE_SEED

TRAIN, VALIDATION, TEST = 0, 100, 200
"""First buildings of the groups."""
PIECE_S = 80.0
ROOM_WALKS, ROOM_EPOCHS = 8, 600
OLD_WALKS = 8


class Sizes(BaseModel):
    """How many walks."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    walks_per_building: int = Field(default=2, ge=1)
    stops: int = Field(default=5, ge=2)
    train_buildings: int = Field(default=24, ge=1)
    validation_buildings: int = Field(default=12, ge=1)
    test_buildings: int = Field(default=20, ge=1)
    semi_real_buildings: int = Field(default=4, ge=1)


@dataclass(frozen=True)
class Group:
    """Walks that are judged together."""

    name: str
    kind: str
    """real, semi-real or simulated: of the ranges, the trajectory and the inertial sensor, as `what` says."""
    what: str
    walks: tuple[FieldWalk, ...]


def simulated(first: int, count: int, sizes: Sizes, errors: RangeErrors) -> tuple[FieldWalk, ...]:
    """Walks in the buildings from `first` on, each with a person and a route of its own."""
    return tuple(
        simulate_field(building(first + number), seed, errors, sizes.stops)
        for number in range(count)
        for seed in range(sizes.walks_per_building)
    )


def around(recordings: Sequence[Recording], sizes: Sizes, errors: RangeErrors) -> tuple[FieldWalk, ...]:
    """Measured trajectories, each in some buildings drawn around it."""
    walks = []
    for recording in recordings:
        for walk in pieces(recording.walk):
            known = np.isfinite(walk.truth_m).all(axis=1)
            for seed in range(sizes.semi_real_buildings):
                walks.append(semi_real(walk.name, walk.time_s[known], walk.truth_m[known], seed, errors))
    return tuple(walks)


def real_ranges(recordings: Sequence[Recording]) -> tuple[FieldWalk, ...]:
    """Real ranges with inertial readings simulated along the measured trajectory."""
    return tuple(
        FieldWalk(with_imu(walk, 0), r.source, 1.0 if r.blocked else 0.0, "semi-real")
        for r in recordings
        for walk in pieces(r.walk)
    )


def pieces(walk: Walk) -> list[Walk]:
    """A recording cut into walks of PIECE_S; a rest of less than half of it stays with the last."""
    known = np.flatnonzero(np.isfinite(walk.truth_m).all(axis=1))
    first, last = walk.time_s[known[0]], walk.time_s[known[-1]]
    count = max(1, round(float(last - first) / PIECE_S))
    edges = np.linspace(first, last, count + 1)
    found = []
    for number in range(count):
        rows = (walk.time_s >= edges[number]) & (walk.time_s <= edges[number + 1])
        cut = replace(
            walk,
            name=f"{walk.name}-{number + 1}" if count > 1 else walk.name,
            time_s=walk.time_s[rows],
            ranges_m=walk.ranges_m[rows],
            truth_m=walk.truth_m[rows],
        )
        found.append(cut)
    return found


def training_group(sizes: Sizes) -> Group:
    """What students are trained on and the fixed filter is tuned on."""
    walks = simulated(TRAIN, sizes.train_buildings, sizes, load_errors())
    return Group("training", "simulated", "buildings, people and routes of training", walks)


def validation_groups(folder: Path, sizes: Sizes) -> list[Group]:
    """What the gate's settings are chosen on."""
    errors = load_errors()
    a = [r for r in load_moving(folder) if "_A" in r.walk.name]
    return [
        Group("validation", "simulated", "", simulated(VALIDATION, sizes.validation_buildings, sizes, errors)),
        Group("validation-trajectories", "semi-real", "", around(a, sizes, errors)),
        Group("validation-ranges", "semi-real", "", real_ranges(a)),
        Group("validation-room", "simulated", "four anchors that nobody calibrated, no inertial sensor", _room()),
    ]


def _room() -> tuple[FieldWalk, ...]:
    """Walks of the older simulator's room, cut after ROOM_EPOCHS: a small room whose ranges have constant errors."""
    found = []
    for number in range(ROOM_WALKS):
        walk, rows = simulate(ROOM, TUNE_SEED + number), slice(ROOM_EPOCHS)
        cut = replace(walk, time_s=walk.time_s[rows], ranges_m=walk.ranges_m[rows], truth_m=walk.truth_m[rows])
        found.append(FieldWalk(cut, ROOM.name, 0.0))
    return tuple(found)


def test_groups(folder: Path, sizes: Sizes) -> list[Group]:
    """What is judged, once."""
    errors = load_errors()
    b = [r for r in load_moving(folder) if "_B" in r.walk.name]
    published = load_recordings(folder)
    moving = [r for r in published if r.moving]
    still = [r for r in published if not r.moving]
    trek = [r for r in moving if r.source.startswith("uwb_trek")]
    old = []
    for place, route in ((CORRIDOR, "usual"), (CORRIDOR, "detour"), (LOOP, "usual"), (LOOP, "detour")):
        there = place if route == "usual" else replace(place, route_m=place.detour_m)
        first = TEST_SEED if route == "usual" else DETOUR_SEED
        walks = tuple(FieldWalk(simulate(there, first + n), place.name, 1.0) for n in range(OLD_WALKS))
        setting = 1 if place is CORRIDOR else 2
        old.append(Group(f"{place.name}-{route}", "simulated", f"setting {setting}, the older simulator", walks))
    return [
        Group(
            "new-buildings", "simulated", "buildings, people and routes that are new",
            simulated(TEST, sizes.test_buildings, sizes, errors),
        ),
        Group(
            "measured-trajectories", "semi-real", "RTK and Vicon trajectories; walls, errors and inertial sensor drawn",
            around([*b, *trek], sizes, errors),
        ),
        Group(
            "real-ranges", "semi-real", "real ranges, measured trajectories (hanyang B, trek, lias), simulated sensor",
            real_ranges([*b, *moving]),
        ),
        Group(
            "real-still", "real", "trek, nobody walks, no inertial sensor; blocked: a person before one anchor",
            tuple(FieldWalk(r.walk, r.source, 1.0 if r.blocked else 0.0, "real") for r in still),
        ),
        *old,
    ]  # fmt: skip
