"""TRANSPOSE_CONV: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.operators.product_models import (
    ELEMENTS,
    add_transpose_convolutions,
    check_narrow_biases,
    narrow_biases,
    wide_transpose_conv,
)
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError


@pytest.mark.parametrize("element", ELEMENTS)
def test_transpose_conv(element: str) -> None:
    model = TFLiteModel()
    add_transpose_convolutions(model, element, np.random.default_rng(10))
    assert_all_equal(model)


@pytest.mark.parametrize("bias", [None, "int64"])
def test_biases_of_32_bits_under_int16(bias: str | None) -> None:
    check_narrow_biases(wide_transpose_conv(bias))


def test_biases_of_32_bits_that_nobody_takes() -> None:
    model = wide_transpose_conv("int64")
    with pytest.raises(CompileError, match="is int32: int16 convolutions take int64"):
        load(narrow_biases(model, 0))
