"""Functions in single precision as the C library computes them, which is what LiteRT fills its tables with.

NumPy's own vector forms differ from the C library in the last bit now and then, and so does the correctly rounded
value: glibc's logf is off by up to 0.8 of a last place. One such bit can move an entry of a table by one. Where there
is no C library to ask, the value rounded from double precision is used.
"""

import ctypes
import ctypes.util
import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
_DOUBLE: dict[str, Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]] = {
    "erfc": np.vectorize(math.erfc, otypes=[np.float64]),
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "tanh": np.tanh,
}


@functools.cache
def _library_function(name: str) -> Callable[[float], float] | None:
    found = ctypes.util.find_library("m")
    if found is None:
        return None
    try:
        function = getattr(ctypes.CDLL(found), f"{name}f")
    except (OSError, AttributeError):
        return None
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    single: Callable[[float], float] = function
    return single


def single_precision(name: str, x: Floats) -> Floats:
    """expf, logf, tanhf... (`name` without the f, one of _DOUBLE) of each element."""
    function = _library_function(name)
    if function is not None:
        return np.array([function(float(v)) for v in x.ravel()], dtype=np.float32).reshape(x.shape)
    with np.errstate(over="ignore"):
        return _DOUBLE[name](x.astype(np.float64)).astype(np.float32)
