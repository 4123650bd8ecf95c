"""Whole networks of ordinary kinds, made by the TFLite converter: the C equals LiteRT BUILTIN_REF byte for byte."""

from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from tests.codegen.equality import assert_same, litert, random_inputs, reference_outputs
from tests.host_network import HostNetwork
from tinyloc.codegen.compile import compile_tflite
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.graph import Graph

NAMES = ("ds_cnn", "residual_cnn", "mobilenet", "autoencoder", "conv_autoencoder", "temporal")
NOT_IN_16_BITS = {(name, "int16x8") for name in ("conv_autoencoder", "mobilenet", "temporal")}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def models() -> Iterator[ModuleType]:
    """keras_models imports TensorFlow, which a run of the fast tests need not have."""
    pytest.importorskip("tensorflow", exc_type=ImportError)
    from tests.codegen import keras_models

    yield keras_models


def ordinary_inputs(graph: Graph, seed: int) -> list[np.ndarray]:  # type: ignore[type-arg]
    """Values as the calibration had them, bell-shaped around the zero point, in sixteen strengths.

    Weak inputs keep a softmax with random weights off its ends, where every answer is the same.
    """
    chance = np.random.default_rng(seed)
    result = []
    for t in graph.inputs:
        tensor = graph.tensors[t]
        real = chance.normal(0, (seed % 16 + 1) / 16, tensor.shape) / tensor.scale + tensor.zero_point
        limit = np.iinfo(tensor.element)
        result.append(np.clip(np.round(real), limit.min, limit.max).astype(tensor.element))
    return result


@pytest.mark.parametrize("arithmetic", ["int8", "int16x8"])
@pytest.mark.parametrize("name", NAMES)
def test_a_network(name: str, arithmetic: str, models: ModuleType, tmp_path: Path) -> None:
    if (name, arithmetic) in NOT_IN_16_BITS:
        pytest.skip("the converter cannot make it: no PRELU, no HARD_SWISH, a faulty PAD")
    content = models.quantised(name, arithmetic)
    path = tmp_path / f"{name}.tflite"
    path.write_bytes(content)
    manifest = compile_tflite(path, tmp_path / "out")
    assert manifest.arena_bytes == manifest.arena_lower_bound
    graph, runner, compiled = read_tflite(path), litert(content), HostNetwork(tmp_path / "out")
    moved = set()
    for inputs in [*random_inputs(graph, seed=4), *(ordinary_inputs(graph, seed) for seed in range(16))]:
        for t, values in zip(graph.inputs, inputs, strict=True):
            runner.set_tensor(t, values)
        runner.invoke()
        answer = compiled.run(*inputs)
        assert_same("C and LiteRT BUILTIN_REF", answer, [runner.get_tensor(t) for t in graph.outputs], graph)
        moved.add(answer[0].tobytes())
    assert_same("NumPy and C", reference_outputs(graph, inputs), answer, graph)
    assert len(moved) > 4, "the answer hardly depends on the input: the test sees too little"


def test_float_borders_of_the_converter(models: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "autoencoder.tflite"
    path.write_bytes(models.quantised("autoencoder", "int8", float_borders=True))
    manifest = compile_tflite(path, tmp_path / "out")
    assert [a.element for a in (*manifest.inputs, *manifest.outputs)] == ["int8", "int8"]
