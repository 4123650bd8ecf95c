"""What simple methods are fitted on and asked, and what they answer: votes for classes, and a place."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.data.dataset import UNSEEN, DataSet, Recording, stacked
from tinyloc.training.metrics import macro_f1
from tinyloc.training.preprocess import forward_fill


@dataclass(frozen=True)
class Split:
    """N single scans of P access points."""

    rssi_dbm: npt.NDArray[np.float32]  # (N, P), silent access points held as the model has them
    label: npt.NDArray[np.int32]  # (N,)
    position_m: npt.NDArray[np.float32]  # (N, 3), NaN where unknown
    floor: npt.NDArray[np.int64]  # (N,) floor of the class, 0 where classes have none
    classes: int
    class_position_m: npt.NDArray[np.float32] | None  # (C, 3)
    class_floor: npt.NDArray[np.int64]  # (C,)

    def __len__(self) -> int:
        return len(self.label)

    def rows(self, chosen: npt.NDArray[np.generic]) -> "Split":
        changes = {name: getattr(self, name)[chosen] for name in ("rssi_dbm", "label", "position_m", "floor")}
        return replace(self, **changes)

    def spread(self, most: int) -> "Split":
        """At most so many scans, evenly spread over all."""
        return self if len(self) <= most else self.rows(np.linspace(0, len(self) - 1, most).astype(np.int64))

    def known(self) -> "Split":
        """Scans of classes that training has."""
        return self.rows(self.label != UNSEEN)


@dataclass(frozen=True)
class Votes:
    """Answers to N scans."""

    scores: npt.NDArray[np.float32]  # (N, C), sum 1
    position_m: npt.NDArray[np.float64]  # (N, 3), NaN where unknown


def split_of(recordings: Sequence[Recording], data_set: DataSet, preprocessing: Preprocessing) -> Split:
    """Single scans of recordings, silent access points held for as long as the model holds them."""
    held = [replace(one, rssi_dbm=forward_fill(one.rssi_dbm, preprocessing.hold_samples)) for one in recordings]
    everything = stacked(held)
    floors = data_set.class_floors()
    of_class = np.zeros(len(data_set.classes), np.int64) if floors is None else np.asarray(floors, np.int64)
    return Split(
        everything.rssi_dbm,
        everything.label,
        everything.position_m,
        of_class[np.maximum(everything.label, 0)],
        len(data_set.classes),
        data_set.class_position_m,
        of_class,
    )


def both(one: Split, other: Split) -> Split:
    """The scans of both."""
    names = ("rssi_dbm", "label", "position_m", "floor")
    return replace(one, **{name: np.concatenate([getattr(one, name), getattr(other, name)]) for name in names})


def merit(votes: Votes, asked: Split, positions: bool) -> float:
    """Higher is better: the negative mean error in metres of positions, else macro F1."""
    if positions:
        return -float(np.nanmean(np.linalg.norm(votes.position_m - asked.position_m, axis=1)))
    return macro_f1(asked.label, votes.scores.argmax(axis=1))
