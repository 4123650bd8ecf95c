"""Layers in a row share their range out between the channels (Nagel, van Baalen, Blankevoort, Welling 2019, section 4).

A value between two layers has one scale, and its widest channel decides it. A channel that the first layer makes s
times smaller and the second reads s times larger leaves the function as it is: scaling commutes with what lies between.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import Array, constant, graph, operator_name, own_constant, set_constant, tensor_name
from tinyloc.export.quantise.rules import RULES

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
BETWEEN = ("RELU", "LEAKY_RELU", "MAX_POOL_2D", "AVERAGE_POOL_2D")
"""f(s x) = s f(x) for s > 0, channel by channel."""
LARGEST = 100.0
"""Factor between channels, so that no bias and no weight gets out of proportion."""

Peaks = dict[str, npt.NDArray[np.float64]]
"""Largest magnitude of each channel (last axis), by tensor name."""


def between_layers(model: Any) -> list[tuple[Any, str, Any]]:
    """Pairs of layers that nothing else reads between: the first, the value that the second reads, the second."""
    part = graph(model)
    readers: dict[int, list[Any]] = {}
    for operator in part.operators:
        for index in map(int, operator.inputs):
            readers.setdefault(index, []).append(operator)
    outputs = {int(i) for i in part.outputs}
    found = []
    for first in part.operators:
        if operator_name(model, first) not in LAYERS or not _scales_freely(model, first):
            continue
        index = int(first.outputs[0])
        second = _only(readers, index)
        while second is not None and operator_name(model, second) in BETWEEN and index not in outputs:
            index = int(second.outputs[0])
            second = _only(readers, index)
        if second is None or index in outputs or operator_name(model, second) not in LAYERS:
            continue
        channels = int(part.tensors[index].shape[-1])
        if int(second.inputs[0]) == index and _columns(model, second) == channels:
            found.append((first, tensor_name(part.tensors[index]), second))
    return found


def equalise(model: Any, peaks: Peaks) -> None:
    """Scale the channels between layers in place; the graph's function stays. peaks: of `between_layers`."""
    for first, name, second in between_layers(model):
        factors = _factors(model, peaks[name], second)
        rule = RULES[operator_name(model, first)]
        assert rule.weight is not None and rule.bias is not None
        _scale(model, first, rule.weight, rule.axis, 1 / factors)
        if len(first.inputs) > rule.bias and first.inputs[rule.bias] >= 0:
            _scale(model, first, rule.bias, 0, 1 / factors)
        depthwise = operator_name(model, second) == "DEPTHWISE_CONV_2D"
        _scale(model, second, 1, 3 if depthwise else -1, factors)


def _factors(model: Any, peaks: npt.NDArray[np.float64], second: Any) -> npt.NDArray[np.float64]:
    """What each channel is divided by: the geometric mean between its range and that of the weights that read it.

    A depthwise layer has a scale for each channel, so that only the range counts.
    """
    weights = np.abs(_real(model, second, 1).astype(np.float64))
    used = np.ones_like(peaks)
    if operator_name(model, second) != "DEPTHWISE_CONV_2D":
        rows = weights.reshape(len(weights), -1).max(axis=1).reshape(-1, *[1] * (weights.ndim - 1))
        used = (weights / np.where(rows > 0, rows, 1)).reshape(-1, weights.shape[-1]).max(axis=0)
    alive = (peaks > 0) & (used > 0)
    if not alive.any():
        return np.ones_like(peaks)
    power = 1.0 if operator_name(model, second) == "DEPTHWISE_CONV_2D" else 0.5
    raw = np.where(alive, np.where(alive, peaks, 1) / np.where(alive, used, 1), 1) ** power
    middle = float(np.median(raw[alive]))
    return np.where(alive, np.clip(raw / middle, 1 / LARGEST, LARGEST), 1.0)


def _scales_freely(model: Any, operator: Any) -> bool:
    none, relu = schema.ActivationFunctionType.NONE, schema.ActivationFunctionType.RELU
    bias = int(operator.inputs[2]) if len(operator.inputs) > 2 else -1
    known = bias < 0 or constant(model, graph(model).tensors[bias]) is not None
    return known and operator.builtinOptions.fusedActivationFunction in (none, relu)


def _only(readers: Mapping[int, list[Any]], index: int) -> Any | None:
    found = readers.get(index, [])
    return found[0] if len(found) == 1 else None


def _columns(model: Any, operator: Any) -> int:
    weights = constant(model, graph(model).tensors[operator.inputs[1]])
    return 0 if weights is None else int(weights.shape[-1])


def _real(model: Any, operator: Any, position: int) -> Array:
    values = constant(model, graph(model).tensors[operator.inputs[position]])
    assert values is not None
    return values


def _scale(model: Any, operator: Any, position: int, axis: int, factors: npt.NDArray[np.float64]) -> None:
    tensor = own_constant(model, operator, position)
    values = constant(model, tensor)
    assert values is not None
    shape = [1] * values.ndim
    shape[axis] = -1
    set_constant(model, tensor, (values * factors.reshape(shape)).astype(np.float32))
