"""FULLY_CONNECTED where its kernels are at their limits: NumPy == LiteRT == C on the host and on both cores."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_all_equal, assert_same, load, native, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.graph import RANGE

VARIANTS = {
    "dsp": ("cortex-m4", ["-O2"]),
    "portable": ("cortex-m4", ["-O2", "-DTL_PORTABLE"]),
    "m3": ("cortex-m3", ["-O2"]),
    "m3 for size": ("cortex-m3", ["-Os"]),
}
SHAPES = [  # depth, channels
    (480, 4),  # one segment of the DSP form, and what follows one
    (484, 5),
    (963, 6),
    (31, 33),  # more channels than sums wait for their scaling
    (36, 70),
    (2, 36),  # no block at all
    (68, 3),
]


def limits(element: str, fill: str) -> TFLiteModel:
    """Layers whose sums are as large as they get: `fill` names the weights, zero points are the extremes."""
    model, chance = TFLiteModel(), np.random.default_rng(12)
    low, high = RANGE[element]
    for number, (depth, channels) in enumerate(SHAPES):
        depth = depth if element == "int8" else min(depth, 510)  # sums of 32 bits
        zero = (low, high)[number % 2] if element == "int8" else 0
        x = model.input((1, depth), element, 0.05, zero)
        data = {
            "lowest": np.full((channels, depth), -128),
            "highest": np.full((channels, depth), 127),
            "either": chance.choice([-128, -127, -1, 0, 127], (channels, depth)),
        }[fill]
        scales = np.full(1 if number % 3 else channels, 0.01, np.float32)
        w = model.constant(data, "int8", scales)
        bias = model.constant(chance.integers(-40000, 40000, channels), "int32" if element == "int8" else "int64", 5e-4)
        # so that the largest sum meets the end of the range
        y_scale = 0.05 * 0.01 * depth * 128 * (high - low) / (high - low if number % 2 else 2 * (high - low))
        y = model.tensor((1, channels), element, y_scale, (high, -3, low)[number % 3] if element == "int8" else 0)
        model.operator("FULLY_CONNECTED", [x, w, bias], [y], fusedActivationFunction=number % 2)
        model.output(y)
    return model


@pytest.mark.parametrize("fill", ["lowest", "highest", "either"])
@pytest.mark.parametrize("element", ["int8", "int16"])
def test_the_largest_sums(element: str, fill: str) -> None:
    assert_all_equal(limits(element, fill))


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("fill", ["lowest", "either"])
@pytest.mark.parametrize("element", ["int8", "int16"])
def test_the_largest_sums_on_each_core(element: str, fill: str, tmp_path: Path) -> None:
    graph = load(limits(element, fill))
    compile_graph(graph, tmp_path / "generated")
    samples = random_inputs(graph, seed=3, count=5)
    for name, (core, flags) in VARIANTS.items():
        network = ArmNetwork(tmp_path / "generated", core, flags)
        for inputs in samples:
            assert_same(f"NumPy and C on {name}", reference_outputs(graph, inputs), network.run(*inputs), graph)


def test_constants_take_no_more_than_the_weights(tmp_path: Path) -> None:
    """Blocks, columns and rows together are a byte a weight."""
    model = TFLiteModel()
    x = model.input((1, 19), "int8", 0.05)
    w = model.constant(np.arange(19 * 11).reshape(11, 19) % 255 - 127, "int8", 0.01)
    y = model.tensor((1, 11), "int8", 0.1)
    model.operator("FULLY_CONNECTED", [x, w, -1], [y])
    model.output(y)
    manifest = compile_graph(load(model), tmp_path / "generated")
    assert manifest.constant_bytes == 19 * 11 + 4 * 11 + 5  # weights, bias, one multiplier and shift


@pytest.mark.skipif(shutil.which("clang") is None, reason="needs clang")
def test_no_offset_is_added_to_null(monkeypatch: pytest.MonkeyPatch) -> None:
    """C does not define NULL + 0: layers without a remainder, and without a block."""
    model = TFLiteModel()
    for depth, channels in ((8, 8), (2, 8), (8, 6), (3, 2)):
        weights = model.constant(np.ones((channels, depth)), "int8", 0.01)
        operands = [model.input((1, depth)), weights, -1]
        model.output(model.unary("FULLY_CONNECTED", operands, (1, channels), "int8", 0.05))
    graph = load(model)
    (inputs,) = random_inputs(graph, 1, 1)
    monkeypatch.setenv("CC", "clang")
    compiled = native(graph, ["-O1", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"])
    assert_same("NumPy and C", reference_outputs(graph, inputs), compiled.run(*inputs), graph)
