"""Sums of products and what moves bytes: LiteRT BUILTIN_REF == NumPy == optimised == C, byte for byte."""

from typing import Any

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.tflite_models import TFLiteModel

ELEMENTS = ["int8", "int16"]


def scaled(model: TFLiteModel, shape: tuple[int, ...], element: str, chance: np.random.Generator) -> int:
    """An input with a random scale; int8 takes its zero point from the extremes too."""
    zero = int(chance.choice([-128, -7, 0, 127])) if element == "int8" else 0
    return model.input(shape, element, float(chance.uniform(0.01, 0.1)) / (1 if element == "int8" else 200), zero)


def weights_of(
    model: TFLiteModel, shape: tuple[int, ...], channels: int, axis: int, chance: np.random.Generator, per_channel: bool
) -> tuple[int, Any]:
    """Random symmetric weights -> (tensor, scales)."""
    count = channels if per_channel else 1
    scales = np.exp(chance.uniform(np.log(2e-3), np.log(5e-2), count)).astype(np.float32)
    return model.constant(chance.integers(-127, 128, shape), "int8", scales, 0, axis), scales


def bias_of(model: TFLiteModel, x: int, scales: Any, channels: int, element: str, chance: np.random.Generator) -> int:
    sx = float(model.graph.tensors[x].quantization.scale[0])
    reach = 3000 if element == "int8" else 900_000
    data = chance.integers(-reach, reach, channels)
    return model.constant(data, "int32" if element == "int8" else "int64", scales * np.float32(sx))


def output_scale(
    model: TFLiteModel, x: int, scales: Any, depth: int, element: str, chance: np.random.Generator
) -> float:
    """About what makes random sums fill the output's range, so that both saturation and small values occur."""
    sx = float(model.graph.tensors[x].quantization.scale[0])
    reach = 70 * np.sqrt(depth) * (60 if element == "int8" else 15000)
    top = 90 if element == "int8" else 23000
    return float(sx * np.median(scales) * reach / top * chance.uniform(0.3, 3))


def output_zero(element: str, chance: np.random.Generator) -> int:
    return int(chance.choice([-128, 5, 0, 127])) if element == "int8" else 0


def add_fully_connected(model: TFLiteModel, element: str, chance: np.random.Generator) -> None:
    """Odd depths and channels, rows, scale a channel or one for all, with and without bias, every activation."""
    for number, (depth, channels, rows) in enumerate(
        [
            (1, 1, 1),
            (3, 2, 1),
            (4, 4, 1),
            (5, 5, 3),
            (7, 9, 1),
            (8, 3, 2),
            (17, 6, 1),
            (31, 8, 1),
            (64, 13, 1),
            (129, 7, 1),
        ]
    ):
        x = scaled(model, (rows, depth), element, chance)
        w, scales = weights_of(model, (channels, depth), channels, 0, chance, per_channel=number % 3 == 1)
        bias = bias_of(model, x, scales, channels, element, chance) if number % 4 else -1
        y = model.tensor(
            (rows, channels),
            element,
            output_scale(model, x, scales, depth, element, chance),
            output_zero(element, chance),
        )
        model.operator("FULLY_CONNECTED", [x, w, bias], [y], fusedActivationFunction=number % 4)
        model.output(y)


@pytest.mark.parametrize("element", ELEMENTS)
def test_fully_connected(element: str) -> None:
    model = TFLiteModel()
    add_fully_connected(model, element, np.random.default_rng(2))
    assert_all_equal(model)


