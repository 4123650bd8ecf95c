"""What a bootstrap draws as a whole: samples that resemble one another because they were taken together."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.data.dataset import Recording

LEAST = 5
"""Fewer units say nothing about their spread; the next finer kind is taken then."""
STRETCHES = 20
"""Stretches, at least, that few recordings are cut into."""


@dataclass(frozen=True)
class Units:
    """The unit of each of N samples."""

    kind: str
    """recorder, recording, place, stretch or sample."""
    of: npt.NDArray[np.int32]
    """(N,) from 0."""

    @property
    def count(self) -> int:
        return int(self.of.max()) + 1


def units_of(recordings: Sequence[Recording]) -> Units:
    """Find the coarsest kind of which a split has at least LEAST.

    Recorders (person, device or day) come first, then recordings. Scans that stand alone go by place, or each by
    itself; sequences of too few recordings are cut into stretches of time.
    """
    lengths = [len(recording) for recording in recordings]
    given = [recording.recorder for recording in recordings]
    recorders = [recorder for recorder in given if recorder is not None]
    if len(recorders) == len(given) and len(np.unique(np.concatenate(recorders))) >= LEAST:
        return Units("recorder", _numbered(np.concatenate(recorders)))
    if len(recordings) >= LEAST:
        return Units("recording", np.repeat(np.arange(len(lengths)), lengths).astype(np.int32))
    if all(recording.apart for recording in recordings):
        position = np.concatenate([recording.position_m for recording in recordings])
        if not np.isnan(position).any():
            places = _numbered(np.round(position, 1))
            if places.max() + 1 >= LEAST:
                return Units("place", places)
        return Units("sample", np.arange(sum(lengths), dtype=np.int32))
    each = -(-STRETCHES // len(lengths))
    parts = [number * each + np.arange(length) * each // length for number, length in enumerate(lengths) if length]
    return Units("stretch", _numbered(np.concatenate(parts)))


def _numbered(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int32]:
    """(N,) number of each distinct value or row, from 0."""
    return np.unique(values, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int32)
