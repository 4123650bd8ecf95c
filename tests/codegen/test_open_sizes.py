"""Sizes that a converter left open because it did not know the batch, and what it writes for dilated convolutions."""

from collections.abc import Sequence

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.passes import optimise

ELEMENTS = ("int8", "int16")


def leave_open(model: TFLiteModel, tensor: int, *signature: int) -> None:
    """As converters write it: -1 in the signature, 1 in its place in the shape."""
    model.graph.tensors[tensor].shapeSignature = np.array(signature, np.int32)
    model.graph.tensors[tensor].shape = np.array([max(n, 1) for n in signature], np.int32)


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.operators]


def test_rows_of_a_dense_layer_between_reshapes() -> None:
    """(batch, 4, 3) -> (batch * 4, 3) -> Dense -> (batch, 4, 5): what Keras writes for Dense on three axes."""
    model = TFLiteModel()
    x = model.input((1, 4, 3))
    leave_open(model, x, -1, 4, 3)
    shape = model.tensor((3,), "int32", None)
    model.operator("SHAPE", [x], [shape], outType=2)
    front, rows = model.tensor((2,), "int32", None), model.tensor((), "int32", None)
    model.operator("GATHER", [shape, model.constant([0, 1])], [front], axis=0)
    model.operator("REDUCE_PROD", [front, model.constant([0])], [rows], keepDims=False)
    wanted = model.tensor((2,), "int32", None)
    model.operator("PACK", [rows, model.constant(3)], [wanted], valuesCount=2)
    flat = model.unary("RESHAPE", [x, wanted], (1, 1), "int8", 0.1)
    leave_open(model, flat, -1, -1)
    weights = model.constant(np.random.default_rng(0).integers(-127, 128, (5, 3)), "int8", 0.01)
    dense = model.unary("FULLY_CONNECTED", [flat, weights, -1], (1, 5), "int8", 0.1)
    leave_open(model, dense, -1, 5)
    whole = model.tensor((3,), "int32", None)
    model.operator("CONCATENATION", [front, model.constant([5])], [whole], axis=0)
    y = model.unary("RESHAPE", [dense, whole], (1, 4, 5), "int8", 0.1)
    leave_open(model, y, -1, 4, 5)
    model.output(y)
    graph = assert_all_equal(model)
    assert graph.tensors[dense].shape == (4, 5) and kinds(graph) == ["RESHAPE", "FULLY_CONNECTED", "RESHAPE"]


