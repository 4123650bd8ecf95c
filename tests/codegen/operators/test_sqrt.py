"""SQRT: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import ZEROS, quantisations
from tests.codegen.tflite_models import TFLiteModel


def test_sqrt() -> None:
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations("int8", 8, 10)):
        x = model.input((1, 256), "int8", scale, zero)
        top = np.sqrt(scale * max(127 - zero, 1))
        model.output(
            model.unary("SQRT", [x], (1, 256), "int8", float(top / (60, 128, 255, 400)[number % 4]), ZEROS[number // 2])
        )
    assert_all_equal(model, count=8, positive=True)  # LiteRT refuses to run on others
