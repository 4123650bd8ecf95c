"""Which scans train, validate and test, where the files do not say it: whole units, never random rows of one visit."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinyloc.errors import counted
from tinyloc.training.data.radio_map.classes import ClassRule
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans, numbered, runs
from tinyloc.training.errors import DataError

SPLITS = ("train", "validation", "test")
TRAIN, VALIDATION, TEST = range(3)
TRAIN_AND_VALIDATION = "train and validation"
Unit = Literal["recording", "day", "device", "place", "visit"]
"""What may be held out as a whole."""
ENOUGH: dict[Unit, int] = {"recording": 5, "day": 4, "device": 4, "place": 10, "visit": 4}
"""Units that a file must have for a kind to be chosen unasked."""
OF_SEQUENCES: tuple[Unit, ...] = ("recording", "day", "device")
OF_SCANS: tuple[Unit, ...] = ("day", "device", "recording", "place", "visit")
"""Kinds of units in the order in which they are tried: what resembles a later test most comes first."""
VISIT_PAUSE_S = 60.0
STRANGE_SHARE = 0.2
AROUND_SHARE, AROUND_M = 0.1, (1.0, 10.0)
"""Surroundings of a place: a cell of a tenth of the site's width, within these metres."""
STRETCH = "stretch"
STRETCHES = 10
"""Of each recording, where no whole one can be spared to validate."""

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SplitRule:
    """How units are held out."""

    held_out: float = 0.2
    """Share of the units that validates, and as much again that tests, where no split is given."""
    by: Unit | None = None
    """The kind of units; without it the first kind of which there are enough."""
    sequential: bool = True
    """False: the scans of a recording have nothing to do with one another."""


@dataclass(frozen=True)
class Units:
    """What is held out as a whole."""

    kind: str
    of: Integers
    """(N,) number of each scan's unit, from 0."""

    @property
    def count(self) -> int:
        return int(self.of.max()) + 1


def split_rows(
    scans: Scans, given: str, rule: SplitRule, class_rule: ClassRule, seed: int, findings: Findings
) -> Integers:
    """(N,) TRAIN, VALIDATION or TEST of each scan of a file.

    Args:
        given: What the scans are for: a name of SPLITS ("train" keeps all of them), "all", or TRAIN_AND_VALIDATION.
        seed: Fixes which units are held out.

    Raises:
        DataError: There are too few units.
    """
    if given in SPLITS:
        return np.full(len(scans), SPLITS.index(given), np.int64)
    split = np.full(len(scans), TRAIN, np.int64)
    generator = np.random.default_rng(seed)
    if scans.split is not None:
        split = np.array([SPLITS.index(cell) for cell in scans.split], np.int64)
        if (split == VALIDATION).any():
            return split
    rows = np.flatnonzero(split == TRAIN)
    if not len(rows):
        return split
    open_scans = scans.rows(rows)
    parts = 2 if given == "all" and scans.split is None else 1
    for units in _candidates(open_scans, rule, parts):
        held = hold_out(units, kept_keys(open_scans, class_rule, units), rule.held_out, parts, generator)
        if held.max() == parts:
            break
    else:
        if parts == 2:
            raise DataError(f"{scans.source}: {_too_few(open_scans, rule)}")
        units = _stretches(open_scans, rule)
        held = hold_out(units, kept_keys(open_scans, class_rule, units), rule.held_out, parts, generator)
    split[rows] = held
    _say(open_scans, units, held, findings)
    return split


@dataclass(frozen=True)
class Keys:
    """What training must keep scans of."""

    of: Integers
    """(N,) number of each scan's key, from 0."""
    strange: float
    """Share of a unit's scans whose key nothing trained may have when the unit is held out."""


def kept_keys(scans: Scans, rule: ClassRule, units: Units) -> Keys:
    """Labels are all kept; of cells, and of the surroundings of places, a few may be left to the held-out units only.

    A day on which another building was surveyed says nothing about a model that never saw it. Units that are places
    themselves are held out whatever is around them.
    """
    if scans.label is not None:
        return Keys(numbered(scans.label.tolist()), 0.0)
    if rule.cell_m is None and units.kind in ("place", "visit", STRETCH):
        return Keys(np.zeros(len(scans), np.int64), 0.0)
    flat = scans.position[:, :2]
    around_m = float(np.clip(np.ptp(flat, axis=0).max() * AROUND_SHARE, *AROUND_M))
    cell = np.floor(flat / (rule.cell_m or around_m))
    group = scans.group if scans.group is not None else np.full(len(scans), "", object)
    return Keys(numbered([(str(one), *place) for one, place in zip(group, cell.tolist(), strict=True)]), STRANGE_SHARE)


