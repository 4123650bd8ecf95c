"""Constants as integers: weights of 8 or 4 bits with a scale for each channel, biases, other operands."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.flatbuffer import Array, graph, scales, set_constant
from tinyloc.export.quantise.rules import SAME, Rule
from tinyloc.export.quantise.widths import Width
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
    exact: npt.NDArray[np.float64]
    """The scales before they are narrowed to the file's single precision."""
    zero_point: npt.NDArray[np.int64]

    def reshaped(self, shape: tuple[int, ...]) -> "Integers":
        """The same integers in another shape; one scale for all."""
        return Integers(self.values.reshape(shape), self.exact, self.zero_point)

    @property
    def scale(self) -> npt.NDArray[np.float32]:
        """As the file has them."""
        return self.exact.astype(np.float32)


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
    return Integers(values, channels, np.zeros(len(channels), np.int64))


def operand(real: Array, bits: int) -> Integers:
    """A constant beside computed values: one scale over its own range, zero included."""
    low, high = min(0.0, float(real.min())), max(0.0, float(real.max()))
    scale, zero_point = affine(low, high, ARITHMETIC[bits])
    return with_scale(real, bits, scale, zero_point)


def with_scale(real: Array, bits: int, scale: float, zero_point: int) -> Integers:
    """A constant in a scale that is given."""
    values = np.clip(_rounded(real / scale) + zero_point, *LIMITS[bits]).astype(STORED[bits])
    return Integers(values, np.array([scale], np.float64), np.array([zero_point], np.int64))


def bias(real: Array, scale: npt.NDArray[np.float64], bits: int) -> Integers:
    """Integers in the scale of the sums, one a channel."""
    values = np.rint(real.astype(np.float64) / scale).astype(BIAS[bits][0])
    return Integers(values, scale, np.zeros(len(scale), np.int64))


@dataclass(frozen=True)
class Stored:
    """Integers as a file holds them."""

    integers: Integers
    element: int
    axis: int = 0

    @property
    def real(self) -> npt.NDArray[np.float32]:
        """What they stand for."""
        return real_values(self.integers, self.axis)


def real_values(integers: Integers, axis: int) -> npt.NDArray[np.float32]:
    """What integers with a scale for each channel along `axis`, or one for all, stand for."""
    shape = [1] * integers.values.ndim
    if len(integers.exact) > 1:
        shape[axis] = -1
    offset = integers.zero_point.reshape(shape)
    real: npt.NDArray[np.float32] = ((integers.values - offset) * integers.exact.reshape(shape)).astype(np.float32)
    return real


def of_operator(
    model: Any, operator: Any, rule: Rule, width: Width, bits: int, real: Mapping[int, Array]
) -> dict[int, Stored]:
    """Integers of an operator's constants, by tensor; what it computes has its scales already.

    bits: of what it computes. real: their values, by tensor.
    """
    tensors = graph(model).tensors
    found = {}
    for position, index in enumerate(map(int, operator.inputs)):
        if index not in real or position in (rule.weight, rule.bias):
            continue
        if rule.scale == SAME:
            other = tensors[int(operator.outputs[0])]
            scale, zero_point = float(scales(other)[0]), int(other.quantization.zeroPoint[0])
            found[index] = Stored(with_scale(real[index], bits, scale, zero_point), ELEMENTS[bits])
        else:
            found[index] = Stored(operand(real[index], bits), ELEMENTS[bits])
    if rule.weight is None:
        return found
    weight = int(operator.inputs[rule.weight])
    (source,) = (
        int(i) for k, i in enumerate(operator.inputs)
        if i >= 0 and k not in (rule.weight, rule.bias) and scales(tensors[int(i)]).size
    )  # fmt: skip
    source_scale = float(scales(tensors[source])[0])
    at = int(operator.inputs[rule.bias]) if rule.bias is not None and len(operator.inputs) > rule.bias else -1
    integers = weights(real[weight], rule.axis, width.weights, real.get(at), source_scale)
    found[weight] = Stored(integers, ELEMENTS[width.weights], rule.axis)
    if at in real:
        scale_of_sums = source_scale * integers.scale.astype(np.float64)
        found[at] = Stored(bias(real[at], scale_of_sums, width.activations), BIAS[width.activations][1])
    return found


def store(model: Any, tensor: Any, stored: Stored) -> None:
    """Write integers into a constant tensor, in place."""
    tensor.type = stored.element
    set_constant(model, tensor, stored.integers.values)
    describe(tensor, stored.integers.scale, stored.integers.zero_point, stored.axis)


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
