"""`tinyloc compile` and `tinyloc run` on a user's own .tflite: answers, figures, and what is refused."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.verify.network_reference import outside_outputs
from tinyloc.main import main

pytestmark = pytest.mark.skipif(shutil.which("arm-none-eabi-gcc") is None, reason="needs arm-none-eabi-gcc")

FIGURES = {
    "cycles", "instructions", "macs", "code_bytes", "constant_bytes", "static_bytes", "arena_bytes", "stack_bytes",
    "equal_to_reference",
}  # fmt: skip
CHANCE = np.random.default_rng(5)
SAMPLES = CHANCE.integers(-128, 128, (5, 6)).astype(np.int8)


def dense(model: TFLiteModel, x: int, outputs: int, depth: int = 6) -> int:
    """FULLY_CONNECTED with a ReLU, weights that never change."""
    weights = np.random.default_rng(outputs).integers(-127, 128, (outputs, depth))
    w = model.constant(weights, "int8", 0.01)
    return model.unary("FULLY_CONNECTED", [x, w, -1], (1, outputs), "int8", 0.05, -3, fusedActivationFunction=1)


def plain_model() -> TFLiteModel:
    model = TFLiteModel()
    x = model.input((1, 6), name="serving_default_reading:0")
    model.output(dense(model, dense(model, x, 9), 4, 9))
    return model


def with_borders(kind: str) -> TFLiteModel:
    """The same between QUANTIZE and DEQUANTIZE of float32, or QUANTIZEs of uint8."""
    model = TFLiteModel()
    x, y = model.input((1, 6), "float32", 0.1), 0
    inside = model.unary("QUANTIZE", [x], (1, 6), "int8", 0.1, 0)
    result = dense(model, inside, 4)
    y = model.tensor((1, 4), "float32", 0.05)
    model.operator("DEQUANTIZE" if kind == "float32" else "QUANTIZE", [result], [y])
    model.output(y)
    for tensor, zero in ((x, 128), (y, 125)):
        if kind == "uint8":
            model.graph.tensors[tensor].type = schema.TensorType.UINT8
            model.graph.tensors[tensor].quantization.zeroPoint = np.array([zero])
        else:
            model.graph.tensors[tensor].quantization = None
    return model


def two_ends() -> TFLiteModel:
    """Two inputs of different shapes, two outputs, the second without a batch dimension."""
    model = TFLiteModel()
    a, b = model.input((1, 6), name="serving_default_a:0"), model.input((6,), name="b")
    model.output(model.unary("ADD", [a, b], (1, 6), "int8", 0.2), model.unary("ABS", [b], (6,), "int8", 0.1))
    return model


def run(folder: Path, model: TFLiteModel, given: npt.NDArray[Any], *more: str, board: str = "cortex-m4") -> Any:
    """One `tinyloc run` that must succeed -> (Y, figures)."""
    path = model.write(folder / "model.tflite")
    np.save(folder / "x.npy", given)
    files = ["--input", str(folder / "x.npy"), "--output", str(folder / "y.npy"), "--json", str(folder / "r.json")]
    assert main(["run", str(path), "--board", board, *files, *more]) == 0
    return np.load(folder / "y.npy"), json.loads((folder / "r.json").read_text())


@pytest.mark.parametrize("board", ["cortex-m4", "cortex-m3", "stm32l4", "aducm3029", "cc2650"])
def test_samples_along_the_first_axis(board: str, tmp_path: Path) -> None:
    y, figures = run(tmp_path, plain_model(), SAMPLES, board=board)
    expected = outside_outputs(tmp_path / "model.tflite", [[row] for row in SAMPLES])
    np.testing.assert_array_equal(y, np.concatenate([row for (row,) in expected]))
    assert y.dtype == np.int8 and y.shape == (5, 4)
    assert figures.keys() >= FIGURES
    assert figures["equal_to_reference"] is True and figures["fits"] is True
    assert [(r["samples"], r["equal"]) for r in figures["references"]] == [(5, 5), (5, 5)]
    assert figures["macs"] == 6 * 9 + 9 * 4 == sum(layer["macs"] for layer in figures["layers"])
    assert figures["constant_bytes"] >= 90 and 100 < figures["instructions"] < figures["cycles"]
    assert sum(layer["cycles"] for layer in figures["layers"]) < figures["cycles"]
    assert 0 < figures["stack_bytes"] <= figures["stack_bound_bytes"]
    assert figures["image_ram_bytes"] == (
        figures["static_bytes"] + figures["arena_bytes"] + figures["stack_bound_bytes"]
    )
    assert figures["io_bytes"] >= 4 and figures["static_bytes"] >= figures["io_bytes"]


def test_one_sample_keeps_its_shape(tmp_path: Path) -> None:
    many, _ = run(tmp_path, plain_model(), SAMPLES)
    one, _ = run(tmp_path, plain_model(), SAMPLES[2:3])
    np.testing.assert_array_equal(one, many[2:3])


@pytest.mark.parametrize("kind", ["float32", "uint8"])
def test_borders_have_the_models_own_type(kind: str, tmp_path: Path) -> None:
    given = (SAMPLES * 0.1 + 0.013).astype(np.float32) if kind == "float32" else SAMPLES.view(np.uint8)
    y, figures = run(tmp_path, with_borders(kind), given)
    expected = outside_outputs(tmp_path / "model.tflite", [[row] for row in given])
    np.testing.assert_array_equal(y, np.concatenate([row for (row,) in expected]))
    assert y.dtype == kind and figures["equal_to_reference"] is True
    assert len(np.unique(y)) > 3


def test_real_numbers_for_a_model_of_integers(tmp_path: Path) -> None:
    integers, _ = run(tmp_path, plain_model(), SAMPLES)
    real, _ = run(tmp_path, plain_model(), SAMPLES * 0.1, "--float")
    assert real.dtype == np.float32
    np.testing.assert_allclose(real, (integers.astype(float) + 3) * 0.05, rtol=1e-6)


def test_several_inputs_and_outputs(tmp_path: Path) -> None:
    path = two_ends().write(tmp_path / "two.tflite")
    a, b = SAMPLES, SAMPLES[::-1]
    np.savez(tmp_path / "x.npz", a=a, b=b)
    files = ["--input", str(tmp_path / "x.npz"), "--output", str(tmp_path / "y.npz")]
    assert main(["run", str(path), "--board", "cortex-m3", *files]) == 0
    found = np.load(tmp_path / "y.npz")
    assert sorted(found) == ["t2", "t3"]
    np.testing.assert_array_equal(found["t3"], np.abs(b.astype(int)).clip(max=127))
    for name, values in (("a", a), ("b", b)):
        np.save(tmp_path / f"{name}.npy", values)
    given = ["--input", f"b={tmp_path / 'b.npy'}", "--input", str(tmp_path / "a.npy")]
    taken = ["--output", str(tmp_path / "sum.npy"), "--output", str(tmp_path / "abs.npy")]
    assert main(["run", str(path), "--board", "cortex-m3", *given, *taken]) == 0
    for file, name in (("sum", "t2"), ("abs", "t3")):
        np.testing.assert_array_equal(np.load(tmp_path / f"{file}.npy"), found[name])


def test_inputs_lie_in_the_arena_unless_they_are_to_be_kept(tmp_path: Path) -> None:
    """A large input that dies early costs nothing beside a large result later on."""
    model = TFLiteModel()
    x = model.input((1, 400))
    half = model.unary("SLICE", [x, model.constant([0, 100]), model.constant([1, 200])], (1, 200), "int8", 0.1)
    model.output(dense(model, dense(model, half, 300, 200), 8, 300))
    given = np.random.default_rng(8).integers(-128, 128, (3, 400)).astype(np.int8)
    inside, small = run(tmp_path, model, given)
    apart, large = run(tmp_path, model, given, "--keep-inputs")
    np.testing.assert_array_equal(inside, apart)
    assert (small["io_bytes"], large["io_bytes"]) == (8, 408)
    assert small["arena_bytes"] == 400 + 300 and large["arena_bytes"] == 300
    assert small["arena_bytes"] == small["arena_lower_bound"]


def test_a_state_goes_from_sample_to_sample(tmp_path: Path) -> None:
    model = TFLiteModel()
    x, before = model.input((1, 6), name="x"), model.input((1, 6), name="before")
    after = model.unary("MAXIMUM", [x, before], (1, 6), "int8", 0.1)
    model.output(model.unary("ABS", [after], (1, 6), "int8", 0.1), after)
    y, figures = run(tmp_path, model, SAMPLES, "--state", "before=t2")
    np.testing.assert_array_equal(y, np.maximum.accumulate(np.maximum(SAMPLES, 0)))
    assert figures["state_bytes"] >= 6 and figures["equal_to_reference"] is True


def test_compile_leaves_what_can_be_linked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = plain_model().write(tmp_path / "model.tflite")
    out = tmp_path / "out"
    assert main(["compile", str(path), "--board", "stm32l4", "--out", str(out)]) == 0
    assert "fits Nucleo-L432KC" in capsys.readouterr().out
    figures = json.loads((out / "build.json").read_text())
    assert figures["fits"] and figures["code_bytes"] > 100
    values = ", ".join(map(str, SAMPLES[0]))
    program = """
        #include <stdio.h>
        #include "harness.h"
        int main(void)
        {
            const int8_t sample[6] = {VALUES};
            tl_harness_reset();
            for (int i = 0; i < 6; i++) {
                tl_input[i] = sample[i];
            }
            tl_harness_run();
            printf("%d %d %d %d", tl_output[0], tl_output[1], tl_output[2], tl_output[3]);
            return 0;
        }
    """.replace("VALUES", values)
    (tmp_path / "main.c").write_text(program)
    sources = [str(out / name) for name in ("model.c", "weights.c", "harness.c")]
    warnings = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-Wconversion"]
    program_file = tmp_path / "program"
    subprocess.run(["cc", *warnings, f"-I{out}", *sources, str(tmp_path / "main.c"), "-o", program_file], check=True)
    printed = subprocess.run([program_file], check=True, capture_output=True, text=True).stdout
    y, _ = run(tmp_path, plain_model(), SAMPLES[:1])
    assert printed.split() == [str(v) for v in y.ravel()]


def large() -> TFLiteModel:
    """More weights than a CC2650 has flash."""
    model = TFLiteModel()
    weights = np.random.default_rng(1).integers(-127, 128, (400, 400))
    x = model.input((1, 400))
    model.output(model.unary("FULLY_CONNECTED", [x, model.constant(weights, "int8", 0.01), -1], (1, 400), "int8", 1.0))
    return model


def test_what_does_not_fit_is_told_and_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = large().write(tmp_path / "large.tflite")
    out = tmp_path / "out"
    assert main(["compile", str(path), "--board", "cc2650", "--out", str(out)]) == 1
    assert "does not fit LAUNCHXL-CC2650" in capsys.readouterr().out
    figures = json.loads((out / "build.json").read_text())
    assert not figures["fits"] and 160_000 < figures["constant_bytes"] < 1.05 * (160_000 + 5 * 400)
    np.save(tmp_path / "x.npy", np.zeros((1, 400), np.int8))
    files = [f"--input={tmp_path / 'x.npy'}", f"--output={tmp_path / 'y.npy'}", f"--json={tmp_path / 'r.json'}"]
    assert main(["run", str(path), "--board", "cc2650", *files]) == 1
    assert "does not fit" in capsys.readouterr().err
    assert not (tmp_path / "y.npy").exists() and json.loads((tmp_path / "r.json").read_text())["fits"] is False
    assert main(["run", str(path), "--board", "cortex-m3", *files]) == 0


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (SAMPLES.astype(np.float32), "is of type float32; the model takes int8; real numbers need --float"),
        (SAMPLES.astype(np.int64), "is of type int64; the model takes int8"),
        (SAMPLES[:, :5], r"has shape (5, 5); the model takes (1, 6), or N samples as (N, 6)"),
        (SAMPLES[:0], "the file holds no sample"),
        (np.zeros((), np.int8), "has shape ()"),
    ],
    ids=["float", "int64", "shape", "none", "scalar"],
)
def test_wrong_samples(given: npt.NDArray[Any], words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = plain_model().write(tmp_path / "model.tflite")
    np.save(tmp_path / "x.npy", given)
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    assert main(["run", str(path), "--board", "cortex-m4", *files]) == 2
    assert words in capsys.readouterr().err
    assert not (tmp_path / "y.npy").exists()


def test_wrong_files_names_and_options(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(two_ends().write(tmp_path / "two.tflite"))
    x, y = str(tmp_path / "x.npy"), str(tmp_path / "y.npy")
    np.save(x, SAMPLES)
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY\x01")
    np.savez(tmp_path / "odd.npz", a=SAMPLES, other=SAMPLES)
    np.savez(tmp_path / "uneven.npz", a=SAMPLES, b=SAMPLES[:2])
    cases = [
        (["--input", x, "--output", y], "no file is given for b"),
        (["--input", x, "--input", x, "--input", x, "--output", y], "one file too many; the model takes 2 inputs"),
        (["--input", x, "--input", x, "--output", y], "the model has 2 outputs (t2, t3), but 1 file is named"),
        (["--input", str(tmp_path / "bad.npy"), "--output", y], "bad.npy: not a whole file"),
        (["--input", str(tmp_path / "none.npy"), "--output", y], "none.npy: cannot be read"),
        (["--input", str(tmp_path / "odd.npz"), "--output", y], "no input is called other; no file is given for b"),
        (["--input", str(tmp_path / "uneven.npz"), "--output", y], "different numbers of samples"),
        (["--input", x, "--output", y, "--optimise", "O9"], "'O9' is not one of"),
        (["--input", x, "--output", y, "--state", "a"], "give INPUT=OUTPUT"),
        (["--input", x, "--output", y, "--state", "a=nothing"], "state tensor 'nothing' does not exist"),
    ]
    for arguments, words in cases:
        assert main(["run", path, "--board", "cortex-m4", *arguments]) == 2, words
        assert words in capsys.readouterr().err
    assert not Path(y).exists()


def test_a_directory_of_something_else_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = plain_model().write(tmp_path / "model.tflite")
    assert main(["compile", str(path), "--board", "cortex-m4", "--out", str(tmp_path)]) == 2
    assert "holds other files" in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.tflite"]


@pytest.mark.parametrize("command", ["compile", "run"])
def test_constants_far_beyond_the_flash_are_reported_at_once(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """3 MB for 256 KB of flash: before code is written, not by the linker."""

    def written(*arguments: Any) -> None:
        raise AssertionError("code is written")

    monkeypatch.setattr("tinyloc.codegen.compile.write_generated", written)
    model = TFLiteModel()
    x = model.input((1, 1000))
    for _ in range(3):
        weights = np.random.default_rng(len(model.graph.tensors)).integers(-127, 128, (1000, 1000))
        x = model.unary("FULLY_CONNECTED", [x, model.constant(weights, "int8", 0.01), -1], (1, 1000), "int8", 1.0)
    model.output(x)
    path = model.write(tmp_path / "large.tflite")
    np.save(tmp_path / "x.npy", np.zeros((1, 1000), np.int8))
    files = ["--input", str(tmp_path / "x.npy"), "--output", str(tmp_path / "y.npy")]
    more = ["--out", str(tmp_path / "out")] if command == "compile" else files
    assert main([command, str(path), "--board", "stm32l4", *more]) == 1
    error = capsys.readouterr().err
    assert "large: weights and tables take 3,0" in error and "has 262,144 bytes of flash" in error
    assert not (tmp_path / "out").exists() and not (tmp_path / "y.npy").exists()
