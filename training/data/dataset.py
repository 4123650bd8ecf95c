"""What every loader returns.

Letters: P access points, C classes, N samples of a recording.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.combine import Combine
from tinyloc.bundle.site import Floor, FloorPicture, Room, Site
from tinyloc.names import line_of_text, printable, repeated
from tinyloc.training.errors import DataError

UNSEEN = -1
"""Label of a sample whose class was never trained: any decision there is an error."""


@dataclass(frozen=True)
class Recording:
    """N samples in time order. A model that carries state starts anew with each recording, or sample if `apart`."""

    name: str
    rssi_dbm: npt.NDArray[np.float32]  # (N, P) whole dBm, NaN where not heard
    position_m: npt.NDArray[np.float32]  # (N, 3) x, y, z in metres, NaN where unknown
    label: npt.NDArray[np.int32]  # (N,) class index or UNSEEN
    time_s: npt.NDArray[np.float64]  # (N,) seconds
    apart: bool = False  # True: its samples have nothing to do with each other
    recorder: npt.NDArray[np.int32] | None = None  # (N,) number of the person, device or day; None where unknown

    def __post_init__(self) -> None:
        samples = len(self.rssi_dbm)
        shapes = {
            "position_m": (self.position_m.shape, (samples, 3)),
            "label": (self.label.shape, (samples,)),
            "time_s": (self.time_s.shape, (samples,)),
        }
        if self.recorder is not None:
            shapes["recorder"] = (self.recorder.shape, (samples,))
        wrong = [f"{name} is {have}, not {want}" for name, (have, want) in shapes.items() if have != want]
        if wrong:
            raise ValueError(f"recording {self.name}: {'; '.join(wrong)}")

    def __len__(self) -> int:
        return len(self.rssi_dbm)


@dataclass(frozen=True)
class DataSet:
    """Readings, positions and labels in three splits that share nothing."""

    name: str
    title: str
    licence: str
    citation: str
    access_points: tuple[str, ...]  # P names, in the order of the columns of rssi_dbm
    classes: tuple[str, ...]  # C names
    class_position_m: npt.NDArray[np.float32] | None
    """(C, 3) where a decision for the class puts the user; None where the data set has no positions."""
    rate_hz: float
    sequential: bool  # False: every recording is `apart`
    train: tuple[Recording, ...]
    validation: tuple[Recording, ...]
    test: tuple[Recording, ...]
    floor_plan: tuple[Room, ...] = field(default=())
    class_group: tuple[str, ...] = field(default=())
    """C names of what each class is part of, such as a floor; empty where classes have no groups."""
    notes: tuple[str, ...] = field(default=())
    """What the loader read, left out, guessed or doubts, a sentence each, for people."""
    access_point_m: npt.NDArray[np.float64] | None = None
    """(P, 3) x, y, z in metres, NaN where unknown."""
    floor_pictures: Mapping[int, FloorPicture] = field(default_factory=dict)
    """Index of a floor in `site` -> its picture."""
    floor_names: Mapping[int, str] = field(default_factory=dict)
    """Index of a floor in `site` -> its name for people; without it that of the classes' group."""
    simulator: int | None = None
    """Version of the simulator that made it."""
    combine: Combine = "mean"
    """What the loader made of several readings of an access point within a sample."""

    def __post_init__(self) -> None:
        wrong = [each.name for split in self.splits.values() for each in split if each.apart == self.sequential]
        if wrong:
            raise ValueError(f"{self.name}: sequential = {self.sequential} does not go with recording {wrong[0]}")

    def class_positions(self) -> list[tuple[float, float, float]] | None:
        """`class_position_m` as a bundle carries it."""
        if self.class_position_m is None:
            return None
        return [(float(x), float(y), float(z)) for x, y, z in self.class_position_m]

    def class_floors(self) -> list[int] | None:
        """Index of each class's floor in `site`: its group, else that of the room of its name; None where unknown."""
        if self.class_group:
            groups = list(dict.fromkeys(self.class_group))
            return [groups.index(group) for group in self.class_group]
        rooms = {room.name: room.floor for room in self.floor_plan}
        return [rooms[name] for name in self.classes] if set(self.classes) <= rooms.keys() else None

    def site(self) -> Site:
        """Floors, rooms and access points as a bundle carries them."""
        names = list(dict.fromkeys(self.class_group))
        if not names:
            highest = max([*(room.floor for room in self.floor_plan), *self.floor_pictures], default=-1)
            names = [f"floor {number}" for number in range(highest + 1)]
        buildings = [_building(name) for name in names]
        places = self.access_point_m
        known = None if places is None else [None if np.isnan(row).any() else tuple(row.tolist()) for row in places]
        return Site(
            floors=[
                Floor(name=self.floor_names.get(number, name), building=of, picture=self.floor_pictures.get(number))
                for number, (name, of) in enumerate(zip(names, buildings, strict=True))
            ],
            rooms=list(self.floor_plan),
            access_point_m=known,
        )

    @property
    def splits(self) -> dict[str, tuple[Recording, ...]]:
        return {"train": self.train, "validation": self.validation, "test": self.test}


