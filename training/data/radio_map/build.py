"""Scans of some files as a data set."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from tinyloc.bundle.combine import Combine
from tinyloc.errors import counted
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.data.files import some
from tinyloc.training.data.radio_map.classes import Classes, ClassRule, classes_of
from tinyloc.training.data.radio_map.findings import Findings
from tinyloc.training.data.radio_map.scans import Scans, runs
from tinyloc.training.data.radio_map.splits import SPLITS, TRAIN, Integers, SplitRule, split_rows
from tinyloc.training.errors import DataError


@dataclass(frozen=True)
class Facts:
    """What a data set says of itself."""

    name: str
    title: str
    licence: str
    citation: str
    combine: Combine = "mean"
    """What several readings of an access point within a sample became."""


def build(
    facts: Facts,
    files: Mapping[str, Scans],
    split_rule: SplitRule,
    class_rule: ClassRule,
    rate_hz: float,
    seed: int,
    findings: Findings,
) -> DataSet:
    """Split scans and label them with classes.

    Args:
        files: What the scans of a file are for, see `split_rows`, and the scans: the same access points, positions in
            metres.
        seed: Fixes which units are held out.

    Raises:
        DataError: A split would be empty, or there are fewer than two classes.
    """
    split = []
    for given, scans in files.items():
        with findings.caught():
            split.append(split_rows(scans, given, split_rule, class_rule, seed, findings))
    findings.stop()
    scans, of = joined(files), np.concatenate(split)
    empty = [name for number, name in enumerate(SPLITS) if not (of == number).any()]
    if empty:
        raise DataError(
            f"{scans.source}: no rows for {' and '.join(empty)}; assign rows to splits by files or by a column"
        )
    _count_access_points(scans, of, findings)
    _count_devices(scans, of, findings)
    classes = classes_of(scans, of == TRAIN, class_rule, findings)
    if len(classes.names) < 2:
        raise DataError(f"{scans.source}: the training rows have {len(classes.names)} label; at least two are needed")
    train, validation, test = _recordings(scans, of, classes, split_rule.sequential)
    return DataSet(
        name=facts.name,
        title=facts.title,
        licence=facts.licence,
        citation=facts.citation,
        access_points=scans.points,
        classes=classes.names,
        class_position_m=classes.position_m,
        rate_hz=rate_hz,
        sequential=split_rule.sequential,
        train=train,
        validation=validation,
        test=test,
        class_group=classes.group,
        notes=tuple(findings.notes),
        combine=facts.combine,
    )


def joined(files: Mapping[str, Scans]) -> Scans:
    """All files as one, in their order; recordings of different files stay apart by name."""
    parts = list(files.values())
    if len(parts) == 1:
        return parts[0]
    changes: dict[str, Any] = {}
    for one in fields(Scans):
        values = [getattr(part, one.name) for part in parts]
        if isinstance(values[0], np.ndarray):
            changes[one.name] = np.concatenate(values)
    return replace(parts[0], source=", ".join(part.source for part in parts), **changes)


def _recordings(scans: Scans, split: Integers, classes: Classes, sequential: bool) -> list[tuple[Recording, ...]]:
    """Recordings of each split. A sequence goes to one split in a row; scans that stand alone are one recording."""
    found: list[list[Recording]] = [[], [], []]
    recorder = scans.recorder()
    if sequential:
        part = runs(scans.recording, split)
    else:
        part = np.unique(np.stack([split, runs(scans.recording)]), axis=1, return_inverse=True)[1].reshape(-1)
    for number in range(int(part.max()) + 1):
        rows = np.flatnonzero(part == number)
        found[split[rows[0]]].append(
            Recording(
                name=str(scans.recording[rows[0]]),
                rssi_dbm=scans.rssi_dbm[rows],
                position_m=scans.position[rows].astype(np.float32),
                label=classes.label[rows],
                time_s=scans.time_s[rows],
                apart=not sequential,
                recorder=None if recorder is None else recorder[rows].astype(np.int32),
            )
        )
    return [tuple(parts) for parts in found]


def _count_devices(scans: Scans, split: Integers, findings: Findings) -> None:
    """Count devices that only the test has, and labels that training lacks."""
    if scans.device is not None:
        trained, tested = (set(scans.device[split == number].tolist()) for number in (TRAIN, 2))
        if tested - trained:
            findings.notes.append(
                f"{counted(len(tested - trained), 'device')} of {len(tested)} in the test only: its figures hold for "
                "phones that the model does not know"
            )
    if scans.label is not None:
        trained = set(scans.label[split == TRAIN].tolist())
        strange = sorted(set(scans.label[split != TRAIN].tolist()) - trained)
        if strange:
            findings.notes.append(
                f"{counted(len(strange), 'label')} that no training scan has, always wrong: {some(strange)}"
            )


def _count_access_points(scans: Scans, split: Integers, findings: Findings) -> None:
    """Count access points that only some splits hear."""
    heard = [(~np.isnan(scans.rssi_dbm[split == number])).any(axis=0) for number in range(3)]
    never = int((~(heard[0] | heard[1] | heard[2])).sum())
    if never:
        findings.notes.append(f"{counted(never, 'access point')} never heard")
    new, gone = int((heard[2] & ~heard[0]).sum()), int((heard[0] & ~heard[2]).sum())
    if new or gone:
        findings.notes.append(f"access points heard in training only: {gone}; in the test only: {new}")