def same_size(size: int, stride: int) -> int:
    return -(-size // stride)


def valid_size(size: int, kernel: int, stride: int, dilation: int) -> int:
    return (size - (kernel - 1) * dilation - 1) // stride + 1


CONVOLUTIONS = [
    # height, width, channels in, channels out, kernel, stride, dilation, padding (0 SAME, 1 VALID), per channel
    (5, 5, 3, 3, (3, 3), (1, 1), (1, 1), 0, True),
    (6, 7, 4, 4, (3, 3), (2, 2), (1, 1), 0, True),
    (7, 6, 1, 1, (2, 5), (2, 1), (1, 1), 1, False),
    (9, 9, 2, 2, (3, 3), (1, 1), (2, 2), 0, True),
    (1, 12, 5, 5, (1, 4), (1, 1), (1, 1), 1, True),
    (4, 4, 8, 8, (4, 4), (3, 3), (1, 1), 0, True),
    (3, 3, 7, 7, (1, 1), (1, 1), (1, 1), 1, True),
    (10, 4, 2, 2, (5, 1), (1, 2), (1, 3), 0, False),
]


def convolution_sizes(h: int, w: int, kernel: Any, stride: Any, dilation: Any, padding: int) -> tuple[int, int]:
    if padding == 0:
        return same_size(h, stride[0]), same_size(w, stride[1])
    return valid_size(h, kernel[0], stride[0], dilation[0]), valid_size(w, kernel[1], stride[1], dilation[1])


def add_depthwise(model: TFLiteModel, element: str, chance: np.random.Generator) -> None:
    for number, (h, w, c, _, kernel, stride, dilation, padding, per_channel) in enumerate(CONVOLUTIONS):
        multiplier = 1 if number % 3 else (2, 3, 8)[number // 3]
        x = scaled(model, (1, h, w, c), element, chance)
        out = c * multiplier
        filters, scales = weights_of(model, (1, *kernel, out), out, 3, chance, per_channel or element == "int16")
        bias = bias_of(model, x, scales, out, element, chance) if number % 4 else -1
        shape = (1, *convolution_sizes(h, w, kernel, stride, dilation, padding), out)
        depth = kernel[0] * kernel[1]
        y = model.tensor(
            shape, element, output_scale(model, x, scales, depth, element, chance), output_zero(element, chance)
        )
        model.operator(
            "DEPTHWISE_CONV_2D", [x, filters, bias] if bias != -1 else [x, filters], [y],
            padding=padding, strideH=stride[0], strideW=stride[1],
            dilationHFactor=dilation[0], dilationWFactor=dilation[1],
            depthMultiplier=multiplier, fusedActivationFunction=number % 4,
        )  # fmt: skip
        model.output(y)


@pytest.mark.parametrize("element", ELEMENTS)
def test_depthwise_conv_2d(element: str) -> None:
    model = TFLiteModel()
    add_depthwise(model, element, np.random.default_rng(4))
    assert_all_equal(model)


def add_batch_matmul(model: TFLiteModel, element: str, chance: np.random.Generator) -> None:
    """Batches, rows, columns, a transposed second operand, and the product of a matrix with itself."""
    for number, (batch, m, k, n, adj_y) in enumerate(
        [
            ((1,), 1, 5, 4, False),
            ((1,), 6, 3, 1, False),
            ((2,), 3, 4, 5, False),
            ((2, 2), 2, 9, 3, True),
            ((1,), 1, 1, 1, True),
            ((1,), 1, 20, 6, False),  # four columns together, and two more
            ((1,), 7, 18, 1, False),  # rows and columns in one piece
        ]
    ):
        a = scaled(model, (*batch, m, k), element, chance)
        b = scaled(model, (*batch, n, k) if adj_y else (*batch, k, n), element, chance)
        scale_b = model.graph.tensors[b].quantization.scale
        y = model.tensor(
            (*batch, m, n), element, output_scale(model, a, scale_b, k, element, chance), output_zero(element, chance)
        )
        if element == "int16":
            model.graph.tensors[y].quantization.scale *= 250
        model.operator("BATCH_MATMUL", [a, b], [y], adjY=adj_y)
        model.output(y)
        if number == 2:
            square = scaled(model, (1, 4, 4), element, chance)
            scale = model.graph.tensors[square].quantization.scale
            z = model.tensor((1, 4, 4), element, output_scale(model, square, scale, 4, element, chance))
            model.operator("BATCH_MATMUL", [square, square], [z])
            model.output(z)


@pytest.mark.parametrize("element", ELEMENTS)
def test_batch_matmul(element: str) -> None:
    model = TFLiteModel()
    add_batch_matmul(model, element, np.random.default_rng(6))
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_concatenation(element: str) -> None:
    """Along each axis, with constants among the parts, and a value beside itself."""
    chance = np.random.default_rng(8)
    model = TFLiteModel()
    for axis in (0, 1, -1):
        shapes = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
        shapes[1][axis], shapes[2][axis] = 1, 5
        a, b = model.input(shapes[0], element), model.input(shapes[1], element)
        constant = model.constant(chance.integers(-100, 100, shapes[2]), element, 0.1)
        whole = list(shapes[0])
        whole[axis] += 1 + 5 + whole[axis]
        y = model.tensor(whole, element)
        model.operator("CONCATENATION", [a, b, constant, a], [y], axis=axis)
        model.output(y)
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_views(element: str) -> None:
    """Shapes and contiguous parts; each part is read by arithmetic, so that a wrong offset shows."""
    model = TFLiteModel()

    def read(part: int, shape: tuple[int, ...]) -> None:
        model.output(model.unary("RELU", [part], shape, element, 0.1))

    x = model.input((2, 3, 4), element)
    shape = model.constant([4, 6])
    y = model.tensor((4, 6), element)
    model.operator("RESHAPE", [x, shape], [y], newShape=np.array([4, 6], np.int32))
    read(y, (4, 6))
    squeezed = model.tensor((2, 3), element)
    model.operator("SQUEEZE", [model.input((1, 2, 1, 3), element)], [squeezed], squeezeDims=np.array([0, 2], np.int32))
    read(squeezed, (2, 3))
    read(model.unary("EXPAND_DIMS", [x, model.constant(1)], (2, 1, 3, 4), element, 0.1), (2, 1, 3, 4))
    halves = [model.tensor((1, 3, 4), element) for _ in range(2)]
    model.operator("SPLIT", [model.constant(0), x], halves, numSplits=2)
    parts = [model.tensor((1, n, 4), element) for n in (1, 2)]
    model.operator("SPLIT_V", [halves[1], model.constant([1, 2]), model.constant(1)], parts, numSplits=2)
    read(parts[0], (1, 1, 4))
    read(parts[1], (1, 2, 4))
    piece = model.unary("SLICE", [x, model.constant([1, 1, 0]), model.constant([1, 2, -1])], (1, 2, 4), element, 0.1)
    read(piece, (1, 2, 4))
    strided = model.tensor((3, 4), element)
    corners = [model.constant([1, 0, 0]), model.constant([2, 3, 4]), model.constant([1, 1, 1])]
    model.operator("STRIDED_SLICE", [x, *corners], [strided], shrinkAxisMask=1, beginMask=4, endMask=6)
    read(strided, (3, 4))
    model.output(halves[0])  # a view that leaves the model
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_parts_that_are_not_contiguous(element: str) -> None:
    """Slices and splits along inner axes, negative and long strides."""
    model = TFLiteModel()
    x = model.input((2, 4, 6), element)
    thirds = [model.tensor((2, 4, 2), element) for _ in range(3)]
    model.operator("SPLIT", [model.constant(2), x], thirds, numSplits=3)
    uneven = [model.tensor((2, n, 6), element) for n in (1, 3)]
    model.operator("SPLIT_V", [x, model.constant([1, 3]), model.constant(-2)], uneven, numSplits=2)
    piece = model.unary("SLICE", [x, model.constant([0, 1, 2]), model.constant([2, 2, 3])], (2, 2, 3), element, 0.1)
    stepped = model.tensor((2, 2, 2), element)
    corners = [model.constant([0, 3, 1]), model.constant([2, -5, 6]), model.constant([1, -2, 3])]
    model.operator("STRIDED_SLICE", [x, *corners], [stepped])
    column = model.tensor((2, 4), element)
    corners = [model.constant([0, 0, -1]), model.constant([0, 0, 0]), model.constant([1, 1, 1])]
    model.operator("STRIDED_SLICE", [x, *corners], [column], beginMask=3, endMask=3, shrinkAxisMask=4)
    for part in (*thirds, *uneven, piece, stepped, column):
        shape = tuple(model.graph.tensors[part].shape)
        model.output(model.unary("RELU", [part], shape, element, 0.1))
    model.output(thirds[1])
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_padding(element: str) -> None:
    """Borders on each axis, of the zero point and of a given value."""
    model = TFLiteModel()
    zero = -7 if element == "int8" else 0
    for number, (shape, borders) in enumerate(
        [
            ((1, 3, 4, 2), [(0, 0), (1, 2), (2, 1), (0, 0)]),
            ((2, 3), [(0, 0), (0, 3)]),
            ((2, 2, 2), [(1, 0), (0, 1), (2, 2)]),
            ((5,), [(2, 3)]),
            ((1, 4, 4, 3), [(0, 0), (0, 0), (1, 1), (0, 1)]),
        ]
    ):
        x = model.input(shape, element, 0.1, zero)
        wide = tuple(n + sum(pair) for n, pair in zip(shape, borders, strict=True))
        model.output(model.unary("PAD", [x, model.constant(borders)], wide, element, 0.1, zero))
        value = model.constant([(-128, 99, 0, -1, 5)[number]], element, 0.1, zero)
        model.output(model.unary("PADV2", [x, model.constant(borders), value], wide, element, 0.1, zero))
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_transpose_pack_unpack_gather(element: str) -> None:
    model = TFLiteModel()
    x = model.input((2, 3, 4), element)
    image = model.input((1, 3, 3, 5), element)
    for source, shape, order in [
        (x, (2, 3, 4), (2, 0, 1)),
        (x, (2, 3, 4), (0, 2, 1)),
        (image, (1, 3, 3, 5), (0, 2, 1, 3)),
        (image, (1, 3, 3, 5), (0, 3, 1, 2)),
    ]:
        y = model.unary("TRANSPOSE", [source, model.constant(order)], tuple(shape[i] for i in order), element, 0.1)
        model.output(y)
    for axis in (0, 1, -1):
        shape = [2, 3, 4]
        shape.insert(axis if axis >= 0 else 3, 3)
        other = model.constant(np.arange(24).reshape(2, 3, 4), element, 0.1)
        y = model.tensor(shape, element)
        model.operator("PACK", [x, other, x], [y], axis=axis, valuesCount=3)
        model.output(y)
    for axis in (0, 2):
        count = (2, 3, 4)[axis]
        parts = [model.tensor([n for i, n in enumerate((2, 3, 4)) if i != axis], element) for _ in range(count)]
        model.operator("UNPACK", [x], parts, axis=axis, num=count)
        model.output(*parts)
    for axis, indices in [(0, [1]), (1, [2, 0, 0, 1]), (2, [[3, 1], [0, 0]])]:
        shape = (*(2, 3, 4)[:axis], *np.shape(indices), *(2, 3, 4)[axis + 1 :])
        y = model.tensor(shape, element)
        model.operator("GATHER", [x, model.constant(indices)], [y], axis=axis)
        model.output(y)
    assert_all_equal(model)


def test_arg_max() -> None:
    """Ties go to the first; indices of both widths."""
    model = TFLiteModel()
    for shape, axis, element in [
        ((1, 10), 1, "int32"),
        ((2, 3, 4), -1, "int64"),
        ((2, 3, 4), 1, "int32"),
        ((1, 3, 3, 2), 3, "int32"),
    ]:
        x = model.input(shape)
        y = model.tensor([n for i, n in enumerate(shape) if i != axis % len(shape)], element, None)
        from ai_edge_litert import schema_py_generated as schema

        kind = schema.TensorType.INT32 if element == "int32" else schema.TensorType.INT64
        model.operator("ARG_MAX", [x, model.constant(axis)], [y], outputType=kind)
        model.output(y)
    assert_all_equal(model, count=8)
