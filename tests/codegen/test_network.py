"""compile_tflite: the plain interface of a model without a bundle."""

import json
import subprocess
from pathlib import Path

import numpy as np

from tests.codegen.equality import litert, load, native, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_tflite
from tinyloc.codegen.manifest import read_graph_manifest


def with_float_borders() -> TFLiteModel:
    """float -> QUANTIZE -> FULLY_CONNECTED -> DEQUANTIZE -> float, as converters write it by default."""
    model = TFLiteModel()
    x = model.tensor((1, 5), "float32", None, name="reading")
    model.graph.inputs.append(x)
    inside = model.unary("QUANTIZE", [x], (1, 5), "int8", 0.05, 3)
    w = model.constant(np.arange(15).reshape(3, 5) - 7, "int8", 0.05)
    scores = model.unary("FULLY_CONNECTED", [inside, w, -1], (1, 3), "int8", 0.1, -4)
    y = model.tensor((1, 3), "float32", None, name="scores")
    model.operator("DEQUANTIZE", [scores], [y])
    model.output(y)
    return model


def test_float_borders_become_integers() -> None:
    model = with_float_borders()
    graph = load(model)
    assert [op.kind for op in graph.operators] == ["FULLY_CONNECTED"]
    assert [graph.tensors[t].name for t in (*graph.inputs, *graph.outputs)] == ["reading", "scores"]
    compiled, runner = native(graph), litert(model.content())
    chance = np.random.default_rng(1)
    for _ in range(10):
        q = chance.integers(-128, 128, (1, 5)).astype(np.int8)
        runner.set_tensor(0, ((q.astype(np.float32) - 3) * np.float32(0.05)).astype(np.float32))
        runner.invoke()
        (answer,) = compiled.run(q)
        np.testing.assert_array_equal(answer, reference_outputs(graph, [q])[0])
        real = (answer.astype(np.float32) + 4) * np.float32(0.1)
        np.testing.assert_allclose(real, runner.get_tensor(model.graph.outputs[0]), rtol=1e-6)


def test_header_and_manifest_say_how_to_call_it(tmp_path: Path) -> None:
    manifest = compile_tflite(with_float_borders().write(tmp_path / "my model.tflite"), tmp_path / "out")
    assert manifest == read_graph_manifest(tmp_path / "out")
    (given,), (answer,) = manifest.inputs, manifest.outputs
    assert (given.tensor, given.argument, given.element, given.shape, given.zero_point) == (
        "reading",
        "input",
        "int8",
        [1, 5],
        3,
    )
    assert (answer.tensor, answer.argument, answer.size) == ("scores", "output", 3)
    assert manifest.macs == 15
    header = (tmp_path / "out" / "model.h").read_text()
    assert "void tl_model_run(tl_model_arena_t *arena, const int8_t input[5], int8_t output[3]);" in header
    assert json.loads((tmp_path / "out" / "manifest.json").read_text())["name"] == "my model"


def test_a_c_program_can_use_it(tmp_path: Path) -> None:
    """The header alone is enough for a caller; it compiles as C11 with all warnings."""
    compile_tflite(with_float_borders().write(tmp_path / "m.tflite"), tmp_path / "out")
    (tmp_path / "main.c").write_text(
        """
        #include <stdio.h>
        #include "model.h"
        static tl_model_arena_t arena;
        int main(void)
        {
            const int8_t input[5] = {3, 13, -7, 23, 127};
            int8_t output[3];
            tl_model_run(&arena, input, output);
            printf("%d %d %d", output[0], output[1], output[2]);
            return 0;
        }
        """
    )
    from tinyloc.codegen.verify.host import FLAGS
    from tinyloc.paths import FIRMWARE_DIR

    flags = [f for f in FLAGS if f not in ("-shared", "-fPIC")]
    sources = [str(p) for p in (tmp_path / "main.c", tmp_path / "out" / "model.c", tmp_path / "out" / "weights.c")]
    command = ["cc", *flags, f"-I{tmp_path / 'out'}", f"-I{FIRMWARE_DIR}", *sources, "-o", str(tmp_path / "program")]
    subprocess.run(command, check=True)
    printed = subprocess.run([str(tmp_path / "program")], check=True, capture_output=True, text=True).stdout
    graph = load(with_float_borders())
    (expected,) = reference_outputs(graph, [np.array([[3, 13, -7, 23, 127]], np.int8)])
    assert printed == " ".join(str(v) for v in expected.ravel())


def test_names_that_c_does_not_like(tmp_path: Path) -> None:
    """Comment marks, quotes and newlines in names of tensors and of the file."""
    model = TFLiteModel()
    x = model.input((1, 4), name='in*/put "x"\n\\')
    y = model.tensor((1, 4), "int8", 0.1, name="*/ int main; /*")
    model.operator("ABS", [x], [y])
    model.output(y)
    compile_tflite(model.write(tmp_path / 'na"me.tflite'), tmp_path / "out")
    compiled = native(load(model))
    np.testing.assert_array_equal(compiled.run(np.array([[-1, 2, -3, 4]], np.int8))[0], [[1, 2, 3, 4]])
