"""HARD_SWISH: LiteRT == NumPy == generated C, byte for byte."""

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import ZEROS, quantisations
from tests.codegen.tflite_models import TFLiteModel


def test_hard_swish() -> None:
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations("int8", 16, 9)):
        x = model.input((1, 256), "int8", scale, zero)
        model.output(
            model.unary(
                "HARD_SWISH", [x], (1, 256), "int8", scale * (0.3, 0.5, 1.0, 2.0)[number % 4], ZEROS[number // 4]
            )
        )
    assert_all_equal(model, count=8)
