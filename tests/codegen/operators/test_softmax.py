"""SOFTMAX: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, assert_same, litert, load, native, reference_outputs
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


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
