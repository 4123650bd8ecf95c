"""Models of layers that sum products: odd sizes, every activation, scales per channel or one for all."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.equality import assert_all_equal, assert_same, random_inputs, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import MISSING
from tinyloc.codegen.verify.network_reference import outside_outputs

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


def add_transpose_convolutions(model: TFLiteModel, element: str, chance: np.random.Generator) -> None:
    for number, (h, w, c, out, kernel, stride, padding, more) in enumerate(
        [
            (3, 3, 2, 3, (3, 3), (2, 2), 0, 0),
            (4, 2, 3, 1, (2, 4), (1, 3), 1, 0),
            (2, 5, 1, 4, (5, 1), (2, 1), 0, 0),
            (3, 3, 4, 2, (1, 1), (1, 1), 1, 0),
            (4, 4, 3, 2, (3, 3), (2, 2), 1, 1),  # what else than the usual size a file says
            (4, 3, 3, 2, (3, 3), (2, 2), 1, 3),
            (4, 4, 3, 2, (3, 3), (2, 2), 1, -2),
            (3, 4, 2, 2, (3, 2), (2, 2), 0, 2),
            (4, 4, 2, 3, (3, 3), (2, 2), 0, -2),
        ]
    ):
        x = scaled(model, (1, h, w, c), element, chance)
        filters, scales = weights_of(model, (out, *kernel, c), out, 0, chance, per_channel=True)
        size = [n * s if padding == 0 else (n - 1) * s + k for n, s, k in zip((h, w), stride, kernel, strict=True)]
        shape = (1, *(n + more for n in size), out)
        scale = output_scale(model, x, scales, kernel[0] * kernel[1] * c, element, chance)
        y = model.tensor(shape, element, scale, output_zero(element, chance))
        operands = [model.constant(shape), filters, x]
        if number % 2 == 0:
            operands.append(bias_of(model, x, scales, out, element, chance))
        model.operator("TRANSPOSE_CONV", operands, [y], padding=padding, strideH=stride[0], strideW=stride[1])
        model.output(y)


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


def add_convolutions(model: TFLiteModel, element: str, chance: np.random.Generator) -> None:
    """Strides, dilations, both paddings, one group and several, every activation."""
    for number, (h, w, c, out, kernel, stride, dilation, padding, per_channel) in enumerate(CONVOLUTIONS):
        groups = 2 if number in (1, 5) else 1
        out = out + number % 3 * groups
        x = scaled(model, (1, h, w, c), element, chance)
        shape = (out, *kernel, c // groups)
        filters, scales = weights_of(model, shape, out, 0, chance, per_channel or element == "int16")
        bias = bias_of(model, x, scales, out, element, chance)
        depth = kernel[0] * kernel[1] * c // groups
        size = convolution_sizes(h, w, kernel, stride, dilation, padding)
        scale = output_scale(model, x, scales, depth, element, chance)
        y = model.tensor((1, *size, out), element, scale, output_zero(element, chance))
        model.operator(
            "CONV_2D", [x, filters, bias], [y],
            padding=padding, strideH=stride[0], strideW=stride[1],
            dilationHFactor=dilation[0], dilationWFactor=dilation[1],
            fusedActivationFunction=number % 4,
        )  # fmt: skip
        model.output(y)


def narrow_biases(model: TFLiteModel, bias_type: int) -> TFLiteModel:
    """The biases of int64 become int32, as the converter writes them when it is asked to."""
    for op in model.graph.operators:
        bias = model.graph.tensors[op.inputs[-1]] if len(op.inputs) > 2 and op.inputs[-1] != -1 else None
        if bias is not None and bias.type == schema.TensorType.INT64:
            buffer = model.model.buffers[bias.buffer]
            values = np.frombuffer(buffer.data.tobytes(), np.int64).astype(np.int32)
            bias.type, buffer.data = schema.TensorType.INT32, np.frombuffer(values.tobytes(), np.uint8)
        if hasattr(op.builtinOptions, "quantizedBiasType"):
            op.builtinOptions.quantizedBiasType = bias_type
    return model


def wide_transpose_conv(bias: str | None) -> TFLiteModel:
    model, chance = TFLiteModel(), np.random.default_rng(3)
    x, y = model.input((1, 3, 3, 4), "int16", 1e-4), model.tensor((1, 6, 6, 3), "int16", 3e-4)
    scales = np.full(3, 0.01, np.float32)
    operands = [
        model.constant([1, 6, 6, 3]),
        model.constant(chance.integers(-127, 128, (3, 3, 3, 4)), "int8", scales),
        x,
    ]
    if bias is not None:
        operands.append(model.constant(chance.integers(-90000, 90000, 3), bias, scales * np.float32(1e-4)))
    model.operator("TRANSPOSE_CONV", operands, [y], padding=0, strideH=2, strideW=2)
    model.output(y)
    return model


def check_narrow_biases(model: TFLiteModel) -> None:
    """LiteRT adds up in 32 bits when the bias has 32, and rounds as for int8."""
    assert assert_all_equal(narrow_biases(model, schema.TensorType.INT32)).notes == ()


def check_undeclared_biases(model: TFLiteModel, path: Path) -> None:
    """LiteRT reads undeclared biases of 32 bits as 64 bits, and past their end; TFLM does not."""
    graph = assert_all_equal(narrow_biases(model, 0), with_litert=False)
    assert "LiteRT reads its bias of int32 as int64; it answers as TFLM does" in graph.notes[0]
    if find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    inputs = random_inputs(graph, seed=3)
    for row, expected in zip(inputs, outside_outputs(model.write(path), inputs, (), "tflm"), strict=True):
        assert_same("NumPy and TFLM", reference_outputs(graph, row), expected, graph)
