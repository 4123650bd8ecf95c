"""PACK: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
def test_pack(element: str) -> None:
    model = TFLiteModel()
    x = model.input((2, 3, 4), element)
    for axis in (0, 1, -1):
        shape = [2, 3, 4]
        shape.insert(axis if axis >= 0 else 3, 3)
        other = model.constant(np.arange(24).reshape(2, 3, 4), element, 0.1)
        y = model.tensor(shape, element)
        model.operator("PACK", [x, other, x], [y], axis=axis, valuesCount=3)
        model.output(y)
    assert_all_equal(model)
