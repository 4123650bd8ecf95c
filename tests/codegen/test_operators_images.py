"""Convolutions, pooling, means, softmax: LiteRT BUILTIN_REF == NumPy == optimised == C, byte for byte."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.codegen.equality import assert_all_equal, assert_same, litert, load, native, random_inputs, reference_outputs
from tests.codegen.test_operators_products import (
    CONVOLUTIONS,
    ELEMENTS,
    add_depthwise,
    add_fully_connected,
    bias_of,
    convolution_sizes,
    output_scale,
    output_zero,
    scaled,
    weights_of,
)
from tests.codegen.tflite_models import TFLiteModel
from tests.libraries import MISSING
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.verify.network_reference import outside_outputs


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


@pytest.mark.parametrize("kind", ["CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "TRANSPOSE_CONV without"])
def test_biases_of_32_bits_under_int16(kind: str) -> None:
    """LiteRT adds up in 32 bits then, and rounds as for int8."""
    model = TFLiteModel()
    if kind == "CONV_2D":
        add_convolutions(model, "int16", np.random.default_rng(3))
    elif kind == "FULLY_CONNECTED":
        add_fully_connected(model, "int16", np.random.default_rng(3))
    else:
        model = wide_transpose_conv(None if kind.endswith("without") else "int64")
    assert assert_all_equal(narrow_biases(model, schema.TensorType.INT32)).notes == ()


@pytest.mark.parametrize("kind", ["CONV_2D", "FULLY_CONNECTED"])
def test_biases_of_32_bits_that_are_not_declared(kind: str, tmp_path: Path) -> None:
    """LiteRT reads them as 64 bits, and past their end; TFLM does not."""
    model = TFLiteModel()
    add = add_convolutions if kind == "CONV_2D" else add_fully_connected
    add(model, "int16", np.random.default_rng(3))
    graph = assert_all_equal(narrow_biases(model, 0), with_litert=False)
    assert "LiteRT reads its bias of int32 as int64; it answers as TFLM does" in graph.notes[0]
    if find_spec("tflite_micro") is None:
        pytest.skip(f"{MISSING}the package tflite-micro is not installed")
    inputs = random_inputs(graph, seed=3)
    for row, expected in zip(inputs, outside_outputs(model.write(tmp_path / "m"), inputs, (), "tflm"), strict=True):
        assert_same("NumPy and TFLM", reference_outputs(graph, row), expected, graph)


@pytest.mark.parametrize("kind", ["DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"])
def test_biases_of_32_bits_that_nobody_takes(kind: str) -> None:
    model = TFLiteModel()
    if kind == "DEPTHWISE_CONV_2D":
        add_depthwise(model, "int16", np.random.default_rng(3))
    else:
        model = wide_transpose_conv("int64")
    with pytest.raises(CompileError, match="is int32: int16 convolutions take int64"):
        load(narrow_biases(model, 0))
