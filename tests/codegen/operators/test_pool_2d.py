"""AVERAGE_POOL_2D and MAX_POOL_2D: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
    convolution_sizes,
)
from tests.codegen.tflite_models import TFLiteModel


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
