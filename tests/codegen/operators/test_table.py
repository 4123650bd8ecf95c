"""Functions of one value, by table: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.element_wise_models import add_function, quantisations
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize(
    ("kind", "element"),
    [
        ("EXP", "int8"),
        ("EXP", "int16"),
        ("LOG", "int8"),
        ("LOG", "int16"),
        ("RSQRT", "int16"),
        ("LOGISTIC", "int8"),
        ("TANH", "int8"),
    ],
)
def test_functions(kind: str, element: str) -> None:
    """So many random inputs that each entry of a table and each part of its interpolation is seen."""
    model = TFLiteModel()
    add_function(model, kind, element, 256 if element == "int8" else 4096)
    positive = kind == "RSQRT"  # LiteRT refuses to run on other values
    assert_all_equal(model, count=12 if element == "int16" else 6, positive=positive)


@pytest.mark.parametrize(("kind", "element"), [("ELU", "int8"), ("GELU", "int8"), ("GELU", "int16")])
def test_activations(kind: str, element: str) -> None:
    """ELU is not among LiteRT's reference kernels; its ordinary one reads the same table."""
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations(element, 8, 3)):
        x = model.input((1, 300), element, scale, zero)
        options = {"approximate": bool(number % 2)} if kind == "GELU" else {}
        model.output(model.unary(kind, [x], (1, 300), element, scale * 0.7, -zero if zero > -128 else 0, **options))
    assert_all_equal(model, resolver="BUILTIN" if kind == "ELU" else "BUILTIN_REF")
