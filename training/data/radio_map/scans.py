"""The scans of one file. Letters: N scans, P access points."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Texts = npt.NDArray[np.object_]


@dataclass(frozen=True)
class Scans:
    """N scans in the order of the file (of a recording's time once `in_time_order`)."""

    source: str
    points: tuple[str, ...]
    rssi_dbm: npt.NDArray[np.float32]  # (N, P) whole dBm, NaN where not heard
    position: npt.NDArray[np.float64]  # (N, 3) as the file says, metres once `in_metres`; NaN where unknown
    time_s: npt.NDArray[np.float64]  # (N,)
    line: npt.NDArray[np.int64]  # (N,) of the file
    recording: Texts  # (N,)
    label: Texts | None = None  # (N,) text
    group: Texts | None = None  # (N,) building and floor
    day: Texts | None = None  # (N,)
    device: Texts | None = None  # (N,)
    split: Texts | None = None  # (N,) train, validation or test

    def __len__(self) -> int:
        return len(self.time_s)

    def rows(self, chosen: npt.NDArray[Any]) -> "Scans":
        """The chosen scans: a mask, or indices in the order that is wanted."""
        changes = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if isinstance(value, np.ndarray):
                changes[one.name] = value[chosen]
        return replace(self, **changes)

    def in_time_order(self) -> "Scans":
        """Recordings in the order of their first rows, each sorted by time."""
        first: dict[str, int] = {}
        number = np.array([first.setdefault(str(name), len(first)) for name in self.recording], np.int64)
        return self.rows(np.lexsort((np.arange(len(self)), self.time_s, number)))

    def recorder(self) -> npt.NDArray[np.int64] | None:
        """(N,) number of each scan's device, or else of its day; None where the file says neither."""
        named = self.device if self.device is not None else self.day
        return None if named is None else numbered(named.tolist())

    def at(self, row: int) -> str:
        """Where a scan is, for a message."""
        return f"line {self.line[row]}"


def runs(*columns: npt.NDArray[Any] | None) -> npt.NDArray[np.int64]:
    """(N,) number of the stretch of equal values that each row is in, counted from 0; None columns are left out."""
    given = [column for column in columns if column is not None]
    changes = np.zeros(len(given[0]), bool)
    for column in given:
        changes[1:] |= column[1:] != column[:-1]
    return np.cumsum(changes).astype(np.int64)


def numbered(values: Sequence[object]) -> npt.NDArray[np.int64]:
    """(N,) number of each value, in the order of first appearance."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)
