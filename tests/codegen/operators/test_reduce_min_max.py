"""REDUCE_MAX and REDUCE_MIN: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", ["REDUCE_MAX", "REDUCE_MIN"])
def test_extremes_over_axes(kind: str, element: str) -> None:
    model = TFLiteModel()
    for axes in ([1], [-1], [0, 2], [1, 2], [0, 1, 2, 3]):
        x = model.input((2, 3, 4, 2), element, 0.02, 9 if element == "int8" else 0)
        kept = tuple(1 if i in [a % 4 for a in axes] else n for i, n in enumerate((2, 3, 4, 2)))
        operands = [x, model.constant(np.array(axes, np.int32))]
        model.output(model.unary(kind, operands, kept, element, 0.02, 9 if element == "int8" else 0, keepDims=True))
    assert_all_equal(model)
