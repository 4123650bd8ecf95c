"""Constants as integers: weights of 8 or 4 bits with a scale for each channel, biases, other operands."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.flatbuffer import Array, set_constant
from tinyloc.training.compress.scales import affine

ELEMENTS: dict[int, int] = {4: schema.TensorType.INT4, 8: schema.TensorType.INT8, 16: schema.TensorType.INT16}
STORED: dict[int, type[np.signedinteger[Any]]] = {4: np.int8, 8: np.int8, 16: np.int16}
LIMITS: dict[int, tuple[int, int]] = {4: (-8, 7), 8: (-128, 127), 16: (-32768, 32767)}
ARITHMETIC: dict[int, Arithmetic] = {8: "int8", 16: "int16x8"}
BIAS: dict[int, tuple[type[np.signedinteger[Any]], int]] = {
    8: (np.int32, schema.TensorType.INT32),
    16: (np.int64, schema.TensorType.INT64),
}
"""Type of a bias by the width of the activations."""
LARGEST_BIAS = 1 << 30
"""In the scale of the sums: half of what 32 bits hold is left to the products, also where a bias may have 64."""


@dataclass(frozen=True)
class Integers:
    """Integers with their scales, one or one a channel."""

    values: npt.NDArray[np.signedinteger[Any]]
    scale: npt.NDArray[np.float32]
    zero_point: npt.NDArray[np.int64]


def weights(real: Array, axis: int, bits: int, bias: Array | None = None, source_scale: float = 1.0) -> Integers:
    """Symmetric integers, a scale for each channel along `axis`: largest magnitude / 127 or / 7.

    A channel of zeros gets the scale 1: its integers are 0 whatever the scale. A channel whose `bias` (channels,) would
    pass LARGEST_BIAS in the scale of the sums gets a wider one: its weights are tiny beside its bias.
    """
    limit = 2 ** (bits - 1) - 1
    along = tuple(k for k in range(real.ndim) if k != axis)
    largest = np.abs(real).max(axis=along, keepdims=True).astype(np.float64)
    scale = np.where(largest > 0, largest / limit, 1.0)
    if bias is not None:
        least = np.abs(bias.astype(np.float64)) / (LARGEST_BIAS * source_scale)
        scale = np.maximum(scale, least.reshape(scale.shape))
    values = np.clip(_rounded(real / scale), -limit, limit).astype(STORED[bits])
    channels = scale.ravel()
    return Integers(values, channels.astype(np.float32), np.zeros(len(channels), np.int64))


def operand(real: Array, bits: int) -> Integers:
    """A constant beside computed values: one scale over its own range, zero included."""
    low, high = min(0.0, float(real.min())), max(0.0, float(real.max()))
    scale, zero_point = affine(low, high, ARITHMETIC[bits])
    return with_scale(real, bits, scale, zero_point)


def with_scale(real: Array, bits: int, scale: float, zero_point: int) -> Integers:
    """A constant in a scale that is given."""
    values = np.clip(_rounded(real / scale) + zero_point, *LIMITS[bits]).astype(STORED[bits])
    return Integers(values, np.array([scale], np.float32), np.array([zero_point], np.int64))


def bias(real: Array, scale: npt.NDArray[np.float64], bits: int) -> Integers:
    """Integers in the scale of the sums, one a channel."""
    values = np.rint(real.astype(np.float64) / scale).astype(BIAS[bits][0])
    return Integers(values, scale.astype(np.float32), np.zeros(len(scale), np.int64))


def store(model: Any, tensor: Any, integers: Integers, element: int, axis: int = 0) -> None:
    """Write integers into a constant tensor, in place."""
    tensor.type = element
    set_constant(model, tensor, integers.values)
    describe(tensor, integers.scale, integers.zero_point, axis)


def describe(tensor: Any, scale: Array, zero_point: Array, axis: int = 0) -> None:
    """Give a tensor its scale and zero point, or those of its channels."""
    quantisation = schema.QuantizationParametersT()
    quantisation.scale = np.asarray(scale, np.float32)
    quantisation.zeroPoint = np.asarray(zero_point, np.int64)
    quantisation.quantizedDimension = axis if len(quantisation.scale) > 1 else 0
    tensor.quantization = quantisation


def _rounded(values: Array) -> Array:
    """Halves away from zero."""
    wide = np.asarray(values, np.float64)
    return np.trunc(wide + np.copysign(0.5, wide))
