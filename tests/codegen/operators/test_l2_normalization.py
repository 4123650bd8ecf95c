"""L2_NORMALIZATION: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np

from tests.codegen.equality import assert_all_equal
from tests.codegen.tflite_models import TFLiteModel


def test_rows_of_length_one() -> None:
    """From rows of real zero and of a single one, which need their own exponent, to long rows of extremes."""
    model = TFLiteModel()
    for depth, zero in ((1, 0), (3, -128), (4, 127), (17, 5), (300, -128), (2000, 0)):
        x = model.input((1, 3, depth), "int8", 0.03, zero)
        model.output(model.unary("L2_NORMALIZATION", [x], (1, 3, depth), "int8", 1 / 128))
    assert_all_equal(model, count=8)
    small = TFLiteModel()
    ones = np.eye(4, dtype=np.int8)[None]
    x = small.unary("MINIMUM", [small.input((1, 4, 4)), small.constant(ones, "int8", 0.1)], (1, 4, 4), "int8", 0.1)
    x = small.unary("MAXIMUM", [x, small.constant(np.zeros((1, 4, 4)), "int8", 0.1)], (1, 4, 4), "int8", 0.1)
    small.output(small.unary("L2_NORMALIZATION", [x], (1, 4, 4), "int8", 1 / 128))
    assert_all_equal(small)
