"""`tinyloc run` on the models of tests/cases: the emulated board and the NumPy reference give the known answers."""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.semantics.integer_graph import Stepper
from tinyloc.codegen.verify.network_reference import outside_outputs
from tinyloc.main import main

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

Array = npt.NDArray[Any]
CASES = Path(__file__).resolve().parents[1] / "cases"


def inputs_of(case: str) -> list[Path]:
    return sorted((CASES / case).glob("input*.npy"))


def emulated(folder: Path, model: Path, inputs: Sequence[Path], *more: str, code: int = 0) -> tuple[Array, Any]:
    """Answers and figures of one `tinyloc run` on the emulated Cortex-M4."""
    files = [part for path in inputs for part in ("--input", str(path))]
    results = ["--output", str(folder / "y.npy"), "--json", str(folder / "r.json")]
    assert main(["run", str(model), "--board", "cortex-m4", *files, *results, *more]) == code
    figures = json.loads((folder / "r.json").read_text())
    assert 0 < figures["stack_bytes"] <= figures["stack_bound_bytes"]
    return np.load(folder / "y.npy"), figures


def references(figures: Any) -> dict[str, tuple[int, int]]:
    return {r["name"]: (r["samples"], r["equal"]) for r in figures["references"]}


@pytest.mark.parametrize("kind", ["mul2", "sub2"])
def test_an_operator_code_in_the_newer_field_only(kind: str, tmp_path: Path) -> None:
    model = CASES / "builtin_code_only" / f"{kind}_codeonly.tflite"
    paths = inputs_of("builtin_code_only")
    rows = list(zip(*(np.load(path) for path in paths), strict=True))
    litert = outside_outputs(model, rows)
    expected = np.concatenate([row.ravel() for (row,) in litert])
    if kind == "mul2":
        np.testing.assert_array_equal(expected, np.load(CASES / "builtin_code_only" / "expected.npy"))
    stepper = Stepper(read_tflite(model))
    plain = [stepper.step(*row)[0] for row in rows]
    np.testing.assert_array_equal(np.concatenate(plain, axis=None), expected)
    y, figures = emulated(tmp_path, model, paths)
    np.testing.assert_array_equal(y.ravel(), expected)
    assert references(figures) == {"NumPy": (3, 3), "LiteRT BUILTIN_REF": (3, 3)}


def test_an_abort_of_litert_is_told_and_our_answer_written(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """LiteRT's reference SOFTMAX aborts on 512 equal values and more."""
    case = CASES / "softmax1000_equal"
    y, figures = emulated(tmp_path, case / "model.tflite", inputs_of(case.name))
    np.testing.assert_array_equal(y, np.load(case / "expected.npy"))
    assert references(figures) == {"NumPy": (len(y), len(y)), "LiteRT BUILTIN_REF": (0, 0)}
    assert "LiteRT BUILTIN_REF: crashed on this file (signal 6)" in capfd.readouterr().out


def test_litert_that_is_not_installed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("tinyloc.codegen.verify.outside_reference.find_spec", lambda name: None)
    case = CASES / "softmax1000_equal"
    emulated(tmp_path, case / "model.tflite", inputs_of(case.name))
    assert "LiteRT BUILTIN_REF: not installed; pip install 'tinyloc[export]'" in capsys.readouterr().out


@pytest.mark.parametrize("more", [[], ["--step"]], ids=["as it is", "step"])
def test_an_lstm_over_one_sample_keeps_its_state(more: list[str], tmp_path: Path) -> None:
    case = CASES / "lstm_window_of_1"
    y, figures = emulated(tmp_path, case / "model.tflite", inputs_of(case.name), *more)
    np.testing.assert_array_equal(y, np.load(case / "expected.npy"))
    assert references(figures) == {"NumPy": (len(y), len(y)), "LiteRT BUILTIN_REF": (len(y), len(y))}
    assert figures["state_bytes"] >= 6 + 5 + 2 * (6 + 5)


def test_variables_are_states(tmp_path: Path) -> None:
    case = CASES / "stream_variable"
    y, figures = emulated(tmp_path, case / "model.tflite", inputs_of(case.name))
    np.testing.assert_array_equal(y, np.load(case / "expected.npy"))
    assert references(figures) == {"NumPy": (len(y), len(y)), "LiteRT BUILTIN_REF": (len(y), len(y))}
    assert figures["state_bytes"] == 4 * 3


def test_a_shape_that_is_an_input_of_the_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / "transpose_conv_open_shape"
    np.save(tmp_path / "shape.npy", np.array([[1, 8, 8, 4]] * 3, np.int32))
    np.save(tmp_path / "x.npy", np.random.default_rng(1).integers(-128, 128, (3, 4, 4, 8)).astype(np.int8))
    y, figures = emulated(tmp_path, case / "model.tflite", [tmp_path / "shape.npy", tmp_path / "x.npy"])
    assert references(figures) == {"NumPy": (3, 3), "LiteRT BUILTIN_REF": (3, 3)} and len(np.unique(y)) > 20
    assert "its result has the shape [1, 8, 8, 4] of the file, whatever arith.constant says" in capsys.readouterr().out


def test_a_cell_state_of_another_size_than_the_cell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    case = CASES / "lstm_cell_shape"
    np.save(tmp_path / "x.npy", np.zeros((1, 10, 3), np.int8))
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert main(["run", str(case / "model.tflite"), "--board", "cortex-m4", *files]) == 2
    assert "the cell state has 1542 elements for 6 units" in capsys.readouterr().err


def test_an_lstm_with_a_small_cell_state_answers_as_tflm(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """LiteRT computes no tanh of it; its answers are constant."""
    case = CASES / "lstm_small_cell"
    y, figures = emulated(tmp_path, case / "model.tflite", inputs_of(case.name))
    np.testing.assert_array_equal(y, np.load(case / "expected.npy"))
    found = references(figures)
    assert found["NumPy"] == (len(y), len(y))
    assert found["TensorFlow Lite for Microcontrollers"][0] in (0, len(y)) and "LiteRT BUILTIN_REF" not in found
    assert "LiteRT computes no tanh of so small a cell state; LSTMs answer as TFLM does" in capsys.readouterr().out
    litert = outside_outputs(case / "model.tflite", [[row[None]] for row in np.load(inputs_of(case.name)[0])])
    assert not np.array_equal(np.concatenate([row for (row,) in litert]), y)
