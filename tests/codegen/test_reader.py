"""Files that are damaged, not quantised, or use what is not supported: one clear CompileError, nothing written."""

import random
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.test_passes import selective_scan, softplus
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_tflite
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.frontend.source import check_graph
from tinyloc.codegen.lowering.lower import make_program

FILES = ("manifest.json", "model.c", "model.h", "weights.c", "weights.h")


def some_model() -> TFLiteModel:
    """Constants, options, several operators."""
    model = TFLiteModel()
    after, y = selective_scan(model, "int8", 3, 4)
    flat = model.unary("RESHAPE", [y, model.constant([1, 3])], (1, 3), "int8", 0.03)
    w = model.constant(np.arange(12).reshape(4, 3), "int8", 0.05)
    bias = model.constant(np.arange(4), "int32", 0.05 * 0.03)
    wide = model.unary("FULLY_CONNECTED", [flat, w, bias], (1, 4), "int8", 0.1, fusedActivationFunction=1)
    model.output(softplus(model, wide, (1, 4)), after)
    return model


def refusal(model: TFLiteModel, folder: Path) -> list[str]:
    """The problems that the compiler names; nothing may be written."""
    with pytest.raises(CompileError) as caught:
        compile_tflite(model.write(folder / "model.tflite"), folder / "out")
    assert not (folder / "out").exists()
    return caught.value.problems


def survives(content: bytes, path: Path) -> bool:
    """Whether a file is read; any exception but CompileError goes through to the test."""
    path.write_bytes(content)
    try:
        graph = read_tflite(path)
        check_graph(graph, "model")
        make_program(graph, [f"x{i}" for i in range(len(graph.inputs))], [f"y{i}" for i in range(len(graph.outputs))])
    except CompileError as error:
        assert str(error).startswith(("model", str(path)))
        return False
    return True


def test_truncated_files(tmp_path: Path) -> None:
    content = some_model().content()
    assert survives(content, tmp_path / "m.tflite")
    lengths = [*range(0, 64), *range(64, len(content) - 1, 23)]
    assert sum(survives(content[:n], tmp_path / "m.tflite") for n in lengths) <= len(lengths) // 10


def test_flipped_bits_and_overwritten_words(tmp_path: Path) -> None:
    """The reader may accept a file whose weights changed; it may not raise anything else, hang or take all memory."""
    content = some_model().content()
    chance = random.Random(5)
    refused = 0
    for _ in range(350):
        damaged = bytearray(content)
        for _ in range(chance.choice([1, 1, 1, 8, 64])):
            at = chance.randrange(8, len(damaged) - 4)
            if chance.random() < 0.5:
                damaged[at] ^= 1 << chance.randrange(8)
            else:
                word = chance.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, chance.getrandbits(32)])
                damaged[at : at + 4] = word.to_bytes(4, "little")
        refused += not survives(bytes(damaged), tmp_path / "m.tflite")
    assert refused > 50


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", b"\0\0\0\0TFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 64, b"PK\3\4" * 50]
)
def test_what_is_no_model(content: bytes, tmp_path: Path) -> None:
    assert not survives(content, tmp_path / "m.tflite")


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CompileError, match="cannot be read"):
        read_tflite(tmp_path / "nowhere.tflite")


def test_a_float_model(tmp_path: Path) -> None:
    model = TFLiteModel()
    x = model.tensor((1, 4), "float32", None, name="reading")
    model.graph.inputs.append(x)
    y = model.tensor((1, 4), "float32", None)
    model.operator("TANH", [x], [y])
    model.output(y)
    problems = refusal(model, tmp_path)
    assert any("reading" in p and "FLOAT32" in p and "TANH #0" in p for p in problems)


def test_a_hybrid_model(tmp_path: Path) -> None:
    """int8 weights, float activations: what dynamic-range quantisation makes."""
    model = TFLiteModel()
    x = model.tensor((1, 4), "float32", None)
    model.graph.inputs.append(x)
    y = model.tensor((1, 3), "float32", None)
    model.operator("FULLY_CONNECTED", [x, model.constant(np.ones((3, 4)), "int8", 0.1), -1], [y])
    model.output(y)
    (problem,) = refusal(model, tmp_path)
    assert problem.startswith("1 operator of dynamic range") and "representative_dataset" in problem


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (b"FlexErf", "approximate='tanh'"),
        (b"FlexRoll", "convert without SELECT_TF_OPS"),
        (b"MyOperator", "docs/reference/operators.md lists the supported operators"),
    ],
)
def test_custom_operators_are_told_the_way_out(name: bytes, words: str, tmp_path: Path) -> None:
    model = TFLiteModel()
    x = model.input((1, 4))
    for _ in range(73):
        x = model.unary("CUSTOM", [x], (1, 4), "int8", 0.1)
    model.output(x)
    model.model.operatorCodes[0].customCode = name
    (problem,) = refusal(model, tmp_path)
    assert problem.startswith("73 operators CUSTOM ") and "and 70 more" in problem
    assert words in problem and len(problem) < 300


