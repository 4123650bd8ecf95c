"""Scans given as rows over all access points, as tests write them."""

import numpy as np
import numpy.typing as npt

from tinyloc.device.client import DeviceClient
from tinyloc.device.link import Result
from tinyloc.export.bundle import MISSING_DBM


def sample_row(client: DeviceClient, dbm: npt.NDArray[np.int8]) -> Result:
    """Classify one scan of all access points, MISSING_DBM where not heard; the client chooses the form."""
    heard = np.flatnonzero(dbm != MISSING_DBM).astype(np.uint16)
    return client.sample(heard, dbm[heard])
