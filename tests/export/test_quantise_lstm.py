"""A float UNIDIRECTIONAL_SEQUENCE_LSTM in integers: near its float file, and the compiler's integers equal LiteRT's."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.codegen.equality import assert_same, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tests.host_network import HostNetwork
from tinyloc.codegen.compile import compile_tflite
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.verify.network_reference import outside_outputs
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, load, operator_name, scales
from tinyloc.export.quantise_file import QuantisedFile, quantise_file

LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
INPUTS, UNITS = 5, 7
FLOAT: dict[str, Any] = {"element": "float32", "scale": None}


def float_lstm(folder: Path, steps: int, *, time_major: bool = False, gain: float = 1.0, **options: Any) -> Path:
    """As the converter writes a Keras LSTM, and a layer on its last row."""
    chance = np.random.default_rng(2)
    model = TFLiteModel()
    shape = (steps, 1, INPUTS) if time_major else (1, steps, INPUTS)
    x = model.input(shape, "float32", None, name="x")  # type: ignore[arg-type]
    weights = [
        model.constant(chance.normal(0, gain * 0.5, (UNITS, depth)), "float32")
        for depth in (INPUTS,) * 4 + (UNITS,) * 4
    ]
    biases = [model.constant(chance.normal(0, 0.3, UNITS), "float32") for _ in range(4)]
    states = [model.tensor((1, UNITS), **FLOAT, name=name) for name in ("hidden", "cell")]
    for state in states:
        model.graph.tensors[state].isVariable = True
    y = model.tensor((*shape[:-1], UNITS), **FLOAT, name="sequence")
    peephole = model.constant(chance.normal(0, 0.3, UNITS), "float32") if options.pop("peephole", False) else -1
    activation = options.pop("activation", 4)
    operands = [x, *weights, -1, peephole, -1, *biases, -1, -1, *states, -1, -1, -1, -1]
    model.operator(
        LSTM, operands, [y], fusedActivationFunction=activation, cellClip=10.0, projClip=0.0, timeMajor=time_major
    )
    flat, last = model.tensor((steps, UNITS), **FLOAT, name="rows"), model.tensor((steps, 3), **FLOAT, name="scores")
    model.operator("RESHAPE", [y, model.constant([steps, UNITS])], [flat])
    kernel = [model.constant(chance.normal(0, 0.5, s), "float32") for s in ((3, UNITS), (3,))]
    model.operator("FULLY_CONNECTED", [flat, *kernel], [last])
    model.output(last)
    return model.write(folder / "lstm.tflite")


def quantised(folder: Path, model: Path, samples: int, widths: dict[str, str] | None = None) -> QuantisedFile:
    shape = [int(n) for n in graph(load(model.read_bytes())).tensors[0].shape]
    x = np.random.default_rng(3).normal(0, 1, (samples, *shape)).astype(np.float32)
    np.savez(folder / "x.npz", x=x)
    return quantise_file(model, folder / "x.npz", widths or {"*": "w8a8"})


@pytest.mark.parametrize("options", [{"steps": 6}, {"steps": 6, "time_major": True}, {"steps": 9, "gain": 3.0}])
def test_a_window_is_near_float_and_equal_in_litert_numpy_and_c(options: dict[str, Any], tmp_path: Path) -> None:
    made = quantised(tmp_path, float_lstm(tmp_path, **options), 40)
    (output,) = made.outputs
    assert output.decibels > 25 and output.same_largest > 0.9
    path = tmp_path / "int8.tflite"
    path.write_bytes(made.content)
    read = read_tflite(path)
    tensor = read.tensors[read.inputs[0]]
    rows = [[np.random.default_rng(seed).integers(-128, 128, tensor.shape).astype(np.int8)] for seed in range(6)]
    litert = outside_outputs(path, rows, (), "litert")
    compile_tflite(path, tmp_path / "generated")
    network = HostNetwork(tmp_path / "generated")
    for row, expected in zip(rows, litert, strict=True):
        assert_same("NumPy and LiteRT", reference_outputs(read, row), expected, read)
        assert_same("C and LiteRT", network.run(*row), expected, read)


def test_one_sample_a_run_goes_on_from_the_last(tmp_path: Path) -> None:
    made = quantised(tmp_path, float_lstm(tmp_path, 1), 200)
    assert made.outputs[0].decibels > 25


def test_scales_are_those_that_the_kernel_asks_for(tmp_path: Path) -> None:
    made = load(quantised(tmp_path, float_lstm(tmp_path, 9, gain=3.0), 40).content)
    tensors = graph(made).tensors
    (lstm,) = (op for op in graph(made).operators if operator_name(made, op) == LSTM)
    x, y, cell = (tensors[i] for i in (lstm.inputs[0], lstm.outputs[0], lstm.inputs[19]))
    hidden, between = tensors[lstm.inputs[18]], tensors[lstm.intermediates[4]]
    for other in (hidden, between):
        assert scales(other)[0] == scales(y)[0] and other.quantization.zeroPoint[0] == y.quantization.zeroPoint[0]
    bits = 15 + np.log2(float(scales(cell)[0]))
    assert bits == int(bits) and 1 <= bits <= 4  # several units of the cell's value are reached
    for gate in range(4):
        w, bias = tensors[lstm.inputs[1 + gate]], tensors[lstm.inputs[12 + gate]]
        assert len(scales(w)) == 1
        assert scales(bias)[0] == pytest.approx(float(scales(x)[0]) * float(scales(w)[0]), rel=1e-6)


def test_what_has_no_integer_form_is_told_at_once(tmp_path: Path) -> None:
    model = float_lstm(tmp_path, 4, peephole=True, activation=1)
    with pytest.raises(ExportError) as caught:
        quantised(tmp_path, model, 4, {"*": "w4a8"})
    for part in ("peephole connections, an activation that is not tanh", "no kernel of w4a8; it has w8a8"):
        assert part in str(caught.value)
    with pytest.raises(ExportError, match="has no kernel of w8a16; it has a8"):
        quantised(tmp_path, float_lstm(tmp_path, 4), 4, {"*": "w8a16"})