def test_alike_problems_are_one_line(tmp_path: Path) -> None:
    """They differ in the names of tensors only."""
    model = TFLiteModel()
    x = model.input((1, 4))
    for number in range(5):
        w = model.constant(np.ones((4, 4)), "int8", 0.1, zero=3 if number < 4 else 0)
        x = model.unary("FULLY_CONNECTED", [x, w, -1], (1, 4), "int8", 0.1)
    model.output(x)
    (problem,) = refusal(model, tmp_path)
    assert problem.startswith("4 operators FULLY_CONNECTED (FULLY_CONNECTED #0 t2, ") and "zero point" in problem


@pytest.mark.parametrize("kind", ["ADD", "FULLY_CONNECTED", "EXP", "RESHAPE"])
def test_mixed_element_types(kind: str, tmp_path: Path) -> None:
    model = TFLiteModel()
    x, other = model.input((1, 4)), model.input((1, 4), "int16", 0.1)
    more = {
        "FULLY_CONNECTED": [model.constant(np.ones((4, 4)), "int8", 0.1), -1],
        "RESHAPE": [model.constant([1, 4])],
        "EXP": [],
    }
    operands = [x, *more.get(kind, [other])]
    model.output(model.unary(kind, operands, (1, 4), "int16", 0.1))
    assert any("only equal types are supported" in problem for problem in refusal(model, tmp_path))


def test_damaged_is_what_is_no_flatbuffer(tmp_path: Path) -> None:
    content = some_model().content()
    path = tmp_path / "m.tflite"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(CompileError, match="is a damaged flatbuffer"):
        read_tflite(path)
    model = some_model()
    model.graph.operators[0].inputs = np.array([4000, 0], np.int32)
    (problem,) = refusal(model, tmp_path)
    assert "names tensor 4000" in problem and "contradicts itself" in problem and "damaged" not in problem


def test_all_problems_at_once(tmp_path: Path) -> None:
    """An operator nobody knows, a custom one, an unsupported use, a tensor without scale: each with its name."""
    model = TFLiteModel()
    x = model.input((1, 4))
    model.output(model.unary("SIN", [x], (1, 4), "int8", 0.1))
    model.output(model.unary("CUSTOM", [x], (1, 4), "int8", 0.1))
    computed = model.input((3, 4))
    model.output(model.unary("FULLY_CONNECTED", [x, computed, -1], (1, 3), "int8", 0.1))
    model.output(model.tensor((1, 4), "int8", None))
    model.operator("ABS", [x], [model.graph.outputs[-1]])
    problems = refusal(model, tmp_path)
    text = "\n".join(problems)
    assert len(problems) >= 4
    for word in ("SIN #0", "CUSTOM MyOperator", "not constant", "ABS #3"):
        assert word in text


def test_a_dynamic_shape(tmp_path: Path) -> None:
    model = TFLiteModel()
    x = model.input((1, 4))
    model.output(model.unary("ABS", [x], (1, 4), "int8", 0.1))
    model.graph.tensors[x].shape = np.array([1, -1], np.int32)
    assert any("dynamic" in p for p in refusal(model, tmp_path))


def test_a_dynamic_shape_as_converters_write_it(tmp_path: Path) -> None:
    """Static 1 beside a signature of -1 anywhere but in front: the size is unknown, not 1."""
    model = TFLiteModel()
    x = model.input((1, 1))
    model.output(model.unary("ABS", [x], (1, 1), "int8", 0.1))
    model.graph.tensors[x].shapeSignature = np.array([1, -1], np.int32)
    assert any("signature [1, -1]" in p and "export with fixed sizes" in p for p in refusal(model, tmp_path))


def test_floats_are_one_line_and_do_not_hide_other_problems(tmp_path: Path) -> None:
    model = TFLiteModel()
    x = model.tensor((1, 4), "float32", None, name="reading")
    model.graph.inputs.append(x)
    for _ in range(6):
        y = model.tensor((1, 4), "float32", None)
        model.operator("SIN", [x], [y])
        model.output(y)
    problems = refusal(model, tmp_path)
    assert sum("FLOAT32" in p for p in problems) == 1 and any("and 4 more" in p for p in problems)
    assert sum("6 operators SIN" in p and "SIN is not supported" in p for p in problems) == 1


