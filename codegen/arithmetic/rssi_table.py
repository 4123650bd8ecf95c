"""The table from dBm to quantised model input."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Preprocessing
from tinyloc.codegen.graph import RANGE, Tensor


def rssi_table(preprocessing: Preprocessing, reading: Tensor) -> npt.NDArray[Any]:
    """Compute the quantised model input for each raw reading.

    Args:
        preprocessing: scaling of readings in dBm.
        reading: input tensor of the model.

    Returns:
        (256,) of the tensor's element type, index dBm + 128. 127 dBm (not heard) gives the zero point.
    """
    low, high = RANGE[reading.element]
    dbm = np.arange(-128, 128, dtype=np.float64)
    dbm[-1] = np.nan
    scaled = preprocessing.scale(dbm).astype(np.float64) / float(np.float32(reading.scale))
    return np.clip(np.floor(scaled + 0.5) + reading.zero_point, low, high).astype(reading.element)
