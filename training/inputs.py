"""A recipe's [input] on a data set: access points that are left out (indices then count the kept ones), and scaling."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training import preprocess
from tinyloc.training.data.dataset import DataSet, Recording
from tinyloc.training.recipe import InputSettings


def narrowed(data_set: DataSet, kept: Sequence[int]) -> DataSet:
    """Return the data set with only the access points at the indices `kept`, in that order."""
    columns = list(kept)

    def narrow(recordings: tuple[Recording, ...]) -> tuple[Recording, ...]:
        return tuple(replace(recording, rssi_dbm=recording.rssi_dbm[:, columns]) for recording in recordings)

    places = data_set.access_point_m
    return replace(
        data_set,
        access_point_m=None if places is None else places[columns],
        access_points=tuple(data_set.access_points[index] for index in columns),
        train=narrow(data_set.train),
        validation=narrow(data_set.validation),
        test=narrow(data_set.test),
    )


def without_silent(data_set: DataSet) -> DataSet:
    """Return the data set with only those access points that some training recording hears."""
    heard = np.any([(~np.isnan(recording.rssi_dbm)).any(axis=0) for recording in data_set.train], axis=0)
    return narrowed(data_set, np.flatnonzero(heard).tolist())


def fitted(settings: InputSettings, data_set: DataSet) -> Preprocessing:
    """Measure scaling and forward fill on the training recordings.

    Raises:
        DataError: nothing was heard at all.
    """
    hold_samples = round(settings.hold_s * data_set.rate_hz)
    return preprocess.fit(
        data_set.train,
        data_set.access_points,
        settings.exponent,
        hold_samples,
        combine=data_set.combine,
        saturation=settings.saturation,
    )