def test_a_dynamic_batch_is_read_as_one(tmp_path: Path) -> None:
    """A signature of -1 beside a static shape of 1 is how converters write a batch."""
    model = TFLiteModel()
    x = model.input((1, 4))
    model.output(model.unary("ABS", [x], (1, 4), "int8", 0.1))
    model.graph.tensors[x].shapeSignature = np.array([-1, 4], np.int32)
    manifest = compile_tflite(model.write(tmp_path / "model.tflite"), tmp_path / "out")
    assert manifest.inputs[0].shape == [1, 4]


def test_states_that_are_not_there(tmp_path: Path) -> None:
    path = some_model().write(tmp_path / "model.tflite")
    with pytest.raises(CompileError, match="state tensor 'h' does not exist; the graph has h_in"):
        compile_tflite(path, tmp_path / "out", [("h", "h_out")])


@pytest.mark.parametrize(
    ("scale", "zero", "word"),
    [
        (0.0, 0, "scale"),
        (-0.5, 0, "scale"),
        (float("nan"), 0, "scale"),
        (float("inf"), 0, "scale"),
        (0.1, 300, "zero point"),
    ],
)
def test_scales_that_mean_nothing(scale: float, zero: int, word: str, tmp_path: Path) -> None:
    model = TFLiteModel()
    model.output(model.unary("ABS", [model.input((1, 4), scale=scale, zero=zero)], (1, 4), "int8", 0.1))
    assert any(word in p for p in refusal(model, tmp_path))


def test_what_a_tensor_cannot_be_is_told_by_its_name(tmp_path: Path) -> None:
    """A zero point that is missing, constants that are sparse or elsewhere, sizes that no memory holds: all at once."""
    model = TFLiteModel()
    x = model.input((1, 4), name="no zero")
    sparse = model.tensor((1, 4), "int8", 0.1, data=np.ones((1, 4)), name="sparse")
    outside = model.tensor((1, 4), "int8", 0.1, name="outside")
    giant = model.tensor((1, 1 << 30), "int8", 0.1, name="giant")
    channels = model.tensor((4, 4), "int8", [0.1, 0.1, 0.1, 0.1], data=np.ones((4, 4)), name="channels")
    for other in (sparse, outside, giant):
        model.output(model.unary("ADD", [x, other], (1, 4), "int8", 0.1))
    model.output(model.unary("FULLY_CONNECTED", [x, channels, -1], (1, 4), "int8", 0.1))
    tensors = model.graph.tensors
    tensors[x].quantization.zeroPoint = None
    tensors[channels].quantization.zeroPoint = np.zeros(2, np.int64)
    tensors[sparse].sparsity = schema.SparsityParametersT()
    model.model.buffers.append(schema.BufferT())
    model.model.buffers[-1].offset, model.model.buffers[-1].size = 4096, 4
    tensors[outside].buffer = len(model.model.buffers) - 1
    problems = refusal(model, tmp_path)
    for name, words in (
        ("no zero", "has 1 scale and no zero point"),
        ("sparse", "is stored sparse"),
        ("outside", "is stored outside the flatbuffer"),
        ("giant", "takes 1,073,741,824 bytes"),
        ("channels", "has 4 scales and 2 zero points"),
    ):
        assert any(f"tensor {name} " in p and words in p for p in problems), (name, problems)


def test_scales_that_overflow(tmp_path: Path) -> None:
    """Each operator whose values would leave 32 bits on their way to a far finer output is named."""
    model = TFLiteModel()
    x, y = model.input((1, 4), scale=1.0), model.input((1, 4), "int16", scale=1.0)
    model.output(model.unary("RELU", [x], (1, 4), "int8", 1e-8))
    model.output(model.unary("MUL", [y, y], (1, 4), "int16", 1e-10))
    model.output(model.unary("QUANTIZE", [y], (1, 4), "int16", 1e-6))
    a, b = model.input((1, 2, 600)), model.input((1, 600, 2))
    model.output(model.unary("BATCH_MATMUL", [a, b], (1, 2, 2), "int8", 1e-5))
    image, filters = model.input((1, 4, 4, 2)), model.constant(np.full((2, 3, 3, 2), 99), "int8", 1.0)
    convolved = model.tensor((1, 2, 2, 2), "int8", 1e-7)
    model.operator(
        "CONV_2D", [image, filters], [convolved], padding=1, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1
    )
    model.output(convolved)
    problems = refusal(model, tmp_path)
    assert [p.split(" ")[0] for p in problems] == ["RELU", "MUL", "QUANTIZE", "BATCH_MATMUL", "CONV_2D"]
    assert all("overflow" in p for p in problems)


