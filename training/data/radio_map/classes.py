"""Classes of scans: the user's labels, cells of a grid, or the places where training scans were taken."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.cluster import KMeans

from tinyloc.errors import counted
from tinyloc.training.data.dataset import UNSEEN
from tinyloc.training.data.files import Floats, some
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans, Texts

MOST_PLACES = 256
"""Places that are classes where the description says nothing; more are clustered."""
SAME_PLACE_M = 0.05
CLUSTER_SEED = 0


@dataclass(frozen=True)
class ClassRule:
    """How classes are made of positions, at most one of three; where there are labels they are the classes."""

    cell_m: float | None = None
    """Cells of a grid of so many metres, floor by floor."""
    place_m: float | None = None
    """The places where training scans were taken, those in one cell of a grid of so many metres as one."""
    places: int | None = None
    """At most so many clusters of the places where training scans were taken."""


@dataclass(frozen=True)
class Classes:
    """C classes."""

    names: tuple[str, ...]
    position_m: npt.NDArray[np.float32] | None  # (C, 3)
    group: tuple[str, ...]
    """C names of building and floor, or none."""
    label: npt.NDArray[np.int32]
    """(N,) class of each scan of all splits, or UNSEEN."""


def classes_of(scans: Scans, trained: npt.NDArray[np.bool_], rule: ClassRule, findings: Findings) -> Classes:
    """Make classes from the training scans and label all scans with them.

    Args:
        scans: All N scans.
        trained: (N,) True for those of the training split.
    """
    if scans.label is not None:
        return _of_labels(scans, trained, findings)
    group = scans.group if scans.group is not None else np.full(len(scans), "", object)
    if rule.cell_m:
        return _of_cells(scans.position, group, trained, rule.cell_m)
    return _of_places(scans.position, group, trained, rule, findings)


def _of_labels(scans: Scans, trained: npt.NDArray[np.bool_], findings: Findings) -> Classes:
    assert scans.label is not None
    names = sorted({str(name) for name in scans.label[trained]})
    index = {name: number for number, name in enumerate(names)}
    label = np.array([index.get(str(name), UNSEEN) for name in scans.label], np.int32)
    group: tuple[str, ...] = ()
    if scans.group is not None:
        of_class = [set(scans.group[trained & (label == number)].tolist()) for number in range(len(names))]
        several = [
            f"{name} ({', '.join(sorted(has))})" for name, has in zip(names, of_class, strict=True) if len(has) > 1
        ]
        if several:
            findings.notes.append(
                f"labels on more than one floor, so that floors are no groups of classes: {some(several)}"
            )
        else:
            group = tuple(next(iter(has)) for has in of_class)
    return Classes(tuple(names), _centres(scans.position, label, trained, len(names)), group, label)


def _of_cells(position: Floats, group: Texts, trained: npt.NDArray[np.bool_], cell_m: float) -> Classes:
    """Classes "B0 F3 1/2": a cell of a grid from the smallest training coordinates, on a floor."""
    origin = position[trained, :2].min(axis=0)
    cell = np.floor((position[:, :2] - origin) / cell_m).astype(np.int64)
    keys = [(str(floor), int(x), int(y)) for floor, (x, y) in zip(group, cell, strict=True)]
    known = sorted({key for key, chosen in zip(keys, trained, strict=True) if chosen})
    index = {key: number for number, key in enumerate(known)}
    label = np.array([index.get(key, UNSEEN) for key in keys], np.int32)
    names = tuple(f"{floor} {x}/{y}".strip() for floor, x, y in known)
    floors = tuple(floor for floor, _, _ in known)
    return Classes(names, _centres(position, label, trained, len(known)), floors if any(floors) else (), label)


def _of_places(
    position: Floats, group: Texts, trained: npt.NDArray[np.bool_], rule: ClassRule, findings: Findings
) -> Classes:
    """Classes "F3 12": places of training scans on a floor; a scan elsewhere has the nearest place of its floor."""
    where, floor = position[trained], group[trained]
    if rule.places is None:
        step = rule.place_m or SAME_PLACE_M
        keys = [(str(one), *place) for one, place in zip(floor, np.rint(where[:, :2] / step).tolist(), strict=True)]
    if rule.places is not None or (rule.place_m is None and len(set(keys)) > MOST_PLACES):
        most = rule.places or MOST_PLACES
        keys = _clusters(where, floor, most)
        findings.notes.append(f"classes are {len(set(keys))} clusters of the places of training scans")
    else:
        findings.notes.append(f"classes are {counted(len(set(keys)), 'place')} of training scans")
    known = sorted(set(keys))
    index = {key: number for number, key in enumerate(known)}
    own = np.array([index[key] for key in keys], np.int32)
    centre = np.stack([where[own == number].mean(axis=0) for number in range(len(known))])
    floors = [str(key[0]) for key in known]
    number_on = [floors[: place + 1].count(one) for place, one in enumerate(floors)]
    names = tuple(f"{one} {number}".strip() for one, number in zip(floors, number_on, strict=True))
    label = np.full(len(position), UNSEEN, np.int32)
    label[trained] = own
    for one in set(group[~trained].tolist()):
        rows = np.flatnonzero(~trained & (group == one))
        members = np.flatnonzero(np.array(floors, object) == one)
        if len(members):
            away = np.linalg.norm(centre[None, members, :2] - position[rows, None, :2], axis=2)
            label[rows] = members[away.argmin(axis=1)]
    return Classes(names, centre.astype(np.float32), tuple(floors) if any(floors) else (), label)


def _clusters(where: Floats, floor: Texts, most: int) -> list[tuple[str | float, ...]]:
    """(floor, number) of each place (M, 3): k-means floor by floor, `most` in proportion to the distinct places."""
    floors = sorted(set(floor.tolist()))
    distinct = {one: np.unique(np.round(where[floor == one, :2], 2), axis=0) for one in floors}
    total = sum(map(len, distinct.values()))
    keys: list[tuple[str | float, ...]] = [("",)] * len(where)
    for one in floors:
        share = max(1, min(len(distinct[one]), int(most * len(distinct[one]) / total)))
        means = KMeans(n_clusters=share, n_init=4, random_state=CLUSTER_SEED).fit(distinct[one])
        rows = np.flatnonzero(floor == one)
        for row, number in zip(rows, means.predict(where[rows, :2]), strict=True):
            keys[row] = (str(one), float(number))
    return keys


def _centres(
    position: Floats, label: npt.NDArray[np.int32], trained: npt.NDArray[np.bool_], classes: int
) -> npt.NDArray[np.float32] | None:
    """(C, 3) mean training position of each class; None when a scan of one has no position."""
    centres = np.stack([position[trained & (label == number)].mean(axis=0) for number in range(classes)])
    return None if np.isnan(centres).any() else centres.astype(np.float32)
