"""UNIDIRECTIONAL_SEQUENCE_LSTM: LiteRT BUILTIN_REF == NumPy == C, whole sequences and one sample at a time."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_all_equal, assert_same, load, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tests.host_network import HostNetwork
from tests.libraries import MISSING
from tinyloc.codegen.arithmetic import gates16
from tinyloc.codegen.compile import compile_graph, compile_tflite
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.window_to_step import as_step
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper
from tinyloc.codegen.verify.network_reference import outside_outputs

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"


def add_lstm(
    model: TFLiteModel,
    x: int,
    units: int,
    chance: np.random.Generator,
    *,
    time_major: bool = False,
    clip: float = 10.0,
    cell_bits: int = 1,
    weight_scale: float = 0.01,
    **absent: object,
) -> int:
    """The operator as the converter writes it: variable states, five intermediates. Returns the sequence."""
    shape = list(model.graph.tensors[x].shape)
    inputs, zero = int(shape[-1]), int(chance.integers(-30, 30))
    scale = float(chance.uniform(0.002, 0.009))
    weights = [
        model.constant(chance.integers(-127, 128, (units, depth)), "int8", weight_scale * float(chance.uniform(0.5, 2)))
        for depth in (inputs,) * 4 + (units,) * 4
    ]
    biases = [model.constant(chance.integers(-4000, 4000, units), "int32", 1e-4) for _ in range(4)]
    states = [model.tensor((1, units), "int8", scale, zero), model.tensor((1, units), "int16", 2.0 ** (cell_bits - 15))]
    for state in states:
        model.graph.tensors[state].isVariable = True
    between = [model.tensor((0,), "float32", None) for _ in range(4)] + [model.tensor((0,), "int8", scale, zero)]
    y = model.tensor((*shape[:-1], units), "int8", scale, zero)
    operands = [x, *weights, -1, -1, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    model.operator(LSTM, operands, [y], fusedActivationFunction=4, cellClip=clip, projClip=0.0, timeMajor=time_major)
    model.graph.operators[-1].intermediates = np.array(between, np.int32)
    return y


def add_last_row(model: TFLiteModel, y: int) -> int:
    """What Keras writes for return_sequences=False."""
    ends = [model.constant(values) for values in ([0, -1, 0], [0, 0, 0], [1, 1, 1])]
    row = model.tensor((1, int(model.graph.tensors[y].shape[-1])))
    model.graph.tensors[row].quantization = model.graph.tensors[y].quantization
    model.operator("STRIDED_SLICE", [y, *ends], [row], beginMask=5, endMask=7, shrinkAxisMask=2)
    return row


def a_sequence(seed: int, steps: int, last: bool, **options: object) -> TFLiteModel:
    """An LSTM, and the last of its rows when `last`."""
    chance = np.random.default_rng(seed)
    model = TFLiteModel()
    inputs, units = int(chance.integers(1, 9)), int(chance.integers(1, 9))
    shape = (steps, 1, inputs) if options.get("time_major") else (1, steps, inputs)
    x = model.input(shape, scale=float(chance.uniform(0.01, 0.05)), zero=int(chance.integers(-128, 128)))
    y = add_lstm(model, x, units, chance, **options)  # type: ignore[arg-type]
    model.output(add_last_row(model, y) if last else y)
    return model


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("last", [False, True])
def test_a_sequence(seed: int, last: bool) -> None:
    assert_all_equal(a_sequence(seed, steps=1 + seed, last=last), seed, fresh_states=True)


def test_the_time_may_come_first() -> None:
    assert_all_equal(a_sequence(3, steps=4, last=False, time_major=True), fresh_states=True)


@pytest.mark.parametrize("cell_bits", [0, 3, 6])
@pytest.mark.parametrize("clip", [0.0, 0.7])
def test_formats_of_the_cell_state(cell_bits: int, clip: float) -> None:
    model = a_sequence(8, steps=9, last=False, cell_bits=cell_bits, clip=clip, weight_scale=0.05)
    assert_all_equal(model, seed=3, fresh_states=True)


@pytest.mark.parametrize("cell_bits", [-8, -3, -1])
@pytest.mark.parametrize("clip", [0.0, 0.002])
def test_a_small_cell_state_is_that_of_tflm(cell_bits: int, clip: float, tmp_path: Path) -> None:
    """LiteRT has no tanh for it. Saturating sums and gates too."""
    model = a_sequence(8, steps=9, last=False, cell_bits=cell_bits, clip=clip, weight_scale=0.05)
    graph = assert_all_equal(model, seed=3, with_litert=False)
    assert len(graph.notes) == 2
    if find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    inputs = random_inputs(graph, seed=3)
    answers = outside_outputs(model.write(tmp_path / "model.tflite"), inputs, (), "tflm")
    for row, expected in zip(inputs, answers, strict=True):
        assert_same("NumPy and TFLM", reference_outputs(graph, row), expected, graph)


def test_the_cell_state_of_another_lstm_decides(tmp_path: Path) -> None:
    """All LSTMs of a model have one arithmetic; a cell state as LiteRT takes it is kept as TFLM's too."""
    model, chance = TFLiteModel(), np.random.default_rng(4)
    first = add_lstm(model, model.input((1, 6, 3), scale=0.03), 4, chance, cell_bits=4, weight_scale=0.05)
    model.output(add_lstm(model, first, 3, chance, cell_bits=-1, weight_scale=0.05))
    graph = assert_all_equal(model, with_litert=False)
    if find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    inputs = random_inputs(graph, seed=5)
    answers = outside_outputs(model.write(tmp_path / "model.tflite"), inputs, (), "tflm")
    for row, expected in zip(inputs, answers, strict=True):
        assert_same("NumPy and TFLM", reference_outputs(graph, row), expected, graph)


