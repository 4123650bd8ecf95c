"""MUL: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import add_large_factors, add_two_operands
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_two_operands(element: str) -> None:
    model = TFLiteModel()
    add_two_operands(model, "MUL", element)
    assert_all_equal(model)


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_factors_of_one_and_more(element: str) -> None:
    model = TFLiteModel()
    add_large_factors(model, element)
    assert_all_equal(model)
