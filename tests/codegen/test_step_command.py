"""`tinyloc compile --step` and `tinyloc run --step`: an LSTM network, a sample a run."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from equality import load, random_inputs, reference_outputs
from test_lstm import a_classifier
from tflite_models import TFLiteModel

from tinyloc.main import main

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")
STEPS = 7


@pytest.mark.parametrize("keep", ["all", "last"])
def test_steps_on_the_board_answer_as_the_window(
    keep: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
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


def test_what_is_no_sequence_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = TFLiteModel()
    model.output(model.unary("RELU", [model.input((1, 6, 4))], (1, 6, 4), "int8", 0.1))
    path = model.write(tmp_path / "model.tflite")
    assert main(["compile", str(path), "--step", "--board", "cortex-m4", "--out", str(tmp_path / "out")]) == 2
    assert "nothing is carried from sample to sample" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
