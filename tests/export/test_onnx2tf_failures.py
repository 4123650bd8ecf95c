"""onnx2tf missing or failing: told in its own words, with the way out."""

import os
import sys
from pathlib import Path

import onnx
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.tflite_models import TFLiteModel
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import dump, load
from tinyloc.export.to_tflite import SUFFIX, to_tflite


@pytest.fixture
def model(tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(onnx.ModelProto(producer_name="test").SerializeToString())
    return path


@pytest.fixture
def onnx2tf(tmp_path, monkeypatch):
    """Puts a stand-in for onnx2tf before the installed one, here and in the program that is started."""

    def write(script: str) -> None:
        package = tmp_path / "stand-in" / "onnx2tf"
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(f"import pathlib, sys, time\n{script}\n")
        monkeypatch.setenv("PYTHONPATH", f"{package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        monkeypatch.setitem(sys.modules, "onnx2tf", None)
        monkeypatch.delitem(sys.modules, "onnx2tf")
        monkeypatch.syspath_prepend(str(package.parent))

    return write


def test_without_onnx2tf_the_message_says_what_to_install(model, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExportError, match=r"needs onnx2tf, which is not installed.*\[export\]"):
        to_tflite(model)


def test_exit_code_0_without_a_file_is_a_failure(model, onnx2tf):
    onnx2tf("print('conversion skipped')")
    with pytest.raises(ExportError, match=r"(?s)no usable file of model\.onnx \(exit code 0\).*conversion skipped"):
        to_tflite(model)


def test_a_crash_is_told_in_its_own_words(model, onnx2tf):
    onnx2tf("sys.exit('ERROR: op Foo is not yet implemented')")
    with pytest.raises(ExportError, match=r"(?s)exit code 1.*op Foo is not yet implemented"):
        to_tflite(model)


def test_a_hang_ends(model, onnx2tf, monkeypatch):
    monkeypatch.setattr("tinyloc.export.to_tflite.TIMEOUT_S", 0.5)
    onnx2tf("time.sleep(30)")
    with pytest.raises(ExportError, match=r"did not finish within 0\.5 s"):
        to_tflite(model)


def made_file(folder, custom=None):
    """A file of one RELU, or of a custom operator in its place."""
    made = TFLiteModel()
    x = made.input((1, 3), "float32", None, name="x")
    y = made.tensor((1, 3), "float32", None, name="activation")
    made.operator("RELU", [x], [y])
    made.output(y)
    file = load(made.write(folder / "made.tflite").read_bytes())
    if custom is not None:
        code = file.operatorCodes[0]
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = custom
    return dump(file)


def test_an_operator_that_it_leaves_as_it_is_is_named(model, onnx2tf, tmp_path):
    onnx2tf(
        "out = pathlib.Path(sys.argv[4]); out.mkdir()\n"
        f"(out / 'model{SUFFIX}').write_bytes({made_file(tmp_path, 'ONNX_PRELU')!r})"
    )
    with pytest.raises(ExportError, match=r"no TFLite form of PRELU at activation in model\.onnx; write it with"):
        to_tflite(model)


def test_the_onnx_file_stays_as_it_is(model, onnx2tf, tmp_path):
    """onnx2tf simplifies its input in place."""
    onnx2tf(
        "given, out = pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[4])\n"
        "given.write_text('simplified'); out.mkdir()\n"
        f"(out / 'model{SUFFIX}').write_bytes({made_file(tmp_path)!r})"
    )
    assert to_tflite(model) == made_file(tmp_path)
    assert Path(model).read_bytes() == onnx.ModelProto(producer_name="test").SerializeToString()
