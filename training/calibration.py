"""What integer ranges are measured on: training readings as the model sees them."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training import preprocess
from tinyloc.training.data.dataset import DataSet

WINDOWS = 300
SAMPLES = 3000

Array = npt.NDArray[np.float32]


def calibration_windows(
    data_set: DataSet, preprocessing: Preprocessing, chunk: int, seed: int
) -> tuple[Array, npt.NDArray[np.int32]]:
    """x (W, T, P) and label (W, T) of WINDOWS chunks, or SAMPLES in all, of training readings, not augmented."""
    x = [preprocess.model_input(recording.rssi_dbm, preprocessing) for recording in data_set.train]
    label = [recording.label for recording in data_set.train]
    starts = [(number, start) for number, rows in enumerate(x) for start in range(len(rows) - chunk + 1)]
    chosen = np.random.default_rng(seed).permutation(len(starts))[: max(WINDOWS, SAMPLES // chunk)]
    places = [starts[index] for index in chosen]
    return (
        np.stack([x[number][start : start + chunk] for number, start in places]),
        np.stack([label[number][start : start + chunk] for number, start in places]),
    )


def calibration_stream(windows: npt.NDArray[np.floating[Any]]) -> Array:
    """Join windows to one stream of at most SAMPLES samples; the state is carried through it.

    Short windows from a zero state would never show the values that a state reaches in a long recording. Where devices
    restart at every sample, the export measures each sample of the stream from a zero state.

    Args:
        windows: model input (W, T, P).

    Returns:
        (N, P).
    """
    count = max(1, min(len(windows), SAMPLES // windows.shape[1]))
    stream: Array = windows[:count].reshape(-1, windows.shape[2]).astype(np.float32)
    return stream
