"""DEPTHWISE_CONV_2D: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.operators.product_models import (
    ELEMENTS,
    add_depthwise,
    narrow_biases,
)
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError


@pytest.mark.parametrize("element", ELEMENTS)
def test_depthwise_conv_2d(element: str) -> None:
    model = TFLiteModel()
    add_depthwise(model, element, np.random.default_rng(4))
    assert_all_equal(model)


def test_biases_of_32_bits_that_nobody_takes() -> None:
    model = TFLiteModel()
    add_depthwise(model, "int16", np.random.default_rng(3))
    with pytest.raises(CompileError, match="is int32: int16 convolutions take int64"):
        load(narrow_biases(model, 0))