def test_factors_above_one() -> None:
    assert_all_equal(a_sequence(11, steps=3, last=True, weight_scale=0.5), fresh_states=True)


def test_only_the_last_row_is_kept() -> None:
    graph, notes = optimise(load(a_sequence(2, steps=20, last=True)))
    (op,) = graph.operators
    assert [graph.tensors[t].size for t in (op.outputs[0], op.outputs[2])] == [graph.tensors[op.outputs[1]].size] * 2
    assert any("only the last row is read" in note for note in notes)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
def test_every_core_gives_the_reference(tmp_path: Path) -> None:
    """More than eight units, and inputs that fill no word."""
    model, chance = TFLiteModel(), np.random.default_rng(7)
    model.output(add_lstm(model, model.input((1, 3, 7), scale=0.03, zero=-20), 11, chance, weight_scale=0.03))
    graph = load(model)
    compile_graph(graph, tmp_path / "generated")
    for core, flags in (("cortex-m4", []), ("cortex-m4", ["-DTL_PORTABLE"]), ("cortex-m3", [])):
        network = ArmNetwork(tmp_path / "generated", core, flags)
        for inputs in random_inputs(graph, seed=1, count=3):
            assert_same(f"NumPy and C on {core}", reference_outputs(graph, inputs), network.run(*inputs), graph)


def test_gates_follow_the_functions() -> None:
    every = np.arange(-32768, 32768)
    np.testing.assert_allclose(gates16.sigmoid() / 2**15, 1 / (1 + np.exp(-every / 2**12)), atol=4e-4)
    for bits in gates16.CELL_BITS:
        np.testing.assert_allclose(gates16.tanh(bits) / 2**15, np.tanh(every / 2 ** (15 - bits)), atol=4e-4)


@pytest.mark.parametrize(
    ("operand", "words"),
    [(9, "peephole"), (16, "projection"), (20, "layer normalisation"), (1, "CIFG")],
)
def test_other_cells_are_refused_by_name(operand: int, words: str) -> None:
    model = a_sequence(1, steps=3, last=False)
    inputs = model.graph.operators[0].inputs
    inputs[operand] = -1 if operand == 1 else model.constant(np.zeros((1,)), "int16", 0.1)
    with pytest.raises(CompileError, match=words):
        load(model)