def test_the_older_int16_addition(tmp_path: Path) -> None:
    """With scales that are powers of two and the option set LiteRT shifts and rounds otherwise."""
    model = TFLiteModel()
    x, y = model.input((1, 4), "int16", 2.0**-9), model.input((1, 4), "int16", 2.0**-10)
    model.output(model.unary("ADD", [x, y], (1, 4), "int16", 2.0**-8, potScaleInt16=True))
    model.output(model.unary("ADD", [x, y], (1, 4), "int16", 2.0**-8, potScaleInt16=False))
    model.output(model.unary("ADD", [x, y], (1, 4), "int16", 0.003, potScaleInt16=True))
    (problem,) = refusal(model, tmp_path)
    assert problem.startswith("ADD #0")


def test_sums_that_overflow(tmp_path: Path) -> None:
    model = TFLiteModel()
    x = model.input((1, 70_000), "int16", 0.001)
    w = model.constant(np.full((1, 70_000), 127), "int8", 0.01)
    model.output(model.unary("FULLY_CONNECTED", [x, w, -1], (1, 1), "int16", 1.0))
    (problem,) = refusal(model, tmp_path)
    assert "overflow 32 bits" in problem


def test_a_constant_of_the_wrong_size(tmp_path: Path) -> None:
    model = some_model()
    constant = next(t for t in model.graph.tensors if t.buffer)
    constant.shape = np.array([7, 7], np.int32)
    assert refusal(model, tmp_path)


def test_the_same_model_gives_the_same_bytes(tmp_path: Path) -> None:
    path = some_model().write(tmp_path / "model.tflite")
    for name in ("a", "b"):
        compile_tflite(path, tmp_path / name, [("h_in", "h_out")])
    for file in FILES:
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == sorted(FILES)


def test_an_older_result_stays_when_a_model_is_refused(tmp_path: Path) -> None:
    compile_tflite(some_model().write(tmp_path / "model.tflite"), tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    model = TFLiteModel()
    model.output(model.unary("SIN", [model.input((1, 4))], (1, 4), "int8", 0.1))
    with pytest.raises(CompileError):
        compile_tflite(model.write(tmp_path / "other.tflite"), tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "ADD"])
def test_ten_thousand_operators(kind: str, tmp_path: Path) -> None:
    """The work of the passes does not grow with the square of the operators."""
    model = TFLiteModel()
    element = "int8" if kind == "FULLY_CONNECTED" else "int16"
    x = y = model.input((1, 4), element)
    w = model.constant(np.arange(16).reshape(4, 4) * 7 - 50, "int8", 0.01)
    for i in range(10_000):
        operands = [y, w, -1] if kind == "FULLY_CONNECTED" else [y, x]
        y = model.unary(kind, operands, (1, 4), element, 0.1 + 1e-6 * i)
    model.output(y)
    manifest = compile_tflite(model.write(tmp_path / "model.tflite"), tmp_path / "out")
    assert sum(len(layer.operators) for layer in manifest.layers) == 10_000


@pytest.mark.parametrize("kind", ["static", "open", "filled"])
def test_tensors_of_gigabytes_are_refused_before_they_are_made(kind: str, tmp_path: Path) -> None:
    """4.9 GB: in a shape, in a shape that follows from constants, and as a constant that would be computed."""
    model = TFLiteModel()
    x, sizes = model.input((1, 1, 1)), [1, 70_000, 70_000]
    if kind == "filled":
        y = model.tensor(sizes, "int8", 0.1)
        model.operator("FILL", [model.constant(sizes), model.constant(np.array(3), "int8", 0.1)], [y])
    else:
        y = model.unary("BROADCAST_TO", [x, model.constant(sizes)], sizes, "int8", 0.1)
    if kind != "static":
        model.graph.tensors[y].shape = np.array([1, 1, 1], np.int32)
        model.graph.tensors[y].shapeSignature = np.array([1, -1, -1], np.int32)
    model.output(model.unary("ADD", [x, y], (1, 1, 1), "int8", 0.2))
    tracemalloc.start()
    try:
        problems = refusal(model, tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 1 << 24
    finally:
        tracemalloc.stop()
    assert any("takes 4,900,000,000 bytes, more than any board has" in problem for problem in problems)