def hold_out(units: Units, keys: Keys, share: float, parts: int, generator: np.random.Generator) -> Integers:
    """(N,) 0 for scans that train, 1 for a share of the units, 2 for as many others when there are two parts.

    A unit stays when training would lose too many keys by it.
    """
    held = np.zeros(len(units.of), np.int64)
    want = max(1, round(share * units.count))
    remaining = np.bincount(keys.of)
    members = np.split(np.argsort(units.of, kind="stable"), np.cumsum(np.bincount(units.of))[:-1])
    order = generator.permutation(units.count).tolist()
    for part in range(1, parts + 1):
        taken = 0
        for unit in list(order):
            if taken == want:
                break
            of_unit = np.bincount(keys.of[members[unit]], minlength=len(remaining))
            lost = of_unit[(of_unit > 0) & (remaining == of_unit)].sum()
            if lost > keys.strange * len(members[unit]) or (remaining == of_unit).all():
                continue
            held[members[unit]] = part
            remaining -= of_unit
            order.remove(unit)
            taken += 1
    return held


def _candidates(scans: Scans, rule: SplitRule, parts: int) -> Iterator[Units]:
    """Units to hold out, the kinds with enough of them first; DataError when the kind that is asked for has too few."""
    if rule.by:
        units = _of_kind(scans, rule.by)
        if units is None or units.count <= parts:
            has = "no such column" if units is None else counted(units.count, rule.by)
            raise DataError(f"{scans.source}: split_by = {rule.by}: {has}; at least {parts + 1} are needed")
        yield units
        return
    found = [(kind, _of_kind(scans, kind)) for kind in (OF_SEQUENCES if rule.sequential else OF_SCANS)]
    have = [(kind, units) for kind, units in found if units is not None and units.count > parts]
    yield from (units for kind, units in have if units.count >= ENOUGH[kind])
    yield from (units for kind, units in have if units.count < ENOUGH[kind])


def _of_kind(scans: Scans, kind: Unit) -> Units | None:
    if kind == "recording":
        return Units("recording", numbered(scans.recording.tolist()))
    if kind == "day":
        return None if scans.day is None else Units("day", numbered(scans.day.tolist()))
    if kind == "device":
        return None if scans.device is None else Units("device", numbered(scans.device.tolist()))
    if kind == "place":
        if np.isnan(scans.position[:, :2]).any():
            return None
        group = scans.group if scans.group is not None else np.full(len(scans), "", object)
        places = [
            (str(one), x, y) for one, (x, y) in zip(group, np.round(scans.position[:, :2], 1).tolist(), strict=True)
        ]
        return Units("place", numbered(places))
    pause = np.zeros(len(scans), np.int64)
    pause[1:] = np.cumsum(np.abs(np.diff(scans.time_s)) > VISIT_PAUSE_S)
    places_of = [scans.position[:, axis] for axis in range(2)] if not np.isnan(scans.position[:, :2]).any() else []
    return Units("visit", runs(scans.recording, scans.device, scans.label, scans.group, pause, *places_of))


def _stretches(scans: Scans, rule: SplitRule) -> Units:
    """Parts of each recording in a row, of each label where scans stand alone: the last way to validate."""
    of = np.zeros(len(scans), np.int64)
    owner = numbered(scans.recording.tolist() if rule.sequential or scans.label is None else scans.label.tolist())
    for number in range(int(owner.max()) + 1):
        rows = np.flatnonzero(owner == number)
        of[rows] = number * STRETCHES + np.arange(len(rows)) * STRETCHES // len(rows)
    return Units(STRETCH, numbered(of.tolist()))


def _say(scans: Scans, units: Units, held: Integers, findings: Findings) -> None:
    train, validation, test = (len(set(units.of[held == part].tolist())) for part in range(3))
    plural = f"{units.kind}{'es' if units.kind == STRETCH else 's'}"
    tested = f", {test} test" if test else ""
    findings.notes.append(
        f"{scans.source}: of {units.count} {plural} {train} train, {validation} validate{tested}; none is in two splits"
    )
    if units.kind == STRETCH:
        findings.notes.append(
            f"{scans.source}: nothing whole could be spared to validate; stretches resemble training more than a test "
            f"does. Better: a column for {', '.join(OF_SEQUENCES)}, or a validation file"
        )


def _too_few(scans: Scans, rule: SplitRule) -> str:
    kinds = OF_SEQUENCES if rule.sequential else OF_SCANS
    found = [(kind, _of_kind(scans, kind)) for kind in kinds]
    has = [counted(units.count, kind) for kind, units in found if units is not None]
    return (
        f"too few to hold out {rule.held_out:g} of them twice and keep some of each label to train on: "
        f"{', '.join(has)}; record each place on several, or name files or columns.split"
    )
