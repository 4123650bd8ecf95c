"""SVDF along a stream: LiteRT (a state of int16) or TFLM (of int8) == NumPy == optimised == C, also on each core."""

import dataclasses
import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import load, native
from tests.codegen.streaming import random_stream
from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import MISSING
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper
from tinyloc.codegen.verify.network_reference import outside_outputs

STEPS = 9


def add_svdf(
    model: TFLiteModel, x: int, element: str, chance: np.random.Generator, *, units: int, rank: int, memory: int,
    bias: bool = True, sharp: float = 1.0,
) -> int:  # fmt: skip
    """The operator as the converter writes it, with a variable state. `sharp` scales what the state gets."""
    inputs, filters = int(model.graph.tensors[x].shape[-1]), units * rank
    wide, zero = element == "int16", 0 if element == "int16" else int(chance.integers(-20, 20))
    reach = 32767 if wide else 127
    sx, sw, st = float(model.graph.tensors[x].quantization.scale[0]), 0.01, 1.0 / reach
    ss = sx * sw * 127 * 70 * np.sqrt(inputs) / reach / sharp
    weights = model.constant(chance.integers(-127, 128, (filters, inputs)), "int8", sw)
    time = model.constant(chance.integers(-reach, reach + 1, (filters, memory)), element, st)
    start = model.constant(chance.integers(-3000, 3000, units), "int32", ss * st) if bias else -1
    state = model.tensor((1, filters * memory), element, ss, zero)
    model.graph.tensors[state].isVariable = True
    y = model.tensor(
        (1, units), "int8", ss * st * reach * reach * np.sqrt(rank * memory) / 200, int(chance.integers(-20, 20))
    )
    model.operator("SVDF", [x, weights, time, start, state], [y], rank=rank, fusedActivationFunction=1)
    return y


SHAPES = [
    {"units": 4, "rank": 1, "memory": 1},
    {"units": 3, "rank": 2, "memory": 5},
    {"units": 37, "rank": 1, "memory": 10},
    {"units": 9, "rank": 4, "memory": 3, "sharp": 8.0},
    {"units": 5, "rank": 1, "memory": 4, "bias": False},
]  # fmt: skip


def stacked(element: str, shape: dict, inputs: int = 7) -> TFLiteModel:
    """Two layers, the second over the units of the first."""
    model, chance = TFLiteModel(), np.random.default_rng(inputs)
    x = model.input((1, inputs), scale=0.03, zero=-11)
    first = add_svdf(model, x, element, chance, **shape)
    model.output(add_svdf(model, first, element, chance, units=2, rank=1, memory=6))
    return model


STREAMS = [*(("int16", shape) for shape in SHAPES), *(("int8", shape) for shape in SHAPES if shape.get("bias", True))]
"""TFLM crashes without a bias."""


@pytest.mark.parametrize(("element", "shape"), STREAMS)
def test_a_stream(element: str, shape: dict, tmp_path: Path) -> None:
    model = stacked(element, shape)
    graph = load(model)
    engine = "litert" if element == "int16" else "tflm"
    assert len(graph.states) == 2 and len(graph.notes) == (engine == "tflm")
    stream = random_stream(graph, STEPS, seed=1)
    if engine == "tflm" and find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    expected = outside_outputs(model.write(tmp_path / "model.tflite"), stream, (), engine)
    assert len(np.unique(np.concatenate([row[0] for row in expected]))) > 4
    plain, compiled = Stepper(graph), native(graph)
    optimised = Stepper(optimise(graph, sparse_input=False)[0])
    for sample, wanted in zip(stream, expected, strict=True):
        for answer in (plain.step(*sample), optimised.step(*sample), compiled.run(*sample)):
            np.testing.assert_array_equal(answer[0], wanted[0])


def test_sums_over_time_wrap_around(tmp_path: Path) -> None:
    """As in LiteRT: 32 bits."""
    model, chance = TFLiteModel(), np.random.default_rng(2)
    x = model.input((1, 3), scale=0.03)
    model.output(add_svdf(model, x, "int16", chance, units=4, rank=3, memory=12, sharp=50.0))
    model.model.buffers[model.graph.tensors[2].buffer].data = np.full((12, 12), 32767, np.int16).view(np.uint8).ravel()
    graph = load(model)
    plain, compiled = Stepper(graph), native(graph)
    stream = random_stream(graph, STEPS, seed=3)
    for sample, wanted in zip(stream, outside_outputs(model.write(tmp_path / "m.tflite"), stream), strict=True):
        np.testing.assert_array_equal(plain.step(*sample)[0], wanted[0])
        np.testing.assert_array_equal(compiled.run(*sample)[0], wanted[0])


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"no {COMPILER} on this machine")
@pytest.mark.parametrize("element", ["int16", "int8"])
def test_every_core_gives_the_reference(element: str, tmp_path: Path) -> None:
    kept = load(stacked(element, SHAPES[2], inputs=18))
    before, after = zip(*kept.states, strict=True)
    graph = dataclasses.replace(kept, inputs=(*kept.inputs, *before), outputs=(*kept.outputs, *after), states=())
    compile_graph(graph, tmp_path / "generated")
    stream = random_stream(kept, 3, seed=4)
    for core, flags in (("cortex-m4", []), ("cortex-m4", ["-DTL_PORTABLE"]), ("cortex-m3", [])):
        network, plain = ArmNetwork(tmp_path / "generated", core, flags), Stepper(kept)
        states = [kept.start(state) for state in before]
        for sample in stream:
            y, *states = network.run(*sample, *states)
            np.testing.assert_array_equal(y, plain.step(*sample)[0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rank": 0}, "do not make units of rank 0"),
        ({"rank": 5}, "do not make units of rank 5"),
    ],
)  # fmt: skip
def test_what_is_refused(change: dict, words: str) -> None:
    model = stacked("int16", SHAPES[1])
    for name, value in change.items():
        setattr(model.graph.operators[0].builtinOptions, name, value)
    with pytest.raises(CompileError, match=words):
        load(model)


def test_a_state_of_another_size_is_refused() -> None:
    model = stacked("int16", SHAPES[1])
    model.graph.tensors[model.graph.operators[0].inputs[4]].shape = np.array([1, 31], np.int32)
    with pytest.raises(CompileError, match="the state has 31 values, 6 filters keep 5 each"):
        load(model)
