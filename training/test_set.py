"""From a data set's test recordings to the test set that a bundle carries. Needs no torch."""

import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import TestSet
from tinyloc.training.data.dataset import Recording, stacked
from tinyloc.training.preprocess import raw_readings
from tinyloc.training.protocol.units import units_of


def as_test_set(
    recordings: Sequence[Recording],
    scores: npt.NDArray[np.float32],
    decisions: npt.NDArray[np.int32],
    carries_state: bool,
) -> TestSet:
    """Recordings one after the other, with the float model's scores (N, C) and decisions (N,).

    carries_state: of the model. Samples that are apart are then a recording each, so that all that runs the test set
    starts anew at each of them; a model without state needs no such starts.
    """
    everything = stacked(recordings)
    lengths = [length for r in recordings for length in ([1] * len(r) if r.apart and carries_state else [len(r)])]
    return TestSet(
        rssi_dbm=raw_readings(everything.rssi_dbm),
        recording=np.repeat(np.arange(len(lengths)), lengths).astype(np.int32),
        label=everything.label,
        position_m=everything.position_m,
        float_scores=scores,
        float_class=decisions,
        unit=units_of(recordings).of,
    )


def readings_digest(test_set: TestSet) -> str:
    """Hash readings, labels and recordings by SHA-256: the same samples in the same order."""
    digest = hashlib.sha256()
    for array in (test_set.rssi_dbm, test_set.label, test_set.recording):
        digest.update(repr((array.shape, array.dtype.str)).encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
