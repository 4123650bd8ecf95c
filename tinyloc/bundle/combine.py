"""Several readings of one access point within a sample become one, in training as on the device."""

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

Combine = Literal["mean", "max", "last"]


def combine_readings(
    rule: Combine,
    sample: npt.NDArray[np.integer[Any]],
    access_point: npt.NDArray[np.integer[Any]],
    dbm: npt.NDArray[np.floating[Any]],
    shape: tuple[int, int],
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Combine M readings into N samples of P access points.

    Args:
        rule: mean in dBm, rounded to a whole dBm, halves to the even one; max, the strongest; last, the latest.
        sample, access_point: (M,) where each reading belongs.
        dbm: (M,) whole dBm, in the order of their times.
        shape: N, P.

    Returns:
        Readings (N, P) in whole dBm, NaN where there was none, and how many (N, P) each was made of.
    """
    found = np.full(shape, np.nan)
    count = np.zeros(shape, np.int64)
    np.add.at(count, (sample, access_point), 1)
    heard = count > 0
    if rule == "mean":
        total = np.zeros(shape)
        np.add.at(total, (sample, access_point), dbm)
        found[heard] = np.rint(total[heard] / count[heard])
    elif rule == "max":
        largest = np.full(shape, -np.inf)
        np.maximum.at(largest, (sample, access_point), dbm)
        found[heard] = largest[heard]
    else:
        found[sample, access_point] = dbm  # of equal places NumPy keeps the last
    return found, count
