"""Tables of unary functions as TFLite fills them.

int8: 256 entries, one per input value. int16: 513 entries, one every 128 input values, linear between them.
TFLite: LUTPopulate and LUTLookup in internal/common.h; tables are computed in single precision, as there.
"""

import functools
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.libm import Floats, single_precision
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.layer_code import Array

Function = Callable[[Floats, Tensor], Floats]


def _round(x: Floats) -> Floats:
    return (np.sign(x) * np.floor(np.abs(x) + np.float32(0.5))).astype(np.float32)


@functools.cache
def table_int8(x: Tensor, y: Tensor, function: Function) -> npt.NDArray[np.int8]:
    """Compute the output of a function for each int8 input.

    Args:
        x: input tensor, int8.
        y: output tensor, int8.
        function: from real inputs to real outputs, float32.

    Returns:
        (256,) in the order of the input cast to uint8: 0..127, -128..-1.
    """
    q = np.concatenate([np.arange(128), np.arange(-128, 0)]).astype(np.int32)
    real = np.float32(x.scale) * (q - x.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        rescaled = _round(function(real, y) * (np.float32(1.0) / np.float32(y.scale)))
    return np.clip(rescaled + np.float32(y.zero_point), -128, 127).astype(np.int8)


@functools.cache
def table_int16(x: Tensor, y: Tensor, function: Function) -> npt.NDArray[np.int16]:
    """Sample a function for interpolation; each sample is moved by half of the error at the middle of its step.

    Args:
        x: input tensor, int16.
        y: output tensor, int16.
        function: from real inputs to real outputs, float32.

    Returns:
        (513,): 512 steps of 128 inputs, and the end.

    Source: TFLite, LUTPopulate.
    """
    one, two = np.float32(1.0), np.float32(2.0)
    low, high = np.float32(x.scale) * np.float32(-32768), np.float32(x.scale) * np.float32(32767)
    output_low, output_high = np.float32(y.scale) * np.float32(-32768), np.float32(y.scale) * np.float32(32767)
    step = (high - low) / np.float32(512)
    inverse = np.float32(65536) / (output_high - output_low)
    at = low + np.arange(512, dtype=np.float32) * step
    following = low + np.arange(1, 513, dtype=np.float32) * step
    with np.errstate(over="ignore", invalid="ignore"):
        sample = _round(function(at, y) * inverse)
        middle = _round(function(at + step / two, y) * inverse)
        interpolated = _round((function(following, y) * inverse + sample) / two)
        bias = _round((interpolated - middle) / two)
        last = _round(function(np.array([high], dtype=np.float32), y) * inverse * one)
        samples = np.concatenate([sample - bias, last])
    # where the function overflows single precision, LiteRT's conversion of not-a-number gives 0
    return np.clip(np.nan_to_num(samples, nan=0.0), -32768, 32767).astype(np.int16)


def look_up_int16(values: Array, table: npt.NDArray[np.int16]) -> Array:
    """Evaluate a table of `table_int16`: upper nine bits choose the step, lower seven interpolate in it.

    Args:
        values: int16, any shape.
        table: (513,).

    Returns:
        int16 of the same shape.
    """
    wide = values.astype(np.int64)
    index = 256 + (wide >> 7)
    base = table[index].astype(np.int64)
    slope = (table[index + 1].astype(np.int64) - base).astype(np.int16).astype(np.int64)
    return (base + ((slope * (wide & 0x7F) + 64) >> 7)).astype(np.int16)


def exp_function(x: Floats, _: Tensor) -> Floats:
    """Compute exp(x), float32 of any shape."""
    return single_precision("exp", x)


def log_function(x: Floats, y: Tensor) -> Floats:
    """Compute log(x), float32 of any shape; the lowest value of y where x is not above 0."""
    lowest = np.float32(y.scale) * np.float32((-128 if y.element == "int8" else -32768) - y.zero_point)
    return np.where(x > 0, single_precision("log", np.maximum(x, np.float32(1e-38))), lowest).astype(np.float32)


def rsqrt_function(x: Floats, y: Tensor) -> Floats:
    """Compute 1 / sqrt(x), float32 of any shape; the highest value of y where x is not above 0."""
    highest = np.float32(32767) * np.float32(y.scale)
    positive = np.maximum(x, np.float32(1e-38))
    return np.where(x > 0, np.float32(1.0) / np.sqrt(positive), highest).astype(np.float32)


def tanh_function(x: Floats, _: Tensor) -> Floats:
    """Compute tanh(x), float32 of any shape."""
    return single_precision("tanh", x)


def logistic_function(x: Floats, _: Tensor) -> Floats:
    """Compute 1 / (1 + exp(-x)), float32 of any shape."""
    return np.float32(1.0) / (np.float32(1.0) + single_precision("exp", -x))


def elu_function(x: Floats, _: Tensor) -> Floats:
    """Compute x, or exp(x) - 1 below 0, float32 of any shape."""
    return np.where(x < 0, single_precision("expm1", np.minimum(x, np.float32(0))), x).astype(np.float32)


def gelu_function(x: Floats, _: Tensor) -> Floats:
    """Compute x times the normal distribution function at x, float32 of any shape."""
    return np.float32(0.5) * x * single_precision("erfc", x * np.float32(-math.sqrt(0.5)))


def gelu_by_tanh_function(x: Floats, _: Tensor) -> Floats:
    """Compute TFLite's approximation of GELU by tanh, float32 of any shape."""
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1.0) + single_precision("tanh", inner))
