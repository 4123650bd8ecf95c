"""PAD and PADV2: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
def test_padding(element: str) -> None:
    """Borders on each axis, of the zero point and of a given value."""
    model = TFLiteModel()
    zero = -7 if element == "int8" else 0
    for number, (shape, borders) in enumerate(
        [
            ((1, 3, 4, 2), [(0, 0), (1, 2), (2, 1), (0, 0)]),
            ((2, 3), [(0, 0), (0, 3)]),
            ((2, 2, 2), [(1, 0), (0, 1), (2, 2)]),
            ((5,), [(2, 3)]),
            ((1, 4, 4, 3), [(0, 0), (0, 0), (1, 1), (0, 1)]),
        ]
    ):
        x = model.input(shape, element, 0.1, zero)
        wide = tuple(n + sum(pair) for n, pair in zip(shape, borders, strict=True))
        model.output(model.unary("PAD", [x, model.constant(borders)], wide, element, 0.1, zero))
        value = model.constant([(-128, 99, 0, -1, 5)[number]], element, 0.1, zero)
        model.output(model.unary("PADV2", [x, model.constant(borders), value], wide, element, 0.1, zero))
    assert_all_equal(model)
