"""MAXIMUM and MINIMUM: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import quantisations
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
def test_extremes(kind: str, element: str) -> None:
    model = TFLiteModel()
    for (scale, zero), shapes in zip(
        quantisations(element, 3, 5), [((1, 5), (1, 5)), ((2, 3, 4), (4,)), ((3, 1), (1, 4))], strict=True
    ):
        a, b = (model.input(shape, element, scale, zero) for shape in shapes)
        model.output(model.unary(kind, [a, b], np.broadcast_shapes(*shapes), element, scale, zero))
    assert_all_equal(model)
