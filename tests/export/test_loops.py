"""WHILE in float files: written out, they give the same answers, and are quantised."""

from pathlib import Path

import numpy as np
import pytest

from tests.codegen.equality import litert
from tests.codegen.looping_models import STEPS, recurrent
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.frontend.source import check_graph
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import dump, load
from tinyloc.export.loops import write_loops_out
from tinyloc.export.quantise_file import quantise_file


@pytest.mark.parametrize("inner", [0, 2])
def test_answers_do_not_change(inner: int) -> None:
    content = recurrent(inner, floats=True).content()
    model = load(content)
    assert write_loops_out(model) == []
    assert len(model.subgraphs) == 1
    runners = [litert(content), litert(dump(model))]
    for x in np.random.default_rng(2).normal(size=(4, STEPS, 1, 3)).astype(np.float32):
        answers = []
        for runner in runners:
            runner.set_tensor(runner.get_input_details()[0]["index"], x)
            runner.invoke()
            answers.append([runner.get_tensor(end["index"]) for end in runner.get_output_details()])
        for loop, written in zip(*answers, strict=True):
            np.testing.assert_array_equal(loop, written)


def test_a_loop_is_quantised(tmp_path: Path) -> None:
    model, calibration = recurrent(floats=True).write(tmp_path / "loop.tflite"), tmp_path / "x.npz"
    np.savez(calibration, x=np.random.default_rng(2).normal(size=(16, STEPS, 1, 3)).astype(np.float32))
    made = quantise_file(model, calibration, {"*": "w8a8"})
    (tmp_path / "integer.tflite").write_bytes(made.content)
    check_graph(read_tflite(tmp_path / "integer.tflite"), "integer.tflite")
    assert min(output.decibels for output in made.outputs) > 20


def test_computed_trips_are_refused(tmp_path: Path) -> None:
    model = recurrent(computed=True, floats=True).write(tmp_path / "loop.tflite")
    with pytest.raises(ExportError, match="WHILE: how often it runs depends on what is computed"):
        quantise_file(model, tmp_path / "x.npz", {"*": "w8a8"})
