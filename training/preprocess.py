"""From readings in dBm to model input, as published: forward fill, then scaling fitted on training data only.

The formula is `tinyloc.bundle.schema.Preprocessing`; a device computes it with one 256-entry table.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.combine import Combine
from tinyloc.bundle.schema import MISSING_DBM, Preprocessing
from tinyloc.training.data.dataset import Recording
from tinyloc.training.errors import DataError

MOST_HELD = 254
"""Samples for which a silent access point can keep its reading."""
Readings = npt.NDArray[np.float32]


def fit(
    recordings: Sequence[Recording],
    access_points: Sequence[str],
    exponent: float = 1.0,
    hold_samples: int = 0,
    margin_db: float = 1.0,
    combine: Combine = "mean",
    saturation: float = 1.0,
) -> Preprocessing:
    """Fit min-max scaling on the readings of the training recordings.

    Args:
        recordings: for training.
        access_points: names in the order of the columns.
        exponent: power of the scaled reading.
        hold_samples: samples of forward fill.
        saturation: the ceiling lies at this quantile of the readings; stronger ones count as it.
        margin_db: the floor lies so far below the weakest reading, which thus differs from one not heard (0).

    Raises:
        DataError: nothing was heard at all.
    """
    heard = np.concatenate([recording.rssi_dbm[~np.isnan(recording.rssi_dbm)] for recording in recordings])
    if not len(heard):
        names = ", ".join(recording.name for recording in recordings)
        raise DataError(f"{names}: no access point is heard in the training recordings; readings cannot be scaled")
    weakest, strongest = float(heard.min()), float(np.quantile(heard, saturation, method="higher"))
    if hold_samples > MOST_HELD:
        raise DataError(f"input.hold_s is {hold_samples} samples; a device counts at most {MOST_HELD}; lower it")
    return Preprocessing(
        access_points=list(access_points),
        floor_dbm=weakest - margin_db,
        ceiling_dbm=max(strongest, weakest + 1.0),
        exponent=exponent,
        hold_samples=hold_samples,
        combine=combine,
    )


def forward_fill(rssi_dbm: Readings, hold_samples: int) -> Readings:
    """Keep the last reading of a silent access point for up to `hold_samples` further samples.

    Args:
        rssi_dbm: readings (N, P) of one recording, NaN where not heard.
        hold_samples: at least 0.

    Returns:
        (N, P), NaN where nothing was heard in that time.
    """
    heard = ~np.isnan(rssi_dbm)
    row = np.arange(len(rssi_dbm))[:, None]
    last = np.maximum.accumulate(np.where(heard, row, -1), axis=0)  # (N, P) its row, -1 before the first
    fresh = (last >= 0) & (row - last <= hold_samples)
    filled = np.take_along_axis(rssi_dbm, np.maximum(last, 0), axis=0)
    return np.where(fresh, filled, np.nan).astype(np.float32)


def model_input(rssi_dbm: Readings, preprocessing: Preprocessing) -> Readings:
    """Scale readings (N, P) of one recording to model input (N, P) in 0..1; not heard = 0."""
    return preprocessing.scale(forward_fill(rssi_dbm, preprocessing.hold_samples))


def raw_readings(rssi_dbm: Readings) -> npt.NDArray[np.int8]:
    """Convert dBm with NaN (N, P) to int8 dBm with MISSING_DBM, as the link and test.npz carry them."""
    return np.where(np.isnan(rssi_dbm), MISSING_DBM, np.clip(np.rint(rssi_dbm), -128, 126)).astype(np.int8)


def readings_dbm(raw: npt.NDArray[np.int8]) -> Readings:
    """Convert int8 dBm with MISSING_DBM (N, P) to dBm with NaN: `raw_readings` backwards."""
    return np.where(raw == MISSING_DBM, np.nan, raw.astype(np.float32)).astype(np.float32)
