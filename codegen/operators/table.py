"""Unary functions by table: EXP, LOG, ELU, GELU, RSQRT (int16), TANH and LOGISTIC (int8), and our own TABLE.

int8: 256 entries, one an input value. int16: 513 entries, one every 128 input values, linear between them.
TFLite: LUTPopulate and LUTLookup in internal/common.h; tables are computed in single precision, as there.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.libm import Floats, single_precision
from tinyloc.codegen.operators.base import Array, Constant, ElementWise, Expression, quantised_problems

Function = Callable[[Floats, Tensor], Floats]


def _round(x: Floats) -> Floats:
    return (np.sign(x) * np.floor(np.abs(x) + np.float32(0.5))).astype(np.float32)


@functools.cache
def table_int8(x: Tensor, y: Tensor, function: Function) -> npt.NDArray[np.int8]:
    """Output for each input -128..127, in the order of the input cast to uint8: 0..127, -128..-1."""
    q = np.concatenate([np.arange(128), np.arange(-128, 0)]).astype(np.int32)
    real = np.float32(x.scale) * (q - x.zero_point).astype(np.float32)
    with np.errstate(over="ignore"):
        rescaled = _round(function(real, y) * (np.float32(1.0) / np.float32(y.scale)))
    return np.clip(rescaled + np.float32(y.zero_point), -128, 127).astype(np.int8)


@functools.cache
def table_int16(x: Tensor, y: Tensor, function: Function) -> npt.NDArray[np.int16]:
    """513 samples, each moved by half of the interpolation error at the middle of its step."""
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
    """Base and slope by the upper nine bits, interpolation by the lower seven."""
    wide = values.astype(np.int64)
    index = 256 + (wide >> 7)
    base = table[index].astype(np.int64)
    slope = (table[index + 1].astype(np.int64) - base).astype(np.int16).astype(np.int64)
    return (base + ((slope * (wide & 0x7F) + 64) >> 7)).astype(np.int16)


def _exp(x: Floats, _: Tensor) -> Floats:
    return single_precision("exp", x)


def _log(x: Floats, y: Tensor) -> Floats:
    lowest = np.float32(y.scale) * np.float32((-128 if y.element == "int8" else -32768) - y.zero_point)
    return np.where(x > 0, single_precision("log", np.maximum(x, np.float32(1e-38))), lowest).astype(np.float32)


def _rsqrt(x: Floats, y: Tensor) -> Floats:
    highest = np.float32(32767) * np.float32(y.scale)
    positive = np.maximum(x, np.float32(1e-38))
    return np.where(x > 0, np.float32(1.0) / np.sqrt(positive), highest).astype(np.float32)


def _tanh(x: Floats, _: Tensor) -> Floats:
    return single_precision("tanh", x)


def _logistic(x: Floats, _: Tensor) -> Floats:
    return np.float32(1.0) / (np.float32(1.0) + single_precision("exp", -x))


class TableFunction(ElementWise):
    """A function of one operand, by table in the element types named."""

    def __init__(self, function: Function, elements: tuple[str, ...]) -> None:
        self.function = function
        self.elements = elements

    def table(self, graph: Graph, op: Operator) -> npt.NDArray[Any]:
        """The table that TFLite builds for this use."""
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        return (table_int8 if x.element == "int8" else table_int16)(x, y, self.function)

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return quantised_problems(graph, (*op.inputs, *op.outputs), self.elements)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        table = self.table(graph, op)
        return [table[x.astype(np.uint8)] if x.dtype == np.int8 else look_up_int16(x, table)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return table_expression(self.table(graph, op), operands[0], prefix, op.kind)


class Table(ElementWise):
    """TABLE, ours: a chain of int8 operators on one value, folded into 256 entries. Attribute: `table`."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        return [np.asarray(op.attributes["table"])[x.astype(np.uint8)]]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return table_expression(op.attributes["table"], operands[0], prefix, " -> ".join(op.origin))


def table_expression(table: npt.NDArray[Any], operand: str, prefix: str, what: str) -> Expression:
    """The look-up as C, with the table that it reads."""
    if table.dtype == np.int8:
        constant = Constant(f"{prefix}_table", "int8_t", table, f"{what}: [256], by the input as uint8")
        return Expression(f"(int32_t){constant.name}[(uint8_t)({operand})]", (constant,))
    constant = Constant(f"{prefix}_table", "int16_t", table, f"{what}: [513], one every 128 inputs")
    smooth = np.abs(np.diff(table.astype(np.int64))).max() < 1 << 15
    return Expression(f"tl_interpolate{'_smooth' if smooth else ''}({operand}, {constant.name})", (constant,))


def _elu(x: Floats, _: Tensor) -> Floats:
    return np.where(x < 0, single_precision("expm1", np.minimum(x, np.float32(0))), x).astype(np.float32)


def _gelu(x: Floats, _: Tensor) -> Floats:
    return np.float32(0.5) * x * single_precision("erfc", x * np.float32(-math.sqrt(0.5)))


def _gelu_by_tanh(x: Floats, _: Tensor) -> Floats:
    inner = np.float32(math.sqrt(2 / math.pi)) * (x + np.float32(0.044715) * x * x * x)
    return np.float32(0.5) * x * (np.float32(1.0) + single_precision("tanh", inner))


class Gelu(TableFunction):
    """Attribute `approximate`: by tanh, not by the error function."""

    def __init__(self) -> None:
        super().__init__(_gelu, ("int8", "int16"))

    def table(self, graph: Graph, op: Operator) -> npt.NDArray[Any]:
        function = TableFunction(_gelu_by_tanh, self.elements) if op.attributes.get("approximate") else GELU_BY_ERF
        return function.table(graph, op)


ELU = TableFunction(_elu, ("int8",))
GELU_BY_ERF = TableFunction(_gelu, ("int8", "int16"))
EXP = TableFunction(_exp, ("int8", "int16"))
LOG = TableFunction(_log, ("int8", "int16"))
RSQRT_INT16 = TableFunction(_rsqrt, ("int16",))
TANH_INT8 = TableFunction(_tanh, ("int8",))
LOGISTIC_INT8 = TableFunction(_logistic, ("int8",))