@pytest.mark.parametrize("element", ELEMENTS)
def test_the_first_state_of_an_unrolled_layer(element: str) -> None:
    """FILL with (batch, 6) zeros; 16x8 converters give them the scale 0."""
    model = TFLiteModel()
    x = model.input((1, 6), element, 0.01)
    leave_open(model, x, -1, 6)
    shape, batch = model.tensor((2,), "int32", None), model.tensor((), "int32", None)
    model.operator("SHAPE", [x], [shape], outType=2)
    corners = [model.constant([0]), model.constant([1]), model.constant([1])]
    model.operator("STRIDED_SLICE", [shape, *corners], [batch], shrinkAxisMask=1)
    doubled = model.tensor((), "int32", None)
    model.operator("MUL", [batch, model.constant(1)], [doubled])
    wanted = model.tensor((2,), "int32", None)
    model.operator("PACK", [doubled, model.constant(6)], [wanted], valuesCount=2)
    scale = 0.0 if element == "int16" else 0.02
    nothing = model.constant(0, element, scale)
    zeros = model.unary("FILL", [wanted, nothing], (1, 6), element, scale)
    leave_open(model, zeros, -1, 6)
    weights = model.constant(np.random.default_rng(1).integers(-127, 128, (6, 6)), "int8", 0.01)
    kept = model.unary("MUL", [zeros, x], (1, 6), element, 0.01)
    fed = model.unary("FULLY_CONNECTED", [zeros, weights, -1], (1, 6), element, 0.01)
    model.output(model.unary("ADD", [kept, x], (1, 6), element, 0.02, potScaleInt16=False))
    model.output(model.unary("SUB", [x, fed], (1, 6), element, 0.02, potScaleInt16=False))
    graph = assert_all_equal(model)
    assert "FILL" not in kinds(graph)


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize(
    ("kind", "size", "block", "borders", "crops"),
    [
        ("CONV_2D", (8, 9), (2, 2), ((2, 2), (2, 3)), ((0, 0), (0, 1))),  # SAME
        ("CONV_2D", (9, 8), (2, 3), ((0, 1), (0, 1)), ((0, 1), (0, 1))),  # VALID
        ("DEPTHWISE_CONV_2D", (8, 8), (3, 2), ((3, 4), (2, 2)), ((0, 1), (0, 0))),
    ],
)
def test_a_dilated_convolution(
    kind: str,
    size: tuple[int, int],
    block: tuple[int, int],
    borders: Sequence[tuple[int, int]],
    crops: Sequence[tuple[int, int]],
    element: str,
) -> None:
    """SPACE_TO_BATCH_ND, the convolution of each phase, BATCH_TO_SPACE_ND, with batches written as 1."""
    model, chance, zero = TFLiteModel(), np.random.default_rng(2), 5 if element == "int8" else 0
    x = model.input((1, *size, 4), element, 0.05, zero)
    whole = [n + sum(pair) for n, pair in zip(size, borders, strict=True)]
    phase = [n // b for n, b in zip(whole, block, strict=True)]
    apart = model.unary(
        "SPACE_TO_BATCH_ND", [x, model.constant(block), model.constant(borders)], (1, *phase, 4), element, 0.05, zero
    )
    depthwise = kind == "DEPTHWISE_CONV_2D"
    weights = model.constant(
        chance.integers(-127, 128, (1, 3, 3, 4) if depthwise else (6, 3, 3, 4)),
        "int8",
        list(chance.uniform(0.004, 0.008, 4 if depthwise else 6)),
        axis=3 if depthwise else 0,
    )
    bias = model.constant(chance.integers(-900, 900, 4 if depthwise else 6), "int32" if zero else "int64", 0.0003)
    inner, channels = [n - 2 for n in phase], 4 if depthwise else 6
    options = {"depthMultiplier": 1} if depthwise else {}
    y = model.unary(
        kind, [apart, weights, bias], (1, *inner, channels), element, 0.06, -zero, padding=1, strideH=1, strideW=1,
        dilationHFactor=1, dilationWFactor=1, fusedActivationFunction=1, **options,
    )  # fmt: skip
    final = [n * b - sum(pair) for n, b, pair in zip(inner, block, crops, strict=True)]
    sizes, whole_shape = [model.constant(block), model.constant(crops)], (1, *final, channels)
    together = model.unary("BATCH_TO_SPACE_ND", [y, *sizes], whole_shape, element, 0.06, -zero)
    for tensor, shape in ((apart, (*phase, 4)), (y, (*inner, channels))):
        leave_open(model, tensor, -1, *shape)
    model.output(together)
    graph = assert_all_equal(model)
    assert kinds(graph) in ([kind], ["PAD", kind])
    assert kinds(optimise(graph)[0]) == [kind]  # the border is the convolution's own


@pytest.mark.parametrize("after", [False, True])
def test_a_causal_dilated_convolution_over_time(after: bool) -> None:
    """Three axes: EXPAND_DIMS before or behind time makes an image of one row or one column."""
    model, chance = TFLiteModel(), np.random.default_rng(4)
    x = model.input((1, 13, 4))
    crops, block = [(0, 1)], [2]
    sizes = [model.constant(block), model.constant([(4, 1)])]
    apart = model.unary("SPACE_TO_BATCH_ND", [x, *sizes], (1, 9, 4), "int8", 0.1)
    image = (1, 9, 1, 4) if after else (1, 1, 9, 4)
    seen = model.unary("EXPAND_DIMS", [apart, model.constant(2 if after else 1)], image, "int8", 0.1)
    weights = model.constant(chance.integers(-127, 128, (5, 3, 1, 4) if after else (5, 1, 3, 4)), "int8", 0.01)
    bias = model.constant(chance.integers(-900, 900, 5), "int32", 0.001)
    made = (1, 7, 1, 5) if after else (1, 1, 7, 5)
    y = model.unary("CONV_2D", [seen, weights, bias], made, "int8", 0.2, padding=1, strideH=1, strideW=1)
    row = model.unary("RESHAPE", [y, model.constant([-1, 7, 5])], (1, 7, 5), "int8", 0.2)
    together = model.unary(
        "BATCH_TO_SPACE_ND", [row, model.constant(block), model.constant(crops)], (1, 13, 5), "int8", 0.2
    )
    for tensor, shape in ((apart, (9, 4)), (seen, image[1:]), (y, made[1:]), (row, (7, 5))):
        leave_open(model, tensor, -1, *shape)
    model.output(together)
    graph = assert_all_equal(model)
    assert kinds(graph) == ["RESHAPE", "PAD", "CONV_2D", "RESHAPE"]


def test_blocks_that_are_no_dilated_convolution_stay() -> None:
    """The phases are read twice."""
    model = TFLiteModel()
    x = model.input((1, 4, 4, 2))
    sizes = model.constant([2, 2]), model.constant([[0, 0], [0, 0]])
    apart = model.unary("SPACE_TO_BATCH_ND", [x, *sizes], (1, 2, 2, 2), "int8", 0.1)
    leave_open(model, apart, -1, 2, 2, 2)
    model.output(model.unary("BATCH_TO_SPACE_ND", [apart, *sizes], (1, 4, 4, 2), "int8", 0.1))
    model.output(model.unary("ABS", [apart], (4, 2, 2, 2), "int8", 0.1))
    graph = assert_all_equal(model)
    assert kinds(graph) == ["SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "ABS"]


def test_a_part_of_no_elements() -> None:
    """SPLIT_V with sizes (2, 4, 0), as a GRU without reset_after has it; nobody reads the last part."""
    model = TFLiteModel()
    x = model.input((1, 6))
    parts = [model.tensor((1, n), "int8", 0.1) for n in (2, 4, 0)]
    model.operator("SPLIT_V", [x, model.constant([2, 4, -1]), model.constant(1)], parts, numSplits=3)
    model.output(*parts[:2])
    assert_all_equal(model)


def test_an_open_size_that_nothing_tells() -> None:
    """TOPK_V2 is no operator of ours, so that nobody knows what an open second size is."""
    model = TFLiteModel()
    x = model.input((1, 6))
    leave_open(model, x, -1, 6)
    y = model.unary("CUSTOM", [x], (1, 6), "int8", 0.1)
    leave_open(model, y, -1, -1)
    model.output(y)
    with pytest.raises(Exception, match=r"signature \[-1, -1\]"):
        load(model)
