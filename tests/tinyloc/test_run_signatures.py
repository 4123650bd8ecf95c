"""`tinyloc run` on files with several signatures, and with names that are missing or alike."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.codegen.tflite_models import TFLiteModel
from tinyloc.main import main

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

X = np.random.default_rng(2).integers(-128, 128, (4, 6)).astype(np.int8)
DRAWN = np.random.default_rng(3).integers(-128, 128, (4, 6)).astype(np.int8)


def two_signatures() -> TFLiteModel:
    """`absolute` and `negative`, each a subgraph; the names of their tensors are alike."""
    model = TFLiteModel()
    first = model.graph
    for name, kind in (("absolute", "ABS"), ("negative", "RELU_N1_TO_1")):
        if name == "negative":
            model.graph = schema.SubGraphT()
            model.graph.tensors, model.graph.operators, model.graph.inputs, model.graph.outputs = [], [], [], []
            model.model.subgraphs.append(model.graph)
        x = model.input((1, 6), name="x")
        y = model.unary(kind, [x], (1, 6), "int8", 0.1)
        model.output(y)
        signature = schema.SignatureDefT()
        signature.signatureKey, signature.subgraphIndex = name.encode(), len(model.model.subgraphs) - 1
        signature.inputs, signature.outputs = [schema.TensorMapT()], [schema.TensorMapT()]
        signature.inputs[0].name, signature.inputs[0].tensorIndex = b"given", x
        signature.outputs[0].name, signature.outputs[0].tensorIndex = b"found", y
        model.model.signatureDefs = [*(model.model.signatureDefs or []), signature]
    model.graph = first
    return model


def run(folder: Path, model: TFLiteModel, *more: str) -> int:
    path = model.write(folder / "model.tflite")
    np.save(folder / "x.npy", X)
    np.save(folder / "drawn.npy", DRAWN)
    return main(["run", str(path), "--board", "cortex-m4", *more])


@pytest.mark.parametrize("name", ["absolute", "negative"])
def test_a_signature_is_chosen_by_its_name(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert run(tmp_path, two_signatures(), "--signature", name, *files) == 0
    runner = Interpreter(
        str(tmp_path / "model.tflite"), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    ).get_signature_runner(name)
    expected = np.concatenate([runner(given=row[None])["found"] for row in X])
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), expected)
    assert "LiteRT BUILTIN_REF: 4 of 4 samples equal" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "2 signatures (absolute, negative): choose one with --signature"),
        (["--signature", "other"], "no signature 'other'; the file has absolute, negative"),
    ],
    ids=["none", "unknown"],
)
def test_without_a_known_signature(
    options: list[str], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert run(tmp_path, two_signatures(), *options, *files) == 2
    assert words in capsys.readouterr().err


def alike(name: str) -> TFLiteModel:
    """x - drawn, and a state that holds the last x; every end has this name."""
    model = TFLiteModel()
    ends = [model.input((1, 6)), model.input((1, 6)), model.input((1, 6))]
    x, drawn, before = ends
    y = model.unary("SUB", [x, drawn], (1, 6), "int8", 0.2)
    z = model.unary("SUB", [y, before], (1, 6), "int8", 0.4)
    after = model.unary("MAXIMUM", [x, x], (1, 6), "int8", 0.1)
    model.output(z, after)
    for tensor in (*ends, z, after):
        model.graph.tensors[tensor].name = name.encode()
    return model


@pytest.mark.parametrize("name", ["", "same"], ids=["stripped", "equal"])
def test_ends_by_their_numbers(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = ["--input", f"1={tmp_path / 'drawn.npy'}", "--input", f"0={tmp_path / 'x.npy'}"]
    more = ["--state", "2=1", *files, "--output", str(tmp_path / "y.npy")]
    assert run(tmp_path, alike(name), *more) == 0
    assert "LiteRT BUILTIN_REF: 4 of 4 samples equal" in capsys.readouterr().out
    found = np.load(tmp_path / "y.npy").astype(float) * 0.4
    before = np.concatenate([np.zeros((1, 6)), X[:-1] * 0.1])
    np.testing.assert_allclose(found, np.clip((X * 0.1 - DRAWN * 0.1), -25.6, 25.4) - before, atol=0.35)
    positional = ["--input", str(tmp_path / "x.npy"), "--input", str(tmp_path / "drawn.npy")]
    assert run(tmp_path, alike(name), "--state", "2=1", *positional, "--output", str(tmp_path / "z.npy")) == 0
    np.testing.assert_array_equal(np.load(tmp_path / "z.npy"), np.load(tmp_path / "y.npy"))


def test_archives_name_ends_by_their_numbers(tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", input0=X, input1=DRAWN)
    files = ["--input", str(tmp_path / "in.npz"), "--output", str(tmp_path / "out.npz")]
    assert run(tmp_path, alike("same"), "--state", "2=1", *files) == 0
    assert list(np.load(tmp_path / "out.npz")) == ["output0"]
