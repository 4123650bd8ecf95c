"""Layers that are slower than their kind usually is are named, with why and what would help."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER
from tests.codegen.equality import load
from tests.codegen.row_kinds_models import random_rows
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.lowering.cliffs import Measured, cliffs
from tinyloc.main import main


def wide_factors() -> TFLiteModel:
    """A convolution all of whose factors are above 1/2, and one of a single channel."""
    model, chance = TFLiteModel(), np.random.default_rng(2)
    x = model.input((1, 8, 8, 8), "int8", 0.1)
    options = {"padding": 0, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
    for scale in (0.8, 0.001):
        w = model.constant(chance.integers(-1, 2, (8, 3, 3, 8)), "int8", [scale] * 8)
        b = model.constant(np.zeros(8), "int32", [scale * 0.1] * 8)
        x = model.unary("CONV_2D", [x, w, b], (1, 8, 8, 8), "int8", 0.1, **options)
    model.output(x)
    return model


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("command", ["compile", "run"])
def test_a_cliff_is_reported(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = wide_factors().write(tmp_path / "model.tflite")
    np.save(tmp_path / "x.npy", np.random.default_rng(1).integers(-128, 128, (1, 8, 8, 8)).astype(np.int8))
    to = ["--out", str(tmp_path / "out")] if command == "compile" else ["--input", str(tmp_path / "x.npy")]
    to += ["--output", str(tmp_path / "y.npy")] if command == "run" else []
    assert main([command, str(path), "--board", "cortex-m4", "--optimise", "speed", *to]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("slow layer:")]
    assert "layer_00_conv_2d" in line and "cycles per MAC, its kind usually takes" in line
    assert "a factor of 1/2 or more: give the layer's output a larger range" in line


@pytest.mark.parametrize("seed", range(4))
def test_form_why_is_never_empty(seed: int, tmp_path: Path) -> None:
    manifest = compile_graph(load(random_rows(seed)), tmp_path / "generated")
    assert all(layer.form_why for layer in manifest.layers)


def test_slowest_first_and_only_those_beyond_twice_the_usual() -> None:
    def layer(name: str, cycles: float | None) -> Measured:
        return Measured(name, ("CONV_2D #0",), 1000, "conv_blocks_s8", "fast", (), cycles)

    lines = cliffs([layer("a", 2_000), layer("b", 9_000), layer("c", None), layer("d", 20_000)], "cortex-m4f", "O2")
    assert [line.split()[0] for line in lines] == ["d", "b"]


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
def test_run_gives_both_figures_where_the_flash_has_wait_states(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = wide_factors().write(tmp_path / "model.tflite")
    np.save(tmp_path / "x.npy", np.zeros((1, 8, 8, 8), np.int8))
    files = [
        "--input",
        str(tmp_path / "x.npy"),
        "--output",
        str(tmp_path / "y.npy"),
        "--json",
        str(tmp_path / "r.json"),
    ]
    assert main(["run", str(path), "--board", "stm32l4", *files]) == 0
    out, figures = capsys.readouterr().out, json.loads((tmp_path / "r.json").read_text())
    assert "modelled without wait states" in out and "cycles with 4 flash wait states" in out
    assert figures["waited"]["wait_states"] == 4 and figures["waited"]["cycles"] > figures["cycles"]
    assert main(["run", str(path), "--board", "stm32l4", "--wait-states", "0", *files]) == 0
    assert json.loads((tmp_path / "r.json").read_text())["waited"] is None
