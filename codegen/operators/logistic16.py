"""LOGISTIC and TANH of int16: TFLite's own table of sigmoid(i / 24), linear between its 256 entries.

The table holds 65536 * sigmoid(i / 24), moved by half of the interpolation error in the middle of the step to i + 1,
and 65535 at its end: recomputed here, compared with LiteRT by test.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.data_mode import number
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Expression
from tinyloc.codegen.operators.base import ElementWise, quantised_problems

Int64s = npt.NDArray[np.int64]


def _sigmoid_table() -> npt.NDArray[np.uint16]:
    def sigmoid(x: float) -> float:
        return 1.0 / (1.0 + math.exp(-x))

    table = []
    for i in range(255):
        left, middle, right = sigmoid(i / 24.0), sigmoid((i + 0.5) / 24.0), sigmoid((i + 1) / 24.0)
        table.append(round(65536.0 * (left + 0.5 * (middle - (left + right) / 2.0))))
    return np.array([*table, 65535], dtype=np.uint16)


SIGMOID = _sigmoid_table()
SIGMOID_TABLE = Constant("tl_sigmoid_table", "uint16_t", SIGMOID, "sigmoid(i / 24) in 0.16 fixed point: [256]")


def input_scaling(scale: float, plain_shifts: tuple[int, ...]) -> tuple[int, int]:
    """(multiplier, right shift) from the input's scale to 1 / (3 * 4096). TFLite: SigmoidPrepare, TanhPrepare."""
    mantissa, exponent = math.frexp(float(np.float32(scale)))
    if mantissa == 0.5:
        left = 12 + exponent - 1
        if left in plain_shifts:
            return 3 << left, 0
    multiplier = float(np.float32(scale)) * 4096.0 * 3.0
    shift = 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    return int(multiplier), shift


def _interpolate(x: Int64s, shift: int, largest: int) -> Int64s:
    """2**(16 + shift) * sigmoid(|x| / (24 * 2**shift)), saturating."""
    magnitude = np.abs(x)
    index = np.minimum(magnitude >> shift, 254)
    low, high = SIGMOID[index].astype(np.int64), SIGMOID[index + 1].astype(np.int64)
    value = (low << shift) + (magnitude & ((1 << shift) - 1)) * (high - low)
    return np.where(magnitude >> shift >= 255, largest, value)


def sigmoid(x: Int64s) -> Int64s:
    """In 0.15, of x in 1 / (3 * 4096)."""
    value = _interpolate(x, 9, 0x7FFF << 10)
    return np.where(x >= 0, value + (1 << 9), (1 << 25) - value + (1 << 9) - 1) >> 10


def tanh(x: Int64s) -> Int64s:
    """In 0.15, of x in 1 / (3 * 4096): 2 * sigmoid(2 * x) - 1."""
    value, half = _interpolate(x, 8, 0xFFFF << 8), 1 << (14 + 9)
    return np.where(x >= 0, value - half + (1 << 7), half - value + (1 << 7) - 1) >> 8


class Logistic16(ElementWise):
    """Output scale 2**-15."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int16",))
        if not problems and graph.tensors[op.outputs[0]].scale != 2.0**-15:
            problems.append(f"the output's scale is {graph.tensors[op.outputs[0]].scale}; TFLite requires 2**-15")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (q,) = values
        assert q is not None
        multiplier, shift = input_scaling(graph.tensors[op.inputs[0]].scale, (0,))
        x = (q.astype(np.int64) * multiplier + ((1 << shift) >> 1)) >> shift
        return [sigmoid(x).astype(np.int16)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        multiplier, shift = input_scaling(graph.tensors[op.inputs[0]].scale, (0,))
        return Expression(
            f"tl_logistic16({operands[0]}, {number(multiplier)}, {number(shift)}, tl_sigmoid_table)", (SIGMOID_TABLE,)
        )


class Tanh16(ElementWise):
    """Output scale 2**-15."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return Logistic16().problems(graph, op)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (q,) = values
        assert q is not None
        multiplier, shift = input_scaling(graph.tensors[op.inputs[0]].scale, (0, 1))
        x = (q.astype(np.int64) * multiplier + ((1 << shift) >> 1)) >> shift
        return [tanh(x).astype(np.int16)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        multiplier, shift = input_scaling(graph.tensors[op.inputs[0]].scale, (0, 1))
        return Expression(
            f"tl_tanh16({operands[0]}, {number(multiplier)}, {number(shift)}, tl_sigmoid_table)", (SIGMOID_TABLE,)
        )
