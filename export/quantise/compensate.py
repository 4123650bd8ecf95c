"""Biases take away what integers shift (Nagel, van Baalen, Blankevoort, Welling 2019, section 4.2, the empirical form).

Rounded weights, saturation and the rounding of sums move the mean of a channel, and a network with residual branches
adds these shifts up. Layer by layer the integers run along calibration samples, and the bias of a layer takes back
by how much its channels lie off the float graph's. It costs nothing on the device.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.export.flatbuffer import DTYPES, Array, constant, graph, operator_name, scales, set_constant, tensor_name
from tinyloc.export.litert import quantise
from tinyloc.export.quantise.operator_runner import computed_operands, run_operator

LAYERS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
Means = Mapping[str, npt.NDArray[np.float64]]
"""Mean of each channel (last axis) by tensor name, over samples and places."""


def channel_mean(values: Sequence[Array]) -> npt.NDArray[np.float64]:
    """Mean of the last axis' elements over all else. values: sample by sample, each (..., C)."""
    total = np.sum([np.asarray(v, np.float64).reshape(-1, v.shape[-1]).mean(axis=0) for v in values], axis=0)
    mean: npt.NDArray[np.float64] = np.asarray(total) / len(values)
    return mean


def quantised_inputs(model: Any, samples: Mapping[str, Array]) -> dict[str, list[Array]]:
    """Integers of an integer graph's inputs, sample by sample. samples: name -> (N, *shape), real values."""
    found = {}
    for index in graph(model).inputs:
        tensor = graph(model).tensors[index]
        detail = {
            "quantization": (float(scales(tensor)[0]), int(tensor.quantization.zeroPoint[0])),
            "dtype": DTYPES[tensor.type],
        }
        name = tensor_name(tensor)
        found[name] = [quantise(sample, detail).reshape(tensor.shape) for sample in samples[name]]
    return found


def compensate(model: Any, means: Means, samples: Mapping[str, Sequence[Array]]) -> int:
    """Shift the biases of an integer graph in place; the number of layers that have one.

    Args:
        model: without states.
        means: of the float graph along the same samples.
        samples: integers of the inputs, sample by sample, by name.
    """
    part = graph(model)
    readers = [[int(i) for i in operator.inputs] for operator in part.operators]
    last = {index: number for number, indices in enumerate(readers) for index in indices}
    values: dict[int, list[Array]] = {int(i): list(samples[tensor_name(part.tensors[i])]) for i in part.inputs}
    off: dict[int, npt.NDArray[np.float64]] = {}
    changed = 0
    for number, operator in enumerate(part.operators):
        operands = [values[index] for index in computed_operands(model, operator)]
        found = run_operator(model, operator, operands)
        output = int(operator.outputs[0])
        if _bias(model, operator) is not None and tensor_name(part.tensors[output]) in means:
            target = _other_branch(model, part.operators, number, off)
            _shift(model, operator, _off(model, output, found[0], means) + target)
            found = run_operator(model, operator, operands)
            changed += 1
        for index, column in zip(map(int, operator.outputs), found, strict=True):
            if last.get(index, -1) > number:
                values[index] = column
            if tensor_name(part.tensors[index]) in means and scales(part.tensors[index]).size:
                off[index] = _off(model, index, column, means)
        for index in readers[number]:
            if last[index] == number:
                values.pop(index, None)
    return changed


def _off(model: Any, index: int, column: Sequence[Array], means: Means) -> npt.NDArray[np.float64]:
    tensor = graph(model).tensors[index]
    return (channel_mean(column) - int(tensor.quantization.zeroPoint[0])) * float(scales(tensor)[0]) - means[
        tensor_name(tensor)
    ]


def _other_branch(
    model: Any, operators: Sequence[Any], number: int, off: Mapping[int, npt.NDArray[np.float64]]
) -> npt.NDArray[np.float64] | float:
    """How far the other operand of the ADD lies off that alone reads this layer: the sum is what matters."""
    output = int(operators[number].outputs[0])
    reading = [op for op in operators if output in [int(i) for i in op.inputs]]
    if len(reading) != 1 or operator_name(model, reading[0]) != "ADD":
        return 0.0
    (other,) = [int(i) for i in reading[0].inputs if int(i) != output] or [output]
    tensors = graph(model).tensors
    same = other in off and int(tensors[other].shape[-1]) == int(tensors[output].shape[-1])
    return off[other] if same else 0.0


def _bias(model: Any, operator: Any) -> Array | None:
    if operator_name(model, operator) not in LAYERS or len(operator.inputs) < 3 or operator.inputs[2] < 0:
        return None
    return constant(model, graph(model).tensors[operator.inputs[2]])


def _shift(model: Any, operator: Any, real: npt.NDArray[np.float64]) -> None:
    tensor = graph(model).tensors[operator.inputs[2]]
    bias = _bias(model, operator)
    assert bias is not None
    steps = np.rint(real / scales(tensor).astype(np.float64))
    bounds = np.iinfo(bias.dtype)
    set_constant(model, tensor, np.clip(bias - steps, bounds.min, bounds.max).astype(bias.dtype))
