"""onnx2tf missing or failing: told in its own words, with the way out."""

import stat
import sys
from pathlib import Path

import numpy as np
import pytest

from tinyloc.export.errors import ExportError
from tinyloc.export.to_tflite import SUFFIXES, to_tflite

INPUTS = {"reading": np.zeros((3, 2), np.float32)}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Puts a stand-in for onnx2tf beside a stand-in for the interpreter."""
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))

    def write(script: str) -> None:
        path = tmp_path / "bin" / "onnx2tf"
        path.parent.mkdir()
        path.write_text("#!/bin/sh\n" + script)
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    return write


def test_without_onnx2tf_the_message_says_what_to_install(program):
    with pytest.raises(ExportError, match=r"onnx2tf is not installed.*pip install 'tinyloc\[export\]'"):
        to_tflite(Path("model.onnx"), INPUTS)


def test_exit_code_0_without_an_int8_file_is_a_failure(program):
    """onnx2tf returns 0 when only its integer stage failed."""
    program(f'mkdir -p out && touch "out/model{SUFFIXES["float"]}"; echo "Full INT8 Quantization output failed."')
    words = r"(?s)no int8 and no int16x8 file of model\.onnx \(exit code 0\).*Full INT8 Quantization output failed"
    with pytest.raises(ExportError, match=words):
        to_tflite(Path("model.onnx"), INPUTS)


def test_a_crash_is_told_in_its_own_words(program):
    program('echo "ERROR: op Foo is not yet implemented" >&2; exit 1')
    with pytest.raises(ExportError, match=r"(?s)exit code 1.*op Foo is not yet implemented"):
        to_tflite(Path("model.onnx"), INPUTS)


def test_a_hang_ends(program, monkeypatch):
    monkeypatch.setattr("tinyloc.export.to_tflite.TIMEOUT_S", 0.2)
    program("exec sleep 30")
    with pytest.raises(ExportError, match=r"did not finish within 0\.2 s"):
        to_tflite(Path("model.onnx"), INPUTS)


def test_calibration_reaches_onnx2tf_as_files_of_its_own(program, tmp_path):
    program(f'echo "$@" > {tmp_path}/arguments; exit 1')
    with pytest.raises(ExportError):
        to_tflite(Path("model.onnx"), INPUTS)
    arguments = (tmp_path / "arguments").read_text().split()
    assert arguments[arguments.index("-cind") + 1] == "reading"
    assert arguments[arguments.index("-iqd") + 1] == "int8"
