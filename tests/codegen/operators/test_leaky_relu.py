"""LEAKY_RELU and PRELU: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import ZEROS, quantisations
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_leaky_relu(element: str) -> None:
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations(element, 8, 6)):
        x = model.input((2, 40), element, scale, zero)
        y = model.tensor(
            (2, 40), element, scale * (0.4, 1.0, 1.7, 3.0)[number % 4], 0 if element == "int16" else ZEROS[number % 4]
        )
        model.operator("LEAKY_RELU", [x], [y], alpha=(0.3, 0.01, 0.0, 1.5)[number // 2])
        model.output(y)
    assert_all_equal(model)


def test_prelu() -> None:
    model = TFLiteModel()
    chance = np.random.default_rng(2)
    for number, (scale, zero) in enumerate(quantisations("int8", 8, 7)):
        x = model.input((1, 3, 2, 5), "int8", scale, zero)
        alpha = model.constant(chance.integers(-128, 128, (1, 1, 5)), "int8", 0.01, ZEROS[number % 4])
        model.output(
            model.unary("PRELU", [x, alpha], (1, 3, 2, 5), "int8", scale * (0.4, 1.0, 1.7, 3.0)[number // 2], zero // 2)
        )
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_parametric_relu(element: str) -> None:
    model, chance = TFLiteModel(), np.random.default_rng(4)
    for scale, zero in quantisations(element, 4, 8):
        x = model.input((1, 4, 5), element, scale, zero)
        alpha = model.constant(chance.integers(-128, 128, (1, 1, 5)), "int8", 0.01, 5)
        model.output(model.unary("PRELU", [x, alpha], (1, 4, 5), element, scale * 0.8, 3 if element == "int8" else 0))
    assert_all_equal(model)
