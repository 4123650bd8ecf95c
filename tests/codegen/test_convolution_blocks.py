"""The fast convolutions: every shape equals LiteRT BUILTIN_REF, NumPy and, on each core, C, byte for byte."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_all_equal, assert_same, load, native, random_inputs, reference_outputs
from tests.codegen.operators.product_models import (
    bias_of,
    convolution_sizes,
    output_scale,
    output_zero,
    scaled,
    weights_of,
)
from tests.codegen.test_kernels_on_arm import VARIANTS
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.kernel_forms.blocks import pack_filters, reading_order
from tinyloc.codegen.lowering.lower import make_program
from tinyloc.codegen.passes import optimise

Shape = tuple[int, int, int, int, tuple[int, int], tuple[int, int], tuple[int, int], int, bool]

CONVOLUTIONS: Sequence[Shape] = [
    # height, width, channels in, channels out, kernel, stride, dilation, padding (0 SAME, 1 VALID), per channel
    (3, 3, 8, 6, (1, 1), (1, 1), (1, 1), 0, True),  # nine places: one is left of blocks of four
    (2, 3, 64, 9, (1, 1), (1, 1), (1, 1), 1, False),
    (1, 1, 17, 1, (1, 1), (1, 1), (1, 1), 0, True),
    (5, 7, 5, 3, (1, 1), (2, 2), (1, 1), 0, True),
    (6, 5, 16, 5, (3, 3), (1, 1), (1, 1), 0, True),
    (7, 6, 3, 8, (3, 3), (2, 2), (1, 1), 0, True),
    (7, 7, 3, 2, (3, 3), (2, 1), (1, 1), 1, True),
    (12, 10, 1, 6, (10, 4), (2, 2), (1, 1), 0, True),
    (4, 4, 6, 4, (5, 5), (1, 1), (1, 1), 0, True),  # the window is larger than the image
    (9, 8, 4, 4, (3, 3), (1, 1), (2, 3), 0, True),
    (9, 8, 3, 3, (2, 3), (1, 2), (3, 2), 1, False),
    (1, 11, 6, 4, (1, 5), (1, 1), (1, 1), 0, True),
    (11, 1, 2, 7, (3, 1), (1, 1), (1, 1), 0, True),
    (4, 3, 33, 4, (3, 3), (1, 1), (1, 1), 0, True),  # more than 255 negative weights
    (1, 1, 37, 43, (1, 1), (1, 1), (1, 1), 0, True),  # a single window, the image itself
    (3, 4, 5, 6, (3, 4), (1, 1), (1, 1), 1, False),
]
DEPTHWISE: Sequence[Shape] = [
    *((4, width, 4, 1, (3, 3), (1, 1), (1, 1), width % 2, True) for width in range(3, 10)),
    *((6, width, 5, 1, (3, 3), (2, 2), (1, 1), width % 2, True) for width in range(3, 12)),
    (13, 5, 4, 1, (3, 3), (1, 1), (1, 1), 0, True),  # down the columns
    (12, 5, 6, 1, (3, 3), (2, 1), (1, 1), 1, True),
    (15, 3, 3, 1, (3, 3), (1, 2), (1, 1), 0, True),
    (1, 1, 3, 1, (3, 3), (1, 1), (1, 1), 0, True),
    (2, 2, 9, 1, (3, 3), (2, 2), (1, 1), 0, True),
    (5, 5, 6, 1, (3, 3), (1, 2), (1, 1), 0, False),
    (9, 6, 2, 1, (3, 3), (4, 1), (1, 1), 0, True),  # rows between windows
    (7, 7, 4, 1, (3, 3), (3, 3), (1, 1), 1, True),
    (8, 9, 4, 1, (3, 3), (1, 1), (2, 2), 0, True),
    (8, 9, 3, 2, (3, 3), (1, 1), (1, 1), 0, True),
    (6, 6, 7, 1, (5, 5), (1, 1), (1, 1), 0, True),
    (1, 16, 8, 1, (1, 4), (1, 1), (1, 1), 0, True),
    (16, 1, 4, 3, (6, 1), (2, 1), (2, 1), 1, True),
    (8, 7, 1, 8, (4, 3), (2, 2), (1, 1), 0, True),  # a single channel: CONV_2D does
    (2, 3, 5, 1, (4, 5), (1, 1), (1, 1), 0, True),
    (20, 1, 6, 1, (5, 1), (1, 1), (1, 1), 0, True),
    (20, 3, 7, 1, (7, 1), (3, 2), (1, 1), 1, False),
    (1, 21, 9, 1, (1, 5), (1, 2), (1, 3), 0, True),
    (17, 2, 5, 1, (3, 1), (2, 1), (4, 1), 0, True),
    (5, 1, 10, 1, (5, 1), (1, 1), (1, 1), 1, True),  # a streaming step: one output
    (2, 9, 2, 1, (9, 5), (1, 1), (1, 1), 0, True),  # larger than the image, two channels
    (6, 6, 2, 3, (5, 5), (2, 2), (1, 1), 0, True),
]
GROUPS: Sequence[tuple[Shape, int]] = [  # and channels of the image in a group
    ((5, 6, 6, 9, (3, 3), (1, 1), (1, 1), 0, True), 2),
    ((4, 5, 8, 4, (1, 1), (1, 1), (1, 1), 1, True), 4),
    ((7, 4, 4, 12, (2, 3), (2, 1), (1, 2), 0, False), 2),
    ((3, 3, 12, 4, (3, 1), (1, 1), (1, 1), 1, True), 3),
    ((6, 5, 5, 10, (3, 3), (1, 1), (1, 1), 0, True), 1),  # as many groups as channels: depthwise
    ((1, 9, 6, 6, (1, 3), (1, 1), (1, 1), 0, True), 1),
]
TRANSPOSED: Sequence[Shape] = [
    (3, 4, 5, 3, (3, 3), (2, 2), (1, 1), 0, True),
    (2, 5, 3, 4, (4, 4), (2, 2), (1, 1), 0, True),
    (3, 3, 4, 1, (3, 2), (1, 1), (1, 1), 1, True),
    (4, 3, 2, 6, (5, 3), (3, 2), (1, 1), 1, False),
    (2, 2, 8, 5, (2, 2), (2, 2), (1, 1), 1, True),
    (1, 6, 3, 3, (1, 4), (1, 2), (1, 1), 0, True),
    (5, 4, 3, 2, (3, 3), (1, 2), (1, 1), 0, True),
]


def add(
    model: TFLiteModel,
    kind: str,
    number: int,
    shape: Shape,
    chance: np.random.Generator,
    element: str = "int8",
    depth: int = 0,
) -> None:
    """One convolution. Some filters have a channel of zeros, of -127 only, of 127 only; some have no bias.

    depth: channels of the image that a filter of CONV_2D sees, all by default.
    """
    h, w, c, out, kernel, stride, dilation, padding, per_channel = shape
    depthwise = kind == "DEPTHWISE_CONV_2D"
    out, depth = c * out if depthwise else out, 1 if depthwise else depth or c
    x = scaled(model, (1, h, w, c), element, chance)
    axis, taps = (3, (1, *kernel, out)) if depthwise else (0, (out, *kernel, depth))
    filters, scales = weights_of(model, taps, out, axis, chance, per_channel or element == "int16")
    extreme = (0, -127, 127)[number % 3]
    values = np.frombuffer(model.model.buffers[-1].data.tobytes(), np.int8).reshape(taps).copy()
    values[(slice(None),) * axis + (number % out,)] = extreme
    model.model.buffers[-1].data = np.frombuffer(values.tobytes(), np.uint8)
    operands = [x, filters]
    if number % 4 or kind == "CONV_2D":  # LiteRT's takes none without
        operands.append(bias_of(model, x, scales, out, element, chance))
    scale = output_scale(model, x, scales, kernel[0] * kernel[1] * depth, element, chance)
    options = {"depthMultiplier": out // c} if depthwise else {}
    if kind == "TRANSPOSE_CONV":
        size = tuple(n * s if padding == 0 else (n - 1) * s + k for n, s, k in zip((h, w), stride, kernel, strict=True))
        operands = [model.constant([1, *size, out]), filters, x, *operands[2:]]
    else:
        size = convolution_sizes(h, w, kernel, stride, dilation, padding)
        options |= {"dilationHFactor": dilation[0], "dilationWFactor": dilation[1]}
    y = model.tensor((1, *size, out), element, scale, output_zero(element, chance))
    model.operator(
        kind, operands, [y], padding=padding, strideH=stride[0], strideW=stride[1], **options,
        fusedActivationFunction=0 if kind == "TRANSPOSE_CONV" else number % 4,
    )  # fmt: skip
    model.output(y)


def all_of(kind: str, shapes: Sequence[Shape], seed: int, element: str = "int8") -> TFLiteModel:
    model, chance = TFLiteModel(), np.random.default_rng(seed)
    for number, shape in enumerate(shapes):
        add(model, kind, number, shape, chance, element)
    return model


def in_groups(seed: int, element: str) -> TFLiteModel:
    model, chance = TFLiteModel(), np.random.default_rng(seed)
    for number, (shape, depth) in enumerate(GROUPS):
        add(model, "CONV_2D", number, shape, chance, element, depth)
    return model


def layers(graph: Graph) -> list[str]:
    """The text of each layer's function."""
    program = make_program(
        graph, [f"a{i}" for i in range(len(graph.inputs))], [f"b{i}" for i in range(len(graph.outputs))]
    )
    return ["\n".join(layer.lines) for layer in program.layers]


