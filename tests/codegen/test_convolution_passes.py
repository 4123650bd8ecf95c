"""PAD into convolutions and activations into layers, on graphs made by hand: what is fused, what is not, same bytes."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import bias_of, output_scale, scaled, weights_of
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.passes.activations import fuse_activations
from tinyloc.codegen.passes.frames import fold_frames

ONE = {"dilationHFactor": 1, "dilationWFactor": 1}


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.operators]


def add_convolution(
    model: TFLiteModel, kind: str, x: int, stride: int, chance: np.random.Generator, padding: int = 1
) -> int:
    """3 x 3 -> three channels; `x` has three."""
    _, h, w, _ = (int(n) for n in model.graph.tensors[x].shape)
    size = [(n - 3) // stride + 1 if padding else -(-n // stride) for n in (h, w)]
    axis, taps = (3, (1, 3, 3, 3)) if kind == "DEPTHWISE_CONV_2D" else (0, (3, 3, 3, 3))
    filters, scales = weights_of(model, taps, 3, axis, chance, per_channel=True)
    bias = bias_of(model, x, scales, 3, "int8", chance)
    options = {"depthMultiplier": 1} if axis else {}
    scale = output_scale(model, x, scales, 9 if axis else 27, "int8", chance)
    return model.unary(
        kind, [x, filters, bias], (1, *size, 3), "int8", scale, -5,
        padding=padding, strideH=stride, strideW=stride, **ONE, **options,
    )  # fmt: skip


def add_pad(model: TFLiteModel, x: int, borders: list[list[int]], value: int | None = None) -> int:
    tensor = model.graph.tensors[x]
    scale, zero = float(tensor.quantization.scale[0]), int(tensor.quantization.zeroPoint[0])
    shape = [int(n) + sum(pair) for n, pair in zip(tensor.shape, borders, strict=True)]
    operands = [x, model.constant(borders)]
    if value is not None:
        operands.append(model.constant([value], "int8", scale, zero))
    return model.unary("PAD" if value is None else "PADV2", operands, shape, "int8", scale, zero)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
@pytest.mark.parametrize(("stride", "padding"), [(1, 1), (2, 1), (2, 0)])
def test_a_border_of_the_zero_point_becomes_padding(kind: str, stride: int, padding: int) -> None:
    model, chance = TFLiteModel(), np.random.default_rng(stride)
    x = scaled(model, (1, 5, 6, 3), "int8", chance)
    zero = int(model.graph.tensors[x].quantization.zeroPoint[0])
    for borders, value in (
        ([[0, 0], [0, 1], [0, 1], [0, 0]], None),
        ([[0, 0], [1, 2], [3, 0], [0, 0]], zero),
        ([[0, 0], [4, 4], [1, 1], [0, 0]], None),  # windows that see nothing of the image
    ):
        padded = add_pad(model, x, borders, value)
        model.output(add_convolution(model, kind, padded, stride, chance, padding))
    graph = assert_all_equal(model)
    folded, notes = fold_frames(graph)
    assert kinds(folded) == [kind] * 3 and len(notes) == 3
    assert "PAD" in folded.operators[0].origin[0], "the manifest names what the layer stands for"


def test_other_borders_stay() -> None:
    """Another value, a border of channels, a reader that is no convolution, a result."""
    model, chance = TFLiteModel(), np.random.default_rng(7)
    x = scaled(model, (1, 4, 4, 3), "int8", chance)
    zero = int(model.graph.tensors[x].quantization.zeroPoint[0])
    around = [[0, 0], [1, 1], [1, 1], [0, 0]]
    other = add_pad(model, x, around, zero - 1 if zero > 0 else zero + 1)
    model.output(add_convolution(model, "CONV_2D", other, 1, chance))
    two = scaled(model, (1, 4, 4, 2), "int8", chance)
    deeper = add_pad(model, two, [[0, 0], [0, 0], [0, 0], [0, 1]])
    model.output(add_convolution(model, "CONV_2D", deeper, 1, chance))
    shared = add_pad(model, x, around)
    tensor = model.graph.tensors[x].quantization
    model.output(add_convolution(model, "CONV_2D", shared, 1, chance))
    model.output(model.unary("ABS", [shared], (1, 6, 6, 3), "int8", float(tensor.scale[0]), zero))
    shown = add_pad(model, x, around)
    model.output(shown, add_convolution(model, "CONV_2D", shown, 1, chance))
    graph = assert_all_equal(model)
    assert kinds(fold_frames(graph)[0]) == kinds(graph)


@pytest.mark.parametrize(("kind", "scale"), [("RELU", 0.05), ("RELU6", 0.03), ("RELU_N1_TO_1", 0.02)])
@pytest.mark.parametrize("layer", ["CONV_2D", "FULLY_CONNECTED", "ADD", "MAX_POOL_2D"])
def test_an_activation_becomes_the_limits_of_its_layer(layer: str, kind: str, scale: float) -> None:
    model, chance = TFLiteModel(), np.random.default_rng(3)
    x = model.input((1, 4, 5, 3), "int8", scale, 7)
    shape: tuple[int, ...] = (1, 4, 5, 3)
    if layer == "CONV_2D":
        t = add_convolution(model, layer, x, 1, chance, padding=0)
    elif layer == "FULLY_CONNECTED":
        w, _ = weights_of(model, (3, 3), 3, 0, chance, per_channel=False)
        t = model.unary(layer, [x, w, -1], shape, "int8", scale, 7, keepNumDims=True)
    elif layer == "ADD":
        t = model.unary(layer, [x, model.input(shape, "int8", 0.03, -3)], shape, "int8", scale, 7, potScaleInt16=False)
    else:
        options = {"padding": 0, "strideH": 1, "strideW": 1, "filterHeight": 2, "filterWidth": 2}
        t = model.unary(layer, [x], shape, "int8", scale, 7, **options)
    q = model.graph.tensors[t].quantization
    model.output(model.unary(kind, [t], shape, "int8", float(q.scale[0]), int(q.zeroPoint[0])))
    graph = assert_all_equal(model)
    fused, notes = fuse_activations(graph)
    assert kinds(fused) == [layer] and len(notes) == 1
    assert fused.operators[0].attributes["activation"] and len(fused.operators[0].origin) == 2


def test_other_activations_stay() -> None:
    """Another scale after it, another reader of the layer, a layer that limits already, a layer that is a result."""
    model = TFLiteModel()
    x, other = model.input((1, 6), "int8", 0.05, 7), model.input((1, 6), "int8", 0.03, 1)

    def layer(**options: object) -> int:
        return model.unary("ADD", [x, other], (1, 6), "int8", 0.06, 3, potScaleInt16=False, **options)

    def activation(t: int, scale: float = 0.06) -> int:
        return model.unary("RELU6", [t], (1, 6), "int8", scale, 3)

    model.output(activation(layer(), 0.04), activation(layer(fusedActivationFunction=1)))
    shared, shown = layer(), layer()
    model.output(activation(shared), model.unary("ABS", [shared], (1, 6), "int8", 0.06, 3), activation(shown), shown)
    graph = assert_all_equal(model)
    assert kinds(fuse_activations(graph)[0]) == kinds(graph)


def test_decisions_name_both() -> None:
    model, chance = TFLiteModel(), np.random.default_rng(3)
    x = scaled(model, (1, 4, 5, 3), "int8", chance)
    t = add_convolution(model, "CONV_2D", add_pad(model, x, [[0, 0], [1, 1], [1, 1], [0, 0]]), 1, chance)
    q = model.graph.tensors[t].quantization
    model.output(model.unary("RELU", [t], (1, 4, 5, 3), "int8", float(q.scale[0]), int(q.zeroPoint[0])))
    graph = assert_all_equal(model)
    optimised, decisions = optimise(graph)
    assert kinds(optimised) == ["CONV_2D"]
    assert sum("the padding of" in line or "the limits of" in line for line in decisions) == 2
