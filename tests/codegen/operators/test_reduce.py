"""MEAN and SUM: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.codegen.equality import assert_all_equal, random_inputs, reference_outputs
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


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
