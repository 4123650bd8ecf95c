"""`tinyloc compile --step` and `tinyloc run --step`: an LSTM network, a sample a run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.equality import load, random_inputs, reference_outputs
from tests.codegen.operators.test_lstm import a_classifier
from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import users_directory
from tinyloc.codegen.backends.cmsis_nn.library import find_cmsis_nn
from tinyloc.main import main

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
STEPS = 7


@pytest.mark.parametrize("keep", ["all", "last"])
def test_steps_on_the_board_answer_as_the_window(keep: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = a_classifier(4, steps=STEPS, keep=keep)
    graph, path = load(model), model.write(tmp_path / "model.tflite")
    ((window,), *_) = random_inputs(graph, seed=9)
    np.save(tmp_path / "x.npy", window.reshape(STEPS, 1, 1, -1))
    files = {name: str(tmp_path / name) for name in ("x.npy", "y.npy", "r.json")}
    options = ["--input", files["x.npy"], "--output", files["y.npy"], "--json", files["r.json"]]
    assert main(["run", str(path), "--step", "--board", "cortex-m4", *options]) == 0
    answers = np.load(tmp_path / "y.npy")
    (expected,) = reference_outputs(graph, [window])
    np.testing.assert_array_equal(answers.ravel()[-expected.size :], expected.ravel())
    record = json.loads((tmp_path / "r.json").read_text())
    assert record["state_bytes"] == 8 + 12 + 4 + 8  # hidden and cell state of both, in whole words
    assert [(r["samples"], r["equal"]) for r in record["references"]] == [(STEPS, STEPS), (1, 1)]
    capsys.readouterr()


@pytest.mark.parametrize("step", [True, False])
def test_steps_by_the_users_library(step: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LSTM and fully connected layers by CMSIS-NN: equal to its reference; LiteRT is told of, but does not bind."""
    users_directory("CMSIS_NN_DIR")
    board = "cortex-m3" if find_cmsis_nn().archive.core == "cortex-m3" else "cortex-m4"
    path = a_classifier(4, steps=STEPS, keep="last").write(tmp_path / "model.tflite")
    ((window,), *_) = random_inputs(load(a_classifier(4, steps=STEPS, keep="last")), seed=9)
    np.save(tmp_path / "x.npy", window.reshape(STEPS, 1, 1, -1) if step else window)
    x, y, figures = (str(tmp_path / name) for name in ("x.npy", "y.npy", "r.json"))
    files = ["--input", x, "--output", y, "--json", figures]
    command = ["run", str(path), "--board", board, "--backend", "cmsis_nn", *files]
    assert main(command + (["--step"] if step else [])) == 0, capsys.readouterr().err
    record = json.loads(Path(figures).read_text())
    samples = STEPS if step else 1
    assert (record["backend"], record["references"][0]["equal"], record["equal_to_reference"]) == (
        "cmsis_nn", samples, True,
    )  # fmt: skip
    capsys.readouterr()


def test_without_the_library_it_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("CMSIS_NN_DIR", raising=False)
    path = a_classifier(4, steps=STEPS, keep="last").write(tmp_path / "model.tflite")
    command = ["compile", str(path), "--board", "cortex-m4", "--out", str(tmp_path / "out"), "--backend"]
    assert main([*command, "cmsis_nn"]) == 2
    assert "CMSIS_NN_DIR is not set" in capsys.readouterr().err
    assert main([*command, "tflm"]) == 2
    assert "'tflm' is not one of 'native', 'cmsis_nn'" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_what_is_no_sequence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = TFLiteModel()
    model.output(model.unary("RELU", [model.input((1, 6, 4))], (1, 6, 4), "int8", 0.1))
    path = model.write(tmp_path / "model.tflite")
    assert main(["compile", str(path), "--step", "--board", "cortex-m4", "--out", str(tmp_path / "out")]) == 2
    assert "has a row for each sample of the window" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