MODELS = {
    "conv": lambda seed: all_of("CONV_2D", CONVOLUTIONS, seed),
    "conv of int16": lambda seed: all_of("CONV_2D", CONVOLUTIONS, seed, "int16"),
    "depthwise": lambda seed: all_of("DEPTHWISE_CONV_2D", DEPTHWISE, seed),
    "depthwise of int16": lambda seed: all_of("DEPTHWISE_CONV_2D", DEPTHWISE, seed, "int16"),
    "groups": lambda seed: in_groups(seed, "int8"),
    "groups of int16": lambda seed: in_groups(seed, "int16"),
    "transposed": lambda seed: all_of("TRANSPOSE_CONV", TRANSPOSED, seed),
    "transposed of int16": lambda seed: all_of("TRANSPOSE_CONV", TRANSPOSED, seed, "int16"),
}
FAST = (
    "tl_conv_pixel_s",
    "tl_conv_blocks_s",
    "tl_conv_blocks_deep",
    "tl_depthwise_rows_s",
    "tl_depthwise_taps_s",
    "tl_depthwise_lines_s",
    "tl_conv_parts_s",
    "tl_conv_parts_deep",
)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("kind", MODELS)
def test_on_the_host(kind: str, seed: int) -> None:
    graph = assert_all_equal(MODELS[kind](seed))
    fast = [text for text in layers(graph) if any(name in text for name in FAST)]
    assert len(fast) == len(graph.operators), "a plain kernel was tested in place of a fast one"


