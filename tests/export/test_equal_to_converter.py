"""The quantiser against TensorFlow's converter: weights, scales, zero points, biases, operators.

converter_files.zip holds float files of small models of every architecture (parameters random) with the ranges measured
on them, and the integer files that tinyloc 0.1 made of them: structure and weights by onnx2tf 1.29.24 with TensorFlow
2.19, then scales, states and biases set from those ranges.
"""

import json
import zipfile
from pathlib import Path

import numpy as np
import pytest

from tinyloc.export.flatbuffer import constant, graph, load, operator_name, scales, tensor_name
from tinyloc.export.integer_file import integer_file, widths_of
from tinyloc.export.step_names import StepNames

FILES = Path(__file__).with_name("converter_files.zip")
NAMED = {
    ("mamba", "int16x8", "blocks.0/dt_proj/weight"): "the converter widens a channel by its own calibration's scale",
    ("mamba", "int16x8", "blocks.0/dt_proj/bias"): "follows the weight",
}
"""Differences, with their reason."""


def member(name: str) -> bytes:
    with zipfile.ZipFile(FILES) as files:
        return files.read(name)


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
@pytest.mark.parametrize("name", ["mlp", "gru", "mamba", "mdcsa"])
def test_every_tensor_is_the_converters(name, arithmetic):
    described = json.loads(member(f"{name}/ranges.json"))
    names = StepNames(tuple(described["states"]))
    ranges = {key: (low, high) for key, (low, high) in described["ranges"].items()}
    ours = load(integer_file(load(member(f"{name}/float.tflite")), names, ranges, widths_of(arithmetic, {})))
    theirs = load(member(f"{name}/{arithmetic}.tflite"))
    assert [operator_name(ours, o) for o in graph(ours).operators] == [
        operator_name(theirs, o) for o in graph(theirs).operators
    ]
    expected = {tensor_name(tensor): tensor for tensor in graph(theirs).tensors}
    assert {tensor_name(tensor) for tensor in graph(ours).tensors} == expected.keys()
    differ = set()
    for tensor in graph(ours).tensors:
        other = expected[tensor_name(tensor)]
        assert tensor.type == other.type
        if len(scales(tensor)):
            same = np.allclose(scales(tensor), scales(other), rtol=3e-7, atol=0) and np.array_equal(
                tensor.quantization.zeroPoint, other.quantization.zeroPoint
            )
            assert tensor.quantization.quantizedDimension == other.quantization.quantizedDimension
        else:
            same = len(scales(other)) == 0
        values = constant(ours, tensor)
        if values is not None:
            same = same and np.array_equal(values, constant(theirs, other))
        if not same:
            differ.add((name, arithmetic, tensor_name(tensor)))
    assert differ == {key for key in NAMED if key[:2] == (name, arithmetic)}
