"""The identity of a data set: equal for equal data."""

import hashlib

from tinyloc.training.data.dataset import DataSet


def digest(data_set: DataSet) -> str:
    """SHA-256 over names, rate, and each recording's readings, positions, labels and times with their shapes."""
    found = hashlib.sha256(repr((data_set.access_points, data_set.classes, data_set.rate_hz)).encode())
    for split, recordings in data_set.splits.items():
        for recording in recordings:
            for array in (recording.rssi_dbm, recording.position_m, recording.label, recording.time_s):
                found.update(repr((split, array.shape, array.dtype.str)).encode())
                found.update(array.tobytes())
    return found.hexdigest()
