"""ADD and SUB: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import add_two_operands
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["ADD", "SUB"])
def test_two_operands(kind: str, element: str) -> None:
    model = TFLiteModel()
    add_two_operands(model, kind, element)
    assert_all_equal(model)
