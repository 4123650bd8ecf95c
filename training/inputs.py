"""Data sets with fewer access points: indices then count those that are kept."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinyloc.training.data.dataset import DataSet, Recording


def narrowed(data_set: DataSet, kept: Sequence[int]) -> DataSet:
    """The data set with only the access points at the indices `kept`, in that order."""
    columns = list(kept)

    def narrow(recordings: tuple[Recording, ...]) -> tuple[Recording, ...]:
        return tuple(replace(recording, rssi_dbm=recording.rssi_dbm[:, columns]) for recording in recordings)

    return replace(
        data_set,
        access_points=tuple(data_set.access_points[index] for index in columns),
        train=narrow(data_set.train),
        validation=narrow(data_set.validation),
        test=narrow(data_set.test),
    )


def without_silent(data_set: DataSet) -> DataSet:
    """The data set with only those access points that some training recording hears."""
    heard = np.any([(~np.isnan(recording.rssi_dbm)).any(axis=0) for recording in data_set.train], axis=0)
    return narrowed(data_set, np.flatnonzero(heard).tolist())
