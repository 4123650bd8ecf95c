"""Scans given as rows over all access points, as tests write them."""

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import MISSING_DBM
from tinyloc.device.link.client import DeviceClient
from tinyloc.device.link.frames import Result


def sample_row(client: DeviceClient, dbm: npt.NDArray[np.int8]) -> Result:
    """Classify one scan of all access points, MISSING_DBM where not heard; the client chooses the form."""
    heard = np.flatnonzero(dbm != MISSING_DBM).astype(np.uint16)
    return client.sample(heard, dbm[heard])
