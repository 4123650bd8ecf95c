"""Convolutions, pooling, means, softmax: LiteRT BUILTIN_REF == NumPy == optimised == C, byte for byte."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.codegen.equality import assert_all_equal, assert_same, litert, load, native, random_inputs, reference_outputs
from tests.codegen.test_operators_products import (
    CONVOLUTIONS,
    ELEMENTS,
    bias_of,
    convolution_sizes,
    output_scale,
    output_zero,
    scaled,
    weights_of,
)
from tests.codegen.tflite_models import TFLiteModel


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


@pytest.mark.parametrize("element", ELEMENTS)
def test_conv_2d(element: str) -> None:
    model = TFLiteModel()
    add_convolutions(model, element, np.random.default_rng(9))
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_transpose_conv(element: str) -> None:
    chance = np.random.default_rng(10)
    model = TFLiteModel()
    for number, (h, w, c, out, kernel, stride, padding) in enumerate(
        [
            (3, 3, 2, 3, (3, 3), (2, 2), 0),
            (4, 2, 3, 1, (2, 4), (1, 3), 1),
            (2, 5, 1, 4, (5, 1), (2, 1), 0),
            (3, 3, 4, 2, (1, 1), (1, 1), 1),
        ]
    ):
        x = scaled(model, (1, h, w, c), element, chance)
        filters, scales = weights_of(model, (out, *kernel, c), out, 0, chance, per_channel=True)
        size = [n * s if padding == 0 else (n - 1) * s + k for n, s, k in zip((h, w), stride, kernel, strict=True)]
        shape = (1, *size, out)
        scale = output_scale(model, x, scales, kernel[0] * kernel[1] * c, element, chance)
        y = model.tensor(shape, element, scale, output_zero(element, chance))
        operands = [model.constant(shape), filters, x]
        if number % 2 == 0:
            operands.append(bias_of(model, x, scales, out, element, chance))
        model.operator("TRANSPOSE_CONV", operands, [y], padding=padding, strideH=stride[0], strideW=stride[1])
        model.output(y)
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", ["AVERAGE_POOL_2D", "MAX_POOL_2D"])
def test_pooling(kind: str, element: str) -> None:
    model = TFLiteModel()
    for number, (h, w, c, window, stride, padding) in enumerate(
        [
            (4, 4, 3, (2, 2), (2, 2), 1),
            (5, 7, 2, (3, 3), (2, 2), 0),
            (6, 1, 4, (6, 1), (1, 1), 1),
            (3, 5, 1, (2, 4), (1, 3), 0),
            (4, 4, 2, (7, 7), (1, 1), 0),
        ]
    ):
        zero = (0, -128, 100, -5, 3)[number] if element == "int8" else 0
        scale = 0.07 if element == "int8" else 0.0007
        x = model.input((1, h, w, c), element, scale, zero)
        size = convolution_sizes(h, w, window, stride, (1, 1), padding)
        y = model.tensor((1, *size, c), element, scale, zero)
        model.operator(kind, [x], [y], padding=padding, strideH=stride[0], strideW=stride[1], filterHeight=window[0],
                       filterWidth=window[1], fusedActivationFunction=number % 4)  # fmt: skip
        model.output(y)
    assert_all_equal(model)


def add_reductions(model: TFLiteModel, kind: str, element: str) -> None:
    """Over image, channels, batch of rows, everything; axes counted from the end; with and without kept dimensions."""
    for number, (shape, axes, kept) in enumerate(
        [((1, 5, 7, 3), (1, 2), True), ((1, 5, 7, 3), (1, 2), False), ((2, 3, 4), (-1,), False),
         ((2, 3, 4), (0,), True),
         ((2, 3, 4), (0, 2), False), ((3, 7), (0, 1), False), ((1, 3, 1, 9), (3, 1), True), ((2, 2, 3, 2), (2,), False)]
    ):  # fmt: skip
        zero = (0, -128, 127, -5, 3, 77, 0, -1)[number] if element == "int8" else 0
        x = model.input(shape, element, 0.05, zero)
        size = [1 if i in {a % len(shape) for a in axes} else n for i, n in enumerate(shape)]
        if not kept:
            size = [n for i, n in enumerate(shape) if i not in {a % len(shape) for a in axes}]
        y = model.tensor(size, element, 0.05 * (0.6, 1.0, 1.7, 1.0, 0.3, 0.09, 1.0, 4.0)[number] + 0.02, zero // 2)
        model.operator(kind, [x, model.constant(axes)], [y], keepDims=kept)
        model.output(y)


@pytest.mark.parametrize("element", ELEMENTS)
def test_mean(element: str) -> None:
    model = TFLiteModel()
    add_reductions(model, "MEAN", element)
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_sum(element: str) -> None:
    """LiteRT's BUILTIN_REF reads the values as uint8; its default resolver is right up to single precision."""
    model = TFLiteModel()
    add_reductions(model, "SUM", element)
    graph = assert_all_equal(model, with_litert=False)
    runner = Interpreter(
        model_content=model.content(),
        experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner.allocate_tensors()
    for inputs in random_inputs(graph, seed=3, count=3):
        for t, values in zip(graph.inputs, inputs, strict=True):
            runner.set_tensor(t, values)
        runner.invoke()
        for t, values in zip(graph.outputs, reference_outputs(graph, inputs), strict=True):
            assert np.abs(values.astype(int) - runner.get_tensor(t)).max() <= 1, graph.tensors[t].shape


@pytest.mark.parametrize("element", ELEMENTS)
def test_softmax(element: str) -> None:
    """Sharp and flat, rows of one value and of many."""
    model = TFLiteModel()
    for shape, scale, beta in [
        ((1, 10), 0.1, 1.0),
        ((3, 4), 0.003, 1.0),
        ((1, 59), 1.3, 1.0),
        ((2, 2, 5), 0.05, 0.5),
        ((4, 1), 0.1, 1.0),
        ((1, 300), 0.02, 2.0),
        ((1, 3), 60.0, 1.0),
    ]:
        x = model.input(shape, element, scale if element == "int8" else scale / 200, 11 if element == "int8" else 0)
        y = model.tensor(shape, element, 1 / 256 if element == "int8" else 1 / 32768, -128 if element == "int8" else 0)
        model.operator("SOFTMAX", [x], [y], beta=beta)
        model.output(y)
    assert_all_equal(model, count=12)


@pytest.mark.parametrize("rows", [6, 7])
def test_softmax_of_every_difference(rows: int) -> None:
    """Few values compute their exponentials, more read them from a table: pairs that are 0, 1, ..., 255 apart."""
    model = TFLiteModel()
    for scale in (0.004, 0.03, 0.11, 0.4, 1.7):
        x = model.input((rows, 2), "int8", scale, 0)
        y = model.tensor((rows, 2), "int8", 1 / 256, -128)
        model.operator("SOFTMAX", [x], [y], beta=1.0)
        model.output(y)
    graph, runner = load(model), litert(model.content())
    compiled = native(graph)
    tables = [c for c in compiled.manifest.layers if c.constant_bytes]
    assert len(tables) == (2 if rows == 6 else 5), "a table of a few entries is smaller than the code"
    for first in range(0, 256, rows):
        pairs = np.array([[127 - min(first + row, 255), 127] for row in range(rows)], np.int8)
        for t in graph.inputs:
            runner.set_tensor(t, pairs)
        runner.invoke()
        inputs = [pairs] * len(graph.inputs)
        expected = [runner.get_tensor(t) for t in graph.outputs]
        assert_same("NumPy and LiteRT BUILTIN_REF", reference_outputs(graph, inputs), expected, graph)
        assert_same("C and LiteRT BUILTIN_REF", compiled.run(*inputs), expected, graph)
