"""UNIDIRECTIONAL_SEQUENCE_LSTM in integers, as LiteRT's kernel of int8 activations and a 16-bit cell state asks.

Weights have one scale each, int8 and symmetric; biases the scale of their input sums; the hidden state has scale and
zero point of the output; the cell state's scale is a power of two with 0 to 6 integer bits, beyond which the kernel has
no tanh. Source: TFLite, tools/optimize/operator_property.cc and kernels/lstm_eval.cc.
"""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import Array, constant, graph, operator_name, scales, tensor_name
from tinyloc.export.quantise import constants

KIND = "UNIDIRECTIONAL_SEQUENCE_LSTM"
GATES = ("input", "forget", "cell", "output")
WEIGHTS, RECURRENT, PEEPHOLES, BIASES, PROJECTION, HIDDEN, CELL, NORMS = 1, 5, 9, 12, 16, 18, 19, 20
OPTIONAL = ((PEEPHOLES, 3, "peephole connections"), (PROJECTION, 2, "a projection"), (NORMS, 4, "layer normalisation"))
CELL_BITS = (0, 6)
"""Integer bits of the cell state."""
BETWEEN = 5
"""Tensors that the kernel keeps its own scales in; the last one is of the hidden state."""
HIDDEN_BETWEEN = 4

Floats = npt.NDArray[np.float64]


def problems(operator: Any, name: str) -> list[str]:
    """What of the operator has no integer form."""
    inputs = [*map(int, operator.inputs), *([-1] * (24 - len(operator.inputs)))]
    found = [what for first, count, what in OPTIONAL if any(i >= 0 for i in inputs[first : first + count])]
    if -1 in (inputs[WEIGHTS], inputs[RECURRENT], inputs[BIASES]):
        found.append("no input gate (CIFG)")
    if operator.builtinOptions.fusedActivationFunction != schema.ActivationFunctionType.TANH:
        found.append("an activation that is not tanh")
    if not found:
        return []
    return [f"{KIND} at {name} with {', '.join(found)}; only the plain cell of Keras has an integer form here"]


def store(model: Any, operator: Any, cell: tuple[float, float]) -> None:
    """Write weights, biases and states as integers, in place; input and output have their scales already.

    cell: least and greatest value of the cell state.
    """
    tensors = graph(model).tensors
    x, y = tensors[operator.inputs[0]], tensors[operator.outputs[0]]
    source_scale = float(scales(x)[0])
    for gate in range(len(GATES)):
        for first in (WEIGHTS, RECURRENT):
            tensor = tensors[operator.inputs[first + gate]]
            weights = _symmetric(_values(model, tensor))
            constants.store(model, tensor, constants.Stored(weights, schema.TensorType.INT8))
            if first == WEIGHTS:
                bias = tensors[operator.inputs[BIASES + gate]]
                scale = source_scale * weights.scale.astype(np.float64)
                integers = constants.bias(_values(model, bias), np.repeat(scale, 1), 8)
                constants.store(model, bias, constants.Stored(integers, schema.TensorType.INT32))
    scale_y, zero_y = scales(y), np.asarray(y.quantization.zeroPoint)
    bits = _integer_bits(max(abs(cell[0]), abs(cell[1])))
    hidden, state = tensors[operator.inputs[HIDDEN]], tensors[operator.inputs[CELL]]
    hidden.type, state.type = schema.TensorType.INT8, schema.TensorType.INT16
    constants.describe(hidden, scale_y, zero_y)
    constants.describe(state, np.array([2.0 ** (bits - 15)]), np.array([0]))
    between = []
    for number in range(BETWEEN):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = f"{tensor_name(y)}/between_{number}", np.array([0], np.int32), 0
        tensor.type = schema.TensorType.FLOAT32
        if number == HIDDEN_BETWEEN:
            tensor.type = schema.TensorType.INT8
            constants.describe(tensor, scale_y, zero_y)
        tensors.append(tensor)
        between.append(len(tensors) - 1)
    operator.intermediates = np.array(between, np.int32)


def cell_name(model: Any, operator: Any) -> str:
    """Under which name the range of an operator's cell state is known."""
    return tensor_name(graph(model).tensors[operator.inputs[CELL]])


class CellRanges:
    """Least and greatest cell state of the LSTMs of a float graph, which no tensor shows but the last of a sequence.

    Computes the operator itself, from its input. A sequence of several samples starts from zero in every run, one of a
    single sample goes on from the last run.
    """

    def __init__(self, model: Any) -> None:
        self._cells = [_Cell(model, op) for op in graph(model).operators if operator_name(model, op) == KIND]

    @staticmethod
    def starts_anew(model: Any) -> bool:
        """Whether states start from zero in every run."""
        return any(_window(model, op) for op in graph(model).operators if operator_name(model, op) == KIND)

    def add(self, values: Mapping[str, Array]) -> None:
        """One run; values of the graph's tensors by name."""
        for cell in self._cells:
            cell.run(values[cell.source])

    @property
    def found(self) -> dict[str, tuple[float, float]]:
        """By the cell state's tensor."""
        return {cell.name: (cell.low, cell.high) for cell in self._cells if cell.low <= cell.high}


class _Cell:
    def __init__(self, model: Any, operator: Any) -> None:
        tensors = graph(model).tensors

        def stacked(first: int) -> Floats:
            parts = [_values(model, tensors[operator.inputs[first + gate]]) for gate in range(len(GATES))]
            whole: Floats = np.concatenate(parts).astype(np.float64)
            return whole

        self.name, self.source = cell_name(model, operator), tensor_name(tensors[operator.inputs[0]])
        self._w, self._u, self._b = stacked(WEIGHTS), stacked(RECURRENT), stacked(BIASES)
        self._clip = float(operator.builtinOptions.cellClip) or math.inf
        self._units = self._u.shape[1]
        self.window = _window(model, operator)
        self.low, self.high = math.inf, -math.inf
        self._h, self._c = np.zeros(self._units), np.zeros(self._units)

    def run(self, x: Array) -> None:
        """x: (1, T, I) or (T, 1, I)."""
        if self.window:
            self._h, self._c = np.zeros(self._units), np.zeros(self._units)
        for row in x.reshape(-1, self._w.shape[1]).astype(np.float64):
            i, f, g, o = np.split(self._w @ row + self._u @ self._h + self._b, 4)
            c = _sigmoid(f) * self._c + _sigmoid(i) * np.tanh(g)
            self._c = np.clip(c, -self._clip, self._clip)
            self._h = _sigmoid(o) * np.tanh(self._c)
            self.low, self.high = min(self.low, float(self._c.min())), max(self.high, float(self._c.max()))


def _window(model: Any, operator: Any) -> bool:
    shape = [int(n) for n in graph(model).tensors[operator.inputs[0]].shape]
    return int(np.prod(shape[:-1])) > 1


def _sigmoid(x: Floats) -> Floats:
    with np.errstate(over="ignore"):
        y: Floats = 1.0 / (1.0 + np.exp(-x))
    return y


def _values(model: Any, tensor: Any) -> Array:
    values = constant(model, tensor)
    assert values is not None  # as check.structure says
    return values


def _symmetric(real: Array) -> constants.Integers:
    """One scale for all."""
    return constants.weights(real.reshape(1, -1), 0, 8).reshaped(real.shape)


def _integer_bits(largest: float) -> int:
    low, high = CELL_BITS
    return low if largest <= 0 else int(np.clip(math.ceil(math.log2(largest)), low, high))