@pytest.mark.parametrize("kind", ["conv", "depthwise", "depthwise of int16"])
def test_undefined_behaviour(kind: str) -> None:
    graph = load(MODELS[kind](7))
    compiled = native(graph, ["-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all"])
    for inputs in random_inputs(graph, seed=7, count=2):
        assert_same("NumPy and sanitised C", reference_outputs(graph, inputs), compiled.run(*inputs), graph)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("variant", [*VARIANTS, "dsp -O2", "m3 -O2"])
@pytest.mark.parametrize("kind", MODELS)
def test_on_each_core(kind: str, variant: str, tmp_path: Path) -> None:
    graph = load(MODELS[kind](3))
    compile_graph(graph, tmp_path / "generated")
    name, *level = variant.split()
    core, flags = VARIANTS[name]
    network = ArmNetwork(tmp_path / "generated", core, [*flags, *level])
    for inputs in random_inputs(graph, seed=6, count=5):
        assert_same(f"NumPy and C on {variant}", reference_outputs(graph, inputs), network.run(*inputs), graph)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("core", ["dsp", "m3"])
def test_every_place_where_an_unrolled_loop_is_entered(core: str, tmp_path: Path) -> None:
    """Windows of 1 to 17 words: assembly jumps into the midst of eight. An even and an odd number of channels."""
    shapes = [(2, 3, 2 * n, 4 + n % 2, (1, 1), (1, 1), (1, 1), 1, True) for n in range(1, 18)]
    graph = load(all_of("CONV_2D", shapes, 3))
    compile_graph(graph, tmp_path / "generated")
    network = ArmNetwork(tmp_path / "generated", *VARIANTS[core])
    for inputs in random_inputs(graph, seed=8, count=2):
        assert_same(f"NumPy and C on {core}", reference_outputs(graph, inputs), network.run(*inputs), graph)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("extra", [0, 1])
