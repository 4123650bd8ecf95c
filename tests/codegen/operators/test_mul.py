"""MUL: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import add_two_operands
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_two_operands(element: str) -> None:
    model = TFLiteModel()
    add_two_operands(model, "MUL", element)
    assert_all_equal(model)


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_factors_of_one_and_more(element: str) -> None:
    """A product that leaves 32 bits when it is shifted left loses its upper bits, as in LiteRT."""
    model = TFLiteModel()
    for number, factor in enumerate([0.5, 0.999, 1.0, 1.5, 4.27, 300.0]):
        operands = [model.input((1, 40), element, 0.5, 0 if element == "int16" else -7 * number) for _ in range(2)]
        if number % 2:
            operands[1] = model.unary(
                "LOGISTIC",
                operands[1:],
                (1, 40),
                element,
                2.0 ** (-8 if element == "int8" else -15),
                -128 * (element == "int8"),
            )
        scales = [float(model.graph.tensors[t].quantization.scale[0]) for t in operands]
        y = model.tensor((1, 40), element, scales[0] * scales[1] / factor, 0 if element == "int16" else 5)
        model.operator("MUL", operands, [y])
        model.output(y)
    assert_all_equal(model)
