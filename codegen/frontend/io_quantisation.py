"""What a model's own inputs and outputs are, against the integers that the compiled network takes and gives.

A converted model often has float32 or uint8 at its ends, with a QUANTIZE behind the input and a DEQUANTIZE or QUANTIZE
before the output. The network on the device has the integers in between; these functions are those operators.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.manifest import ArgumentRecord

Array = npt.NDArray[Any]
_UNSIGNED_OFFSET = 128


def quantise(real: Array, argument: ArgumentRecord) -> Array:
    """real -> round(real / scale) + zero point, half away from zero, saturated. LiteRT: AffineQuantize, in float32."""
    assert argument.scale is not None and argument.zero_point is not None, argument.tensor
    ratio = (real.astype(np.float32) / np.float32(argument.scale)).astype(np.float64)
    limit = np.iinfo(argument.element)
    rounded = np.trunc(ratio + np.copysign(0.5, ratio)) + argument.zero_point
    return np.clip(rounded, limit.min, limit.max).astype(argument.element)


def dequantise(values: Array, argument: ArgumentRecord) -> Array:
    """scale * (q - zero point) as float32. LiteRT: Dequantize, whose product is exact before it is rounded."""
    assert argument.scale is not None and argument.zero_point is not None, argument.tensor
    return (np.float64(np.float32(argument.scale)) * (values.astype(np.int64) - argument.zero_point)).astype(np.float32)


def to_network(values: Array, argument: ArgumentRecord) -> Array:
    """An input in the model's own type -> the network's integers: by its dtype float, uint8 or the integers already."""
    if values.dtype.kind == "f":
        return quantise(values, argument)
    if values.dtype == np.uint8:
        return (values.astype(np.int16) - _UNSIGNED_OFFSET).astype(argument.element)
    return values.astype(argument.element)


def from_network(values: Array, argument: ArgumentRecord, element: str) -> Array:
    """The network's integers -> an output of the model's own type: float32, uint8 or the integers themselves."""
    if element == "float32":
        return dequantise(values, argument)
    if element == "uint8":
        return (values.astype(np.int16) + _UNSIGNED_OFFSET).astype(np.uint8)
    return values
