"""LOGISTIC and TANH of int16: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import add_function
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize(("kind", "element"), [("LOGISTIC", "int16"), ("TANH", "int16")])
def test_functions(kind: str, element: str) -> None:
    """So many random inputs that each entry of a table and each part of its interpolation is seen."""
    model = TFLiteModel()
    add_function(model, kind, element, 256 if element == "int8" else 4096)
    positive = kind == "RSQRT"  # LiteRT refuses to run on other values
    assert_all_equal(model, count=12 if element == "int16" else 6, positive=positive)
