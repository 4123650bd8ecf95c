"""SQUARED_DIFFERENCE: LiteRT == NumPy == generated C, byte for byte."""

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import ZEROS, quantisations
from tests.codegen.tflite_models import TFLiteModel


def test_squared_difference() -> None:
    model = TFLiteModel()
    q = quantisations("int8", 16, 8)
    for number in range(8):
        (sa, za), (sb, zb) = q[2 * number], q[2 * number + 1]
        a, b = model.input((3, 40), "int8", sa, za), model.input((1, 40), "int8", sb, zb)
        scale = max(sa, sb) ** 2 * (30.0, 100.0, 255.0, 400.0)[number % 4]
        model.output(model.unary("SQUARED_DIFFERENCE", [a, b], (3, 40), "int8", scale, ZEROS[number % 4]))
    assert_all_equal(model)
