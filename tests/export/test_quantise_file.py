"""`tinyloc quantise`: a stranger's float file, calibration data that fits or not, the table of signal to noise."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from tests.codegen.tflite_models import TFLiteModel
from tests.export.litert_runs import run
from tinyloc.codegen.compile import compile_tflite
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, load, operator_name, tensor_name
from tinyloc.export.quantise_file import quantise_file
from tinyloc.main import main

FLOAT: dict[str, Any] = {"element": "float32", "scale": None}
W8A8 = {"*": "w8a8"}


def image_network(folder: Path) -> Path:
    """Convolution, RELU, pooling, a layer and SOFTMAX, with the names that TensorFlow gives."""
    chance = np.random.default_rng(1)
    model = TFLiteModel()
    x = model.input((1, 8, 8, 2), "float32", None, name="serving_default_image:0")  # type: ignore[arg-type]
    c, r = model.tensor((1, 8, 8, 4), **FLOAT, name="net/conv"), model.tensor((1, 8, 8, 4), **FLOAT, name="net/relu")
    p, f = model.tensor((1, 4, 4, 4), **FLOAT, name="net/pool"), model.tensor((1, 64), **FLOAT, name="net/flat")
    d, y = model.tensor((1, 5), **FLOAT, name="net/dense"), model.tensor((1, 5), **FLOAT, name="net/soft")
    kernel = [model.constant(chance.normal(0, 0.4, s), "float32") for s in ((4, 3, 3, 2), (4,), (5, 64), (5,))]
    model.operator("CONV_2D", [x, *kernel[:2]], [c], padding=0, strideW=1, strideH=1)
    model.operator("RELU", [c], [r])
    pool = {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}
    model.operator("MAX_POOL_2D", [r], [p], **pool)
    model.operator("RESHAPE", [p, model.constant([1, 64])], [f])
    model.operator("FULLY_CONNECTED", [f, *kernel[2:]], [d])
    model.operator("SOFTMAX", [d], [y], beta=1.0)
    model.output(y)
    return model.write(folder / "net.tflite")


def counter(folder: Path) -> Path:
    """s' = 0.5 s + x, y = tanh(s'): a state."""
    model = TFLiteModel()
    x = model.input((1, 3), "float32", None, name="x")  # type: ignore[arg-type]
    s = model.input((1, 3), "float32", None, name="before")  # type: ignore[arg-type]
    h, after, y = (model.tensor((1, 3), **FLOAT, name=name) for name in ("half", "after", "y"))
    model.operator("MUL", [s, model.constant(np.array([0.5]), "float32")], [h])
    model.operator("ADD", [h, x], [after], potScaleInt16=False)
    model.operator("TANH", [after], [y])
    model.output(y, after)
    return model.write(folder / "counter.tflite")


def images(folder: Path, count: int = 20, **changes: Any) -> Path:
    path = folder / "images.npz"
    arrays = {"image": np.random.default_rng(2).normal(0, 1, (count, 8, 8, 2)), **changes}
    np.savez(path, **arrays)
    return path


def test_an_image_network_answers_as_its_float_file(tmp_path: Path) -> None:
    model, calibration = image_network(tmp_path), images(tmp_path, 60)
    done = quantise_file(model, calibration, W8A8)
    (output,) = done.outputs
    assert output.name == "net/soft" and output.same_largest > 0.95 and output.decibels > 30
    kinds = [operator_name(load(done.content), operator) for operator in graph(load(done.content)).operators]
    assert kinds == ["CONV_2D", "MAX_POOL_2D", "RESHAPE", "FULLY_CONNECTED", "SOFTMAX"]  # RELU is in the convolution
    x = np.load(calibration)["image"][:1].astype(np.float32)
    np.testing.assert_allclose(run(done.content, [x])[0], run(model.read_bytes(), [x])[0], atol=0.03)
    assert all(layer.decibels > 25 and layer.bits == 8 for layer in done.layers)


def test_without_out_the_file_lies_here_and_is_named_after_the_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert main(["quantise", str(image_network(tmp_path)), "--calibration", str(images(tmp_path))]) == 0
    assert [path.name for path in Path().iterdir()] == ["net_quantised.tflite"]
    assert "net_quantised.tflite" in capsys.readouterr().out


def test_the_compiler_takes_the_file(tmp_path: Path) -> None:
    path = tmp_path / "int.tflite"
    for number, widths in enumerate((W8A8, {"*": "w8a16"}, {"net.dense": "w4a8"}, {"net.dense": "w8a16"})):
        path.write_bytes(quantise_file(image_network(tmp_path), images(tmp_path), widths).content)
        assert compile_tflite(path, tmp_path / str(number)).constant_bytes > 0


def test_a_state_is_carried_and_has_one_scale(tmp_path: Path) -> None:
    calibration = tmp_path / "x.npz"
    np.savez(calibration, anything=np.ones((40, 3)))  # one input: any name
    done = quantise_file(counter(tmp_path), calibration, {"*": "w8a16"}, [("before", "after")])
    tensors = {tensor_name(t): t for t in graph(load(done.content)).tensors}
    assert tensors["before"].quantization.scale == tensors["after"].quantization.scale
    assert tensors["after"].quantization.scale[0] == pytest.approx(2 * 2 / 32767, rel=1e-3)  # s' comes near 2
    assert next(layer for layer in done.layers if layer.name == "after").high == pytest.approx(2.0, abs=1e-3)
    assert done.constant == ["x"]


def test_noise_is_told_of_the_layer_that_makes_it(tmp_path: Path) -> None:
    done = quantise_file(image_network(tmp_path), images(tmp_path), {"net.dense": "w4a8"})
    assert max(done.layers, key=lambda layer: layer.lost).name == "net/dense"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"image": np.zeros((4, 3, 3))}, r"array image is float64 of shape \(4, 3, 3\).*\(samples, 1, 8, 8, 2\)"),
        ({"image": np.array([["a"]])}, "array image is <U1"),
        ({"image": np.full((2, 8, 8, 2), np.inf)}, "array image holds NaN or infinity in 256 values"),
        ({"image": np.zeros((0, 8, 8, 2))}, "array image is float64 of shape|no sample"),
    ],
)
def test_calibration_data_that_does_not_fit(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=words):
        quantise_file(image_network(tmp_path), images(tmp_path, **changes), W8A8)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    np.savez(tmp_path / "c.npz", y=np.zeros((3, 3)), z=np.zeros((3, 3)))
    with pytest.raises(ExportError, match=r"no array before, x; the model's inputs are x, before, the file has y, z"):
        quantise_file(counter(tmp_path), tmp_path / "c.npz", W8A8)


def test_calibration_files_of_another_kind(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((3, 3)))
    (tmp_path / "cut.npz").write_bytes(b"PK\x03\x04" + b"\0" * 40)
    for name, words in (
        ("a.npy", "one array without a name"),
        ("no.npz", "cannot be read: No such file"),
        ("cut.npz", ""),
    ):
        with pytest.raises(ExportError, match=rf"{name}.*{words}"):
            quantise_file(counter(tmp_path), tmp_path / name, W8A8)


def onnx_file(folder: Path, *nodes: Any, half: bool = False) -> Path:
    element = onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT
    ends = [onnx.helper.make_tensor_value_info(name, element, (1, 3)) for name in ("x", "y")]
    made = onnx.helper.make_graph(list(nodes), "g", ends[:1], ends[1:])
    onnx.save(onnx.helper.make_model(made), str(folder / "m.onnx"))
    return folder / "m.onnx"


def test_onnx_files_without_a_float_graph_are_refused_with_all_problems(tmp_path: Path) -> None:
    node = onnx.helper.make_node
    branch = onnx.helper.make_graph([], "b", [], [])
    nodes = [
        node("If", ["x"], ["y"], then_branch=branch, else_branch=branch), node("QuantizeLinear", ["x", "s"], ["q"]),
    ]  # fmt: skip
    words = r"(?s)3 problems.*float16 \(x\): export it in float32.*If at y: control flow.*QuantizeLinear at q: the file"
    with pytest.raises(ExportError, match=words):
        quantise_file(onnx_file(tmp_path, *nodes, half=True), images(tmp_path), W8A8)
    with pytest.raises(ExportError, match=r"none\.onnx cannot be read: No such file"):
        quantise_file(tmp_path / "none.onnx", images(tmp_path), W8A8)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04junk", b"\x1c\0\0\0TFL3" + b"\xff" * 40])
def test_a_file_that_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(ExportError, match=r"no TFLite file|is damaged"):
        quantise_file(path, images(tmp_path), W8A8)


def test_states_and_widths_of_nothing_are_named_together(tmp_path: Path) -> None:
    with pytest.raises(
        ExportError, match=r"(?s)no input s \(a state\).*no output t \(a state\).*widths of conv: no such"
    ):
        quantise_file(counter(tmp_path), images(tmp_path), {"conv": "w4a8"}, [("s", "t")])


def test_the_command_writes_the_file_and_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, calibration, out = image_network(tmp_path), images(tmp_path), tmp_path / "int.tflite"
    arguments = ["quantise", str(model), "--calibration", str(calibration), "--out", str(out)]
    assert main([*arguments, "--widths", "net.dense=w8a16", "--json", str(tmp_path / "r.json")]) == 0
    told = capsys.readouterr().out
    assert "net/dense" in told and "output net/soft" in told
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["bytes"] == out.stat().st_size
    assert {layer["bits"] for layer in found["layers"]} == {8, 16}
    assert main([*arguments, "--widths", "w8a16"]) == 2
    assert "give PATTERN=WIDTH" in capsys.readouterr().err


def test_what_follows_from_shapes_is_folded_and_a_quotient_by_a_root_is_a_product(tmp_path: Path) -> None:
    """As exporters write a LayerNorm, and padding of a size that is computed from a shape that is fixed."""
    model = TFLiteModel()
    x = model.input((1, 6), "float32", None, name="x")  # type: ignore[arg-type]
    shape = model.tensor((2,), "int32", None, name="shape")  # type: ignore[arg-type]
    ones = model.tensor((1, 6), **FLOAT, name="ones")
    model.operator("SHAPE", [x], [shape], outType=2)
    model.operator("FILL", [shape, model.constant(np.float32(1.0).reshape(()), "float32")], [ones])
    square, spread, root, y = (model.tensor((1, 6), **FLOAT, name=name) for name in ("square", "spread", "root", "y"))
    model.operator("MUL", [x, x], [square])
    model.operator("ADD", [square, ones], [spread], potScaleInt16=False)
    model.operator("SQRT", [spread], [root])
    model.operator("DIV", [x, root], [y])
    model.output(y)
    path = model.write(tmp_path / "norm.tflite")
    np.savez(tmp_path / "x.npz", x=np.random.default_rng(0).normal(0, 1, (200, 1, 6)).astype(np.float32))
    made = quantise_file(path, tmp_path / "x.npz", W8A8)
    kinds = [operator_name(load(made.content), op) for op in graph(load(made.content)).operators]
    assert kinds == ["MUL", "ADD", "RSQRT", "MUL"]
    assert made.outputs[0].decibels > 25
