"""CONCATENATION: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
def test_concatenation(element: str) -> None:
    """Along each axis, with constants among the parts, and a value beside itself."""
    chance = np.random.default_rng(8)
    model = TFLiteModel()
    for axis in (0, 1, -1):
        shapes = [[2, 3, 4], [2, 3, 4], [2, 3, 4]]
        shapes[1][axis], shapes[2][axis] = 1, 5
        a, b = model.input(shapes[0], element), model.input(shapes[1], element)
        constant = model.constant(chance.integers(-100, 100, shapes[2]), element, 0.1)
        whole = list(shapes[0])
        whole[axis] += 1 + 5 + whole[axis]
        y = model.tensor(whole, element)
        model.operator("CONCATENATION", [a, b, constant, a], [y], axis=axis)
        model.output(y)
    assert_all_equal(model)
