"""Equalised layers and compensated biases: what must stay, what must get better, and when nothing is done."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.codegen.tflite_models import TFLiteModel
from tinyloc.export.flatbuffer import dump, graph, load, tensor_name
from tinyloc.export.quantise.compensate import compensate, quantised_inputs
from tinyloc.export.quantise.equalise import between_layers, equalise
from tinyloc.export.quantise.file_runner import FileRunner
from tinyloc.export.quantise.graph import quantise
from tinyloc.export.quantise.operator_runner import computed_operands, run_operator
from tinyloc.export.quantise.refine import clearly_less, noise, refine
from tinyloc.export.quantise.widths import Widths

W8A8 = Widths({"*": "w8a8"})
SHAPE = (1, 8, 8, 6)
CONVOLUTION = {"padding": 0, "strideW": 1, "strideH": 1}


def residual(folder: Path, blocks: int = 3, spread: float = 30.0) -> Any:
    """Depthwise, pointwise, ADD with RELU, several times; the channels between them differ in range by `spread`."""
    chance = np.random.default_rng(1)
    model = TFLiteModel()
    x = model.input(SHAPE, "float32", None, name="x")  # type: ignore[arg-type]
    for number in range(blocks):
        d, p, y = (
            model.tensor(SHAPE, "float32", None, name=f"{number}/{what}") for what in ("depthwise", "pointwise", "sum")
        )
        factors = np.geomspace(1, spread, SHAPE[3])
        chance.shuffle(factors)
        first = [chance.normal(0, 0.3, (1, 3, 3, 6)) * factors, chance.normal(0, 0.1, 6) * factors]
        second = [chance.normal(0, 0.3, (6, 1, 1, 6)) / factors, chance.normal(0, 0.1, 6)]
        constants = [[model.constant(values, "float32") for values in pair] for pair in (first, second)]
        model.operator("DEPTHWISE_CONV_2D", [x, *constants[0]], [d], depthMultiplier=1, **CONVOLUTION)
        model.operator("CONV_2D", [d, *constants[1]], [p], **CONVOLUTION)
        model.operator("ADD", [x, p], [y], potScaleInt16=False, fusedActivationFunction=1)
        x = y
    model.output(x)
    return load(model.write(folder / "net.tflite").read_bytes())


def samples(count: int = 24, seed: int = 2) -> dict[str, Any]:
    return {"x": np.random.default_rng(seed).normal(0, 1, (count, *SHAPE)).astype(np.float32)}


def outputs(content: bytes, given: dict[str, Any]) -> list[list[Any]]:
    runner = FileRunner(content)
    return [[values[name] for name in runner.outputs] for values in runner.along(given)]


def test_operators_one_by_one_are_the_whole_file(tmp_path: Path) -> None:
    model, given = residual(tmp_path), samples(3)
    made = refine(model, given, W8A8).model
    inputs = quantised_inputs(made, given)
    part = graph(made)
    values = {int(i): inputs[tensor_name(part.tensors[i])] for i in part.inputs}
    for operator in part.operators:
        found = run_operator(made, operator, [values[i] for i in computed_operands(made, operator)])
        values.update(zip(map(int, operator.outputs), found, strict=True))
    (output,) = map(int, part.outputs)
    quantisation = part.tensors[output].quantization
    one_by_one = (np.stack(values[output]).astype(np.int64) - quantisation.zeroPoint[0]) * np.float64(
        quantisation.scale[0]
    )
    whole = np.stack([row[0] for row in outputs(dump(made), given)])
    assert len(np.unique(whole)) > 20
    np.testing.assert_array_equal(one_by_one.astype(np.float32), whole)


def test_equalised_layers_are_the_same_function_with_one_range(tmp_path: Path) -> None:
    model, given = residual(tmp_path), samples(8)
    equal = copy.deepcopy(model)
    pairs = between_layers(equal)
    assert [name for _, name, _ in pairs] == ["0/depthwise", "1/depthwise", "2/depthwise"]

    def peaks(content: bytes) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for values in FileRunner(content).along(given):
            for name, value in values.items():
                found[name] = np.maximum(found.get(name, 0), np.abs(value).reshape(-1, 6).max(axis=0))
        return found

    before = peaks(dump(model))
    equalise(equal, before)
    np.testing.assert_allclose(outputs(dump(equal), given), outputs(dump(model), given), atol=1e-4)
    after = peaks(dump(equal))
    for _, name, _ in pairs:
        assert after[name].max() / after[name].min() < 0.5 * before[name].max() / before[name].min()


def test_compensated_biases_bring_the_means_back(tmp_path: Path) -> None:
    """Weights of 4 bits, so that rounding shifts the channels; measured on other samples."""
    model, given, other = residual(tmp_path, spread=1.0), samples(32), samples(32, seed=5)
    values = list(FileRunner(dump(model)).along(given))
    ranges = {name: (min(v[name].min() for v in values), max(v[name].max() for v in values)) for name in values[0]}
    means = {name: np.mean([v[name].reshape(-1, 6).mean(axis=0) for v in values], axis=0) for name in values[0]}
    made = quantise(model, ranges, Widths({"*": "w4a8"}))
    better = copy.deepcopy(made)
    assert compensate(better, means, quantised_inputs(better, given)) == 6
    target = np.stack(outputs(dump(model), other)).reshape(-1, 6)
    off = [np.abs((np.stack(outputs(dump(m), other)).reshape(-1, 6) - target).mean(axis=0)) for m in (made, better)]
    assert off[1].max() < 0.5 * off[0].max()


def test_what_is_chosen_is_better_on_samples_that_nothing_was_fitted_to(tmp_path: Path) -> None:
    model, given, other = residual(tmp_path), samples(40), samples(20, seed=9)
    chosen = refine(model, given, W8A8)
    assert chosen.note.startswith("3 pairs of layers equalised, biases of 6 layers compensated: ")
    plain = refine(model, {"x": given["x"][:7]}, W8A8).model  # too few samples to choose
    target = outputs(dump(model), other)
    assert noise(target, dump(chosen.model), other).sum() < 0.5 * noise(target, dump(plain), other).sum()


def test_a_form_that_a_single_sample_makes_better_is_not_taken() -> None:
    old = np.random.default_rng(0).uniform(1, 2, (24, 2))
    new = 1.05 * old
    new[3] = 0
    old[3] = 10
    assert new.sum() < old.sum() and not clearly_less(new, old)
    assert clearly_less(0.9 * old, old) and not clearly_less(old, old)


@pytest.mark.parametrize("count", [7, 1])
def test_few_samples_choose_nothing(count: int, tmp_path: Path) -> None:
    assert refine(residual(tmp_path), samples(count), W8A8).note == ""