def _building(group: str) -> str | None:
    """ "B0 F1" -> "B0": loaders name groups so where the data have buildings."""
    building, _, floor = group.partition(" ")
    return building if building.startswith("B") and floor.startswith("F") else None


def with_good_names(data_set: DataSet) -> DataSet:
    """Give back the data set. Raises DataError with every name that a bundle may not hold, before training starts."""
    problems = []
    for kind, names in (("access point", data_set.access_points), ("class", data_set.classes)):
        for number, name in enumerate(names):
            try:
                line_of_text(name)
            except ValueError as error:
                problems.append(f"{kind} {number}: {error}")
        problems += [f"{kind} {printable(name)!r} is named twice" for name in repeated(names)]
    if problems:
        more = f"; and {len(problems) - 10} more" if len(problems) > 10 else ""
        raise DataError(f"data set {data_set.name}: {'; '.join(problems[:10])}{more}; rename them in the data")
    return data_set


def alternating(recording: Recording, trained: int, held: int) -> tuple[list[Recording], list[Recording]]:
    """Stretches of `trained` samples and, between them, of `held` samples: (to train on, to validate on).

    For recordings of which no whole one can be spared. A rest too short for its turn goes to training.
    """
    splits: tuple[list[Recording], list[Recording]] = ([], [])
    start, turn = 0, 0
    while start < len(recording):
        length = (trained, held)[turn % 2]
        whole = start + length <= len(recording)
        rows = slice(start, start + length)
        splits[turn % 2 if whole else 0].append(
            Recording(
                f"{recording.name} {turn + 1}",
                recording.rssi_dbm[rows],
                recording.position_m[rows],
                recording.label[rows],
                recording.time_s[rows],
                recorder=None if recording.recorder is None else recording.recorder[rows],
            )
        )
        start, turn = start + length, turn + 1
    return splits


def lone_classes(data_set: DataSet) -> list[str]:
    """A sentence that names the classes with a single training sample: nothing can be learnt or held out of one."""
    label = np.concatenate([recording.label for recording in data_set.train])
    counts = np.bincount(label[label != UNSEEN], minlength=len(data_set.classes))
    lone = [name for name, count in zip(data_set.classes, counts, strict=True) if count == 1]
    if not lone:
        return []
    named = ", ".join(lone)
    return [f"one training sample only in class {named}: merge the class, or choose larger cells in the data options"]


def stacked(recordings: Sequence[Recording]) -> Recording:
    """All recordings one after the other, as one."""
    recorders = [recording.recorder for recording in recordings if recording.recorder is not None]
    return Recording(
        name="+".join(recording.name for recording in recordings),
        rssi_dbm=np.concatenate([recording.rssi_dbm for recording in recordings]),
        position_m=np.concatenate([recording.position_m for recording in recordings]),
        label=np.concatenate([recording.label for recording in recordings]),
        time_s=np.concatenate([recording.time_s for recording in recordings]),
        recorder=np.concatenate(recorders) if len(recorders) == len(recordings) else None,
    )
