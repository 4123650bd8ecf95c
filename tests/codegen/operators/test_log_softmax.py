"""LOG_SOFTMAX: LiteRT BUILTIN_REF == NumPy == optimised == C, and near to the logarithm that it stands for."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_all_equal, assert_same, load, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.operators.log_softmax import log_of_sum

CASES = [
    # shape, scale of the input
    ((1, 4), 0.1),
    ((3, 12), 0.03),
    ((2, 3, 10), 0.2),
    ((1, 200), 0.5),
    ((5, 2), 4.0),
    ((1, 1), 0.1),
    ((1, 40), 1e-3),
]


def log_softmax(shape: tuple[int, ...], scale: float, zero: int = 5) -> TFLiteModel:
    model = TFLiteModel()
    x = model.input(shape, scale=scale, zero=zero)
    model.output(model.unary("LOG_SOFTMAX", [x], shape, "int8", 16 / 256, 127))
    return model


@pytest.mark.parametrize(("shape", "scale"), CASES)
def test_log_softmax(shape: tuple[int, ...], scale: float) -> None:
    graph = assert_all_equal(log_softmax(shape, scale), count=8)
    (inputs,) = random_inputs(graph, seed=9, count=1)
    real = (inputs[0].astype(float) - 5) * scale
    shifted = real - real.max(axis=-1, keepdims=True)
    expected = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    found = (reference_outputs(graph, inputs)[0].astype(float) - 127) / 16
    np.testing.assert_allclose(found, np.maximum(expected, -255 / 16), atol=1 / 16)


def test_the_logarithm_of_every_size_of_sum() -> None:
    sums = np.unique(np.geomspace(1 << 19, (1 << 31) - 1, 5000).astype(np.int64))
    np.testing.assert_allclose(log_of_sum(sums) / 2**26, np.log(sums / 2**19), atol=2e-7)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no {COMPILER} on this machine")
@pytest.mark.parametrize("shape", [(2, 5), (1, 60)])
def test_every_core_gives_the_reference(shape: tuple[int, ...], tmp_path: Path) -> None:
    graph = load(log_softmax(shape, 0.08))
    compile_graph(graph, tmp_path / "generated")
    for core in ("cortex-m4", "cortex-m3"):
        network = ArmNetwork(tmp_path / "generated", core)
        for inputs in random_inputs(graph, seed=1, count=4):
            assert_same(f"NumPy and C on {core}", reference_outputs(graph, inputs), network.run(*inputs), graph)


def test_another_scale_is_refused() -> None:
    model = TFLiteModel()
    x = model.input((1, 4))
    model.output(model.unary("LOG_SOFTMAX", [x], (1, 4), "int8", 0.05, 127))
    with pytest.raises(CompileError, match=r"TFLite asks for 0.0625, 127"):
        load(model)