def test_the_largest_sum_of_a_second_channel(extra: int, tmp_path: Path) -> None:
    """32,767 times 256 is the most that 24 bits hold; with 1 more the layer takes the kernel without that bound."""
    weights = np.zeros((2, 1, 1, 262), np.int64)
    weights[1, ..., :258], weights[1, ..., 258] = 127, 1 + extra
    weights[0] = -100
    model = TFLiteModel()
    x = model.input((1, 1, 4, 262), "int8", 0.5, 0)
    w = model.constant(weights, "int8", [0.01, 0.01])
    y = model.unary(
        "CONV_2D", [x, w, model.constant(np.array([7, -9]), "int32", [0.005] * 2)], (1, 1, 4, 2), "int8", 200.0, 0,
        padding=1, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1,
    )  # fmt: skip
    model.output(y)
    graph = load(model)
    assert ("tl_conv_blocks_deep" in layers(graph)[0]) == bool(extra)
    compile_graph(graph, tmp_path / "generated")
    network = ArmNetwork(tmp_path / "generated", *VARIANTS["dsp"])
    for value in (127, -128):
        inputs = [np.full((1, 1, 4, 262), value, np.int8)]
        assert_same("NumPy and C", reference_outputs(graph, inputs), network.run(*inputs), graph)


@pytest.mark.parametrize("reason", ["weight -128", "factor above 1/2"])
def test_what_blocks_cannot_do_takes_the_plain_kernel(reason: str) -> None:
    model, chance = TFLiteModel(), np.random.default_rng(4)
    x = scaled(model, (1, 4, 5, 4), "int8", chance)
    filters = chance.integers(-127, 128, (6, 3, 3, 4))
    if reason == "weight -128":
        filters[2, 1, 1, 0] = -128
    sx = float(model.graph.tensors[x].quantization.scale[0])
    w = model.constant(filters, "int8", [0.01] * 6)
    y = model.tensor((1, 4, 5, 6), "int8", sx * 0.01 / (0.7 if reason == "factor above 1/2" else 0.001), 3)
    bias = bias_of(model, x, np.full(6, 0.01), 6, "int8", chance)
    model.operator("CONV_2D", [x, w, bias], [y], padding=0, strideH=1, strideW=1, dilationHFactor=1, dilationWFactor=1)
    model.output(y)
    graph = assert_all_equal(model)
    (text,) = layers(graph)
    assert "tl_conv_s8(" in text


def test_one_scale_for_all_channels_is_one_entry() -> None:
    graph = load(all_of("CONV_2D", [CONVOLUTIONS[1]], 5))
    program = make_program(graph, ["a"], ["b"])
    sizes = {constant.name.split("_")[-1]: constant.values.size for constant in program.constants}
    assert sizes["multiplier"] == sizes["shift"] == 1 and sizes["bias"] == 9


def test_scratch_is_in_the_plan_for_the_time_of_its_layer() -> None:
    graph = load(all_of("CONV_2D", [CONVOLUTIONS[4]], 5))
    program = make_program(optimise(graph)[0], ["a"], ["b"])
    (lifetime,) = [buffer for buffer in program.storage.plan.lifetimes if buffer.name.startswith("scratch")]
    assert lifetime.size == 4 * 2 * 3 * 3 * 16 and lifetime.first == lifetime.last == 0


