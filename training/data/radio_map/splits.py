"""Which scans train, validate and test, where the files do not say it: whole units, never random rows of one visit."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from tinyloc.errors import counted
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


def split_rows(scans: Scans, given: str, rule: SplitRule, seed: int, findings: Findings) -> Integers:
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
    elif given == "all":
        units = _units(scans, rule, 3)
        if units is None:
            raise DataError(f"{scans.source}: {_too_few(scans, rule)}")
        held = hold_out(units, scans.label, rule.held_out, 2, generator)
        if not (held == TEST).any():
            raise DataError(
                f"{scans.source}: labels are in too few of the {units.count} {units.kind} to hold any out; record each "
                "place on several, or name files or columns.split"
            )
        split[held == 1], split[held == 2] = VALIDATION, TEST
        _say(scans, units, held, findings)
        return split
    rows = np.flatnonzero(split == TRAIN)
    if not len(rows):
        return split
    training = scans.rows(rows)
    units = _units(training, rule, 2) or _stretches(training, rule)
    held = hold_out(units, training.label, rule.held_out, 1, generator)
    if not held.any():
        units = _stretches(training, rule)
        held = hold_out(units, training.label, rule.held_out, 1, generator)
    split[rows[held == 1]] = VALIDATION
    _say(training, units, held, findings)
    return split


def hold_out(
    units: Units, label: "npt.NDArray[np.object_] | None", share: float, times: int, generator: np.random.Generator
) -> Integers:
    """(N,) 0 for scans that train, 1 for a share of the units, 2 for as many others, as `times` says.

    A unit stays when a label would have no scan left to train on.
    """
    held = np.zeros(len(units.of), np.int64)
    want = max(1, round(share * units.count))
    left = None if label is None else numbered(label.tolist())
    order = list(generator.permutation(units.count))
    for part in range(1, times + 1):
        taken = 0
        for unit in list(order):
            if taken == want:
                break
            rows = units.of == unit
            if left is not None and not np.isin(left[rows], left[(held == 0) & ~rows]).all():
                continue
            if left is None and not ((held == 0) & ~rows).any():
                continue
            held[rows] = part
            order.remove(unit)
            taken += 1
    return held


def _units(scans: Scans, rule: SplitRule, least: int) -> Units | None:
    """The units to hold out; None where no kind has enough."""
    if rule.by:
        units = _of_kind(scans, rule.by)
        if units is None or units.count < least:
            has = "no such column" if units is None else counted(units.count, rule.by)
            raise DataError(f"{scans.source}: split_by = {rule.by}: {has}; at least {least} are needed")
        return units
    for kind in OF_SEQUENCES if rule.sequential else OF_SCANS:
        units = _of_kind(scans, kind)
        if units is not None and units.count >= max(least, ENOUGH[kind]):
            return units
    for kind in OF_SEQUENCES if rule.sequential else OF_SCANS:
        units = _of_kind(scans, kind)
        if units is not None and units.count >= least:
            return units
    return None


def _of_kind(scans: Scans, kind: Unit) -> Units | None:
    if kind == "recording":
        return Units("recordings", numbered(scans.recording.tolist()))
    if kind == "day":
        return None if scans.day is None else Units("days", numbered(scans.day.tolist()))
    if kind == "device":
        return None if scans.device is None else Units("devices", numbered(scans.device.tolist()))
    if kind == "place":
        if np.isnan(scans.position[:, :2]).any():
            return None
        group = scans.group if scans.group is not None else np.full(len(scans), "", object)
        places = [
            (str(one), x, y) for one, (x, y) in zip(group, np.round(scans.position[:, :2], 1).tolist(), strict=True)
        ]
        return Units("places", numbered(places))
    pause = np.zeros(len(scans), np.int64)
    pause[1:] = np.cumsum(np.abs(np.diff(scans.time_s)) > VISIT_PAUSE_S)
    places_of = [scans.position[:, axis] for axis in range(2)] if not np.isnan(scans.position[:, :2]).any() else []
    return Units("visits", runs(scans.recording, scans.device, scans.label, scans.group, pause, *places_of))


def _stretches(scans: Scans, rule: SplitRule) -> Units:
    """Parts of each recording in a row, of each label where scans stand alone: the last way to validate."""
    of = np.zeros(len(scans), np.int64)
    owner = numbered(scans.recording.tolist() if rule.sequential or scans.label is None else scans.label.tolist())
    for number in range(int(owner.max()) + 1):
        rows = np.flatnonzero(owner == number)
        of[rows] = number * STRETCHES + np.arange(len(rows)) * STRETCHES // len(rows)
    return Units("stretches of recordings" if rule.sequential else "stretches of rows", numbered(of.tolist()))


def _say(scans: Scans, units: Units, held: Integers, findings: Findings) -> None:
    parts = [len(set(units.of[held == part].tolist())) for part in range(3)]
    test = f", {parts[2]} test" if parts[2] else ""
    findings.notes.append(
        f"{scans.source}: {parts[0]} {units.kind} train, {parts[1]} validate{test}; none is in two splits"
    )
    if units.kind.startswith("stretches"):
        findings.notes.append(
            f"{scans.source}: nothing whole could be spared to validate; stretches resemble training more than a test "
            f"does. Better: a column for {', '.join(OF_SEQUENCES)}, or a validation file"
        )


def _too_few(scans: Scans, rule: SplitRule) -> str:
    kinds = OF_SEQUENCES if rule.sequential else OF_SCANS
    found = [(kind, _of_kind(scans, kind)) for kind in kinds]
    has = [counted(units.count, kind) for kind, units in found if units is not None]
    return f"too few to hold out {rule.held_out:g} of them twice: {', '.join(has)}; name files or columns.split"
