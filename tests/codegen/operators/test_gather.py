"""GATHER: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
def test_gather(element: str) -> None:
    model = TFLiteModel()
    x = model.input((2, 3, 4), element)
    for axis, indices in [(0, [1]), (1, [2, 0, 0, 1]), (2, [[3, 1], [0, 0]])]:
        shape = (*(2, 3, 4)[:axis], *np.shape(indices), *(2, 3, 4)[axis + 1 :])
        y = model.tensor(shape, element)
        model.operator("GATHER", [x, model.constant(indices)], [y], axis=axis)
        model.output(y)
    assert_all_equal(model)
