"""COPY, ours: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.passes import optimise


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


def test_copies_of_the_whole_move_nothing() -> None:
    """A tile of one and a crop of nothing are names of their input."""
    model = TFLiteModel()
    x = model.unary("RELU", [model.input((1, 4, 4, 2))], (1, 4, 4, 2), "int8", 0.1)
    x = model.unary("TILE", [x, model.constant([1, 1, 1, 1])], (1, 4, 4, 2), "int8", 0.1)
    model.output(model.unary("RELU", [x], (1, 4, 4, 2), "int8", 0.1))
    graph, _ = optimise(load(model))
    assert [op.kind for op in graph.operators] == ["LOOP"]
