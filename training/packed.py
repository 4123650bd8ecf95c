"""Integers as a short text, for JSON that is committed."""

import base64
import zlib

import numpy as np
import numpy.typing as npt


def pack(values: npt.NDArray[np.integer]) -> str:  # type: ignore[type-arg]
    """Integers as a short text for JSON."""
    return base64.b64encode(zlib.compress(values.astype("<i2").tobytes(), 9)).decode()


def unpack(text: str) -> npt.NDArray[np.int16]:
    """The integers of `pack`. Raises ValueError when it is not such a text."""
    try:
        return np.frombuffer(zlib.decompress(base64.b64decode(text, validate=True)), dtype="<i2").astype(np.int16)
    except zlib.error as error:
        raise ValueError(f"not packed integers: {error}") from error
