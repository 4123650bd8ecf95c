"""uint8 at the ends of an int8 model, through QUANTIZE; and models of uint8 all through, which are refused by name."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.equality import assert_same, litert, load, native, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import MISSING
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.reader import read_borders
from tinyloc.codegen.verify.network_reference import outside_outputs

SAMPLES = np.random.default_rng(4).integers(0, 256, (6, 1, 2, 6)).astype(np.uint8)


def between(
    scales: tuple[float, float], zeros: tuple[int, int], *, twice: bool = False, moved: bool = False
) -> TFLiteModel:
    """uint8 -> QUANTIZE -> int8 layers -> QUANTIZE -> uint8, of any scales."""
    model, chance = TFLiteModel(), np.random.default_rng(1)
    x = model.input((1, 2, 6), "uint8", scales[0], zeros[0])
    if moved:
        ends = [model.constant(values) for values in ([0, 1, 0], [1, 2, 6], [1, 1, 1])]
        x = model.unary("STRIDED_SLICE", [x, *ends], (1, 1, 6), "uint8", scales[0], zeros[0])
    inside = model.unary("QUANTIZE", [x], (1, 1 if moved else 2, 6), "int8", 0.1, -3)
    if twice:
        other = model.unary("QUANTIZE", [x], (1, 2, 6), "int8", 0.05, 7)
        inside = model.unary("ADD", [inside, other], (1, 2, 6), "int8", 0.15, 2)
    w = model.constant(chance.integers(-127, 128, (4, 6)), "int8", 0.01)
    rows = 1 if moved else 2
    y = model.unary("FULLY_CONNECTED", [inside, w, -1], (1, rows, 4), "int8", 0.06, 5, keepNumDims=True)
    model.output(model.unary("QUANTIZE", [y], (1, rows, 4), "uint8", scales[1], zeros[1]))
    return model


CASES = [
    between((0.1, 0.06), (125, 133)),  # 128 apart: nothing to do on the device
    between((0.05, 0.1), (0, 0)),
    between((0.12, 0.04), (255, 17)),
    between((0.1, 0.06), (125, 133), twice=True),
    between((0.1, 0.05), (10, 100), moved=True),
]


@pytest.mark.parametrize("model", CASES)
def test_uint8_at_the_ends(model: TFLiteModel, tmp_path: Path) -> None:
    graph, runner = load(model), litert(model.content())
    assert read_borders(model.write(tmp_path / "model.tflite")) == (["uint8"], ["uint8"])
    compiled = native(graph)
    seen = set()
    for sample in SAMPLES:
        runner.set_tensor(model.graph.inputs[0], sample)
        runner.invoke()
        expected = runner.get_tensor(model.graph.outputs[0])
        x = (sample ^ np.uint8(128)).view(np.int8)
        for (answer,) in (reference_outputs(graph, [x]), compiled.run(x)):
            np.testing.assert_array_equal(answer.view(np.uint8) ^ np.uint8(128), expected)
        seen.update(expected.ravel().tolist())
    assert len(seen) > 8


def test_old_models_are_refused_by_name() -> None:
    """Their weights have zero points, and their kernels round in ways of their own."""
    model = TFLiteModel()
    x = model.input((1, 6), "uint8", 0.1, 128)
    for _ in range(5):
        w = model.constant(np.zeros((6, 6)), "uint8", 0.01, 140)
        x = model.unary("FULLY_CONNECTED", [x, w, -1], (1, 6), "uint8", 0.1, 100)
    model.output(x)
    with pytest.raises(CompileError) as caught:
        load(model)
    (problem,) = caught.value.problems
    assert problem.startswith("5 operators on uint8 (FULLY_CONNECTED #0 t2, ")
    assert "and 2 more" in problem and "representative_dataset" in problem


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_quantise_to_int32(element: str, tmp_path: Path) -> None:
    """LiteRT has it for int16 only, TFLM for both."""
    model, engine = TFLiteModel(), "litert" if element == "int16" else "tflm"
    x = model.input((1, 9), element, 0.02, -4 if element == "int8" else 0)
    model.output(*(model.unary("QUANTIZE", [x], (1, 9), "int32", scale) for scale in (3e-6, 0.7)))
    graph = load(model)
    assert len(graph.notes) == (engine == "tflm")
    if engine == "tflm" and find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    inputs, compiled = random_inputs(graph, seed=2), native(graph)
    expected = outside_outputs(model.write(tmp_path / "model.tflite"), inputs, (), engine)
    for row, wanted in zip(inputs, expected, strict=True):
        assert_same("NumPy", reference_outputs(graph, row), wanted, graph)
        assert_same("C", compiled.run(*row), wanted, graph)
