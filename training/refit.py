"""Training on the validation split, too, once all settings are chosen; and the way back."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording


def with_validation(data_set: DataSet) -> DataSet:
    """Return the data set whose training split has the validation scans of known classes behind its own."""
    return replace(data_set, train=data_set.train + known(data_set.validation))


def without_validation(data_set: DataSet) -> DataSet:
    """Undo `with_validation`: the training split that settings were chosen on."""
    added = len(known(data_set.validation))
    return replace(data_set, train=data_set.train[: len(data_set.train) - added])


def known(recordings: Sequence[Recording]) -> tuple[Recording, ...]:
    """Leave out scans of classes that were never trained. A sequence is cut there: what is left still follows."""
    found: list[Recording] = []
    for one in recordings:
        rows = np.flatnonzero(one.label != UNSEEN)
        parts = [rows] if one.apart else np.split(rows, np.flatnonzero(np.diff(rows) > 1) + 1)
        found += [one if len(part) == len(one) else _rows(one, part) for part in parts if len(part)]
    return tuple(found)


def _rows(one: Recording, rows: npt.NDArray[np.int64]) -> Recording:
    recorder = None if one.recorder is None else one.recorder[rows]
    cut = {name: getattr(one, name)[rows] for name in ("rssi_dbm", "position_m", "label", "time_s")}
    return replace(one, recorder=recorder, **cut)
