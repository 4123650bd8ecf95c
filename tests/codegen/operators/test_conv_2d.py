"""CONV_2D: LiteRT == NumPy == generated C, byte for byte."""

from pathlib import Path

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
    add_convolutions,
    check_narrow_biases,
    check_undeclared_biases,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
def test_conv_2d(element: str) -> None:
    model = TFLiteModel()
    add_convolutions(model, element, np.random.default_rng(9))
    assert_all_equal(model)


def test_biases_of_32_bits_under_int16() -> None:
    model = TFLiteModel()
    add_convolutions(model, "int16", np.random.default_rng(3))
    check_narrow_biases(model)


def test_biases_of_32_bits_that_are_not_declared(tmp_path: Path) -> None:
    model = TFLiteModel()
    add_convolutions(model, "int16", np.random.default_rng(3))
    check_undeclared_biases(model, tmp_path / "m")