def test_a_batch_of_sequences_is_refused() -> None:
    model = TFLiteModel()
    model.output(add_lstm(model, model.input((2, 3, 4)), 5, np.random.default_rng(0)))
    with pytest.raises(CompileError, match="only batch 1"):
        load(model)


def a_classifier(seed: int, steps: int, keep: str) -> TFLiteModel:
    """Two LSTMs one after the other and a layer: on every row, or on the last one."""
    chance = np.random.default_rng(seed)
    model = TFLiteModel()
    x = model.input((1, steps, 5), scale=0.03, zero=-4)
    y = add_lstm(model, add_lstm(model, x, 6, chance, weight_scale=0.02), 4, chance, weight_scale=0.03)
    y = add_last_row(model, y) if keep == "last" else y
    weights = model.constant(chance.integers(-127, 128, (3, 4)), "int8", 0.01)
    shape = (1, steps, 3) if keep == "all" else (1, 3)
    y = model.unary("FULLY_CONNECTED", [y, weights, -1], shape, "int8", 0.005, 3, keepNumDims=keep == "all")
    model.output(model.unary("SOFTMAX", [y], shape, "int8", 1 / 256, -128, beta=1.0))
    return model


@pytest.mark.parametrize("keep", ["all", "last"])
def test_steps_equal_the_window(keep: str, tmp_path: Path) -> None:
    window = a_classifier(4, steps=7, keep=keep)
    graph = load(window)
    path = window.write(tmp_path / "model.tflite")
    manifest = compile_tflite(path, tmp_path / "step", step=True)
    assert [(s.name, s.element, s.bytes) for s in manifest.states] == [
        ("hidden0", "int8", 6), ("cell0", "int16", 12), ("hidden1", "int8", 4), ("cell1", "int16", 8),
    ]  # fmt: skip
    stepper, compiled = Stepper(as_step(graph, "model")), HostNetwork(tmp_path / "step")
    for inputs in random_inputs(graph, seed=2):
        (expected,) = reference_outputs(graph, inputs)
        stepper.reset()
        compiled.reset()
        rows = []
        for sample in inputs[0][0]:
            (answer,) = stepper.step(sample)
            rows.append(answer)
            np.testing.assert_array_equal(compiled.run(sample)[0], answer)
        np.testing.assert_array_equal(np.array(rows).ravel() if keep == "all" else rows[-1].ravel(), expected.ravel())


def test_the_cell_state_is_written_over_itself(tmp_path: Path) -> None:
    path = a_classifier(4, steps=7, keep="all").write(tmp_path / "model.tflite")
    manifest = compile_tflite(path, tmp_path / "step", step=True)
    assert sum("state cell" in line and "written over it" in line for line in manifest.decisions) == 2
    assert manifest.arena_bytes <= 16 + 4 * 3  # the softmax of three classes keeps its exponentials


def test_what_mixes_samples_is_no_step(tmp_path: Path) -> None:
    model = TFLiteModel()
    y = add_lstm(model, model.input((1, 6, 4)), 5, np.random.default_rng(0))
    model.output(model.unary("MEAN", [y, model.constant([1])], (1, 5), "int8", 0.01, keepDims=False))
    with pytest.raises(CompileError, match=r"MEAN #1.*mixes samples"):
        compile_tflite(model.write(tmp_path / "model.tflite"), tmp_path / "out", step=True)
    plain = TFLiteModel()
    plain.output(plain.unary("RELU", [plain.input((1, 6, 4))], (1, 6, 4), "int8", 0.01))
    with pytest.raises(CompileError, match="has a row for each sample of the window"):
        compile_tflite(plain.write(tmp_path / "plain.tflite"), tmp_path / "out", step=True)
    assert not (tmp_path / "out").exists()