@pytest.mark.parametrize(
    ("kind", "shape"),
    [
        ("DEPTHWISE_CONV_2D", (6, 5, 6, (3, 3))),
        ("DEPTHWISE_CONV_2D", (4, 7, 5, (5, 2))),
        ("DEPTHWISE_CONV_2D", (9, 5, 5, (3, 3))),
        ("DEPTHWISE_CONV_2D", (19, 1, 4, (4, 1))),
        ("CONV_2D", (5, 3, 7, (1, 1))),
    ],
)
def test_a_layer_is_written_over_its_input(kind: str, shape: tuple[int, int, int, tuple[int, int]]) -> None:
    """Between a layer before and one after, so that both tensors lie in the arena."""
    h, w, c, kernel = shape
    model, chance = TFLiteModel(), np.random.default_rng(8)
    x = scaled(model, (1, h, w, c), "int8", chance)
    sx, zero = (float(model.graph.tensors[x].quantization.scale[0]), 0)
    before = model.unary("ABS", [x], (1, h, w, c), "int8", sx, zero)
    axis, taps = (3, (1, *kernel, c)) if kind == "DEPTHWISE_CONV_2D" else (0, (c, *kernel, c))
    filters, scales = weights_of(model, taps, c, axis, chance, per_channel=True)
    operands = [before, filters, bias_of(model, before, scales, c, "int8", chance)]
    scale = output_scale(model, before, scales, kernel[0] * kernel[1], "int8", chance)
    options = {"depthMultiplier": 1} if axis else {}
    after = model.unary(
        kind, operands, (1, h, w, c), "int8", scale, zero, padding=0, strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=1, **options,
    )  # fmt: skip
    model.output(model.unary("ABS", [after], (1, h, w, c), "int8", scale, zero))
    graph = assert_all_equal(model)
    storage = make_program(graph, ["a"], ["b"]).storage
    assert storage.places[before].offset == storage.places[after].offset
    assert any("written over" in line for line in storage.decisions)


def test_order_of_weights() -> None:
    assert reading_order(7) == [0, 2, 1, 3, 4, 5, 6]
    filters = np.arange(2 * 1 * 5).reshape(2, 1, 5)  # channel 0: 0..4, channel 1: 5..9
    assert pack_filters(filters).tolist() == [0, 5, 2, 7, 1, 6, 3, 8, 4, 9, 0, 0]
    assert pack_filters(filters[:1]).tolist() == [0, 0, 2, 0, 1, 0, 3, 0, 4, 0, 0, 0]


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_sums_of_int16_that_32_bits_do_not_hold(kind: str) -> None:
    """600 products of -127 with values up to 2**15 reach beyond 2**31."""
    model, chance = TFLiteModel(), np.random.default_rng(9)
    window, channels = ((30, 20), 2) if kind == "DEPTHWISE_CONV_2D" else ((1, 1), 600)
    x = model.input((1, *window, channels), "int16", 0.0001)
    shape = (1, *window, 2) if kind == "DEPTHWISE_CONV_2D" else (2, 1, 1, 600)
    weights = chance.integers(-127, 128, shape)
    weights[(..., 0) if kind == "DEPTHWISE_CONV_2D" else 0] = -127
    w = model.constant(weights, "int8", [0.01, 0.02], axis=3 if kind == "DEPTHWISE_CONV_2D" else 0)
    bias = model.constant(np.array([5, -900_000]), "int64", [1e-6, 2e-6])
    y = model.tensor((1, 1, 1, 2), "int16", 0.001)
    sizes = [model.constant([1, 1, 1, 2])] if kind == "TRANSPOSE_CONV" else []
    options = {} if sizes else {"dilationHFactor": 1, "dilationWFactor": 1}
    options |= {"depthMultiplier": 1} if kind == "DEPTHWISE_CONV_2D" else {}
    operands = [*sizes, w, x, bias] if sizes else [x, w, bias]
    model.operator(kind, operands, [y], padding=1, strideH=1, strideW=1, **options)
    model.output(y)
    graph = assert_all_equal(model)
    (text,) = layers(graph)
    assert "tl_conv_s16(" in text or "tl_transpose_conv_s16(" in text, "sums of 64 bits are the plain kernel's"
