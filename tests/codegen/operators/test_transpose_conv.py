"""TRANSPOSE_CONV: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.operators.product_models import (
    ELEMENTS,
    bias_of,
    check_narrow_biases,
    narrow_biases,
    output_scale,
    output_zero,
    scaled,
    weights_of,
    wide_transpose_conv,
)
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError


@pytest.mark.parametrize("element", ELEMENTS)
def test_transpose_conv(element: str) -> None:
    chance = np.random.default_rng(10)
    model = TFLiteModel()
    for number, (h, w, c, out, kernel, stride, padding, more) in enumerate(
        [
            (3, 3, 2, 3, (3, 3), (2, 2), 0, 0),
            (4, 2, 3, 1, (2, 4), (1, 3), 1, 0),
            (2, 5, 1, 4, (5, 1), (2, 1), 0, 0),
            (3, 3, 4, 2, (1, 1), (1, 1), 1, 0),
            (4, 4, 3, 2, (3, 3), (2, 2), 1, 1),  # what else than the usual size a file says
            (4, 3, 3, 2, (3, 3), (2, 2), 1, 3),
            (4, 4, 3, 2, (3, 3), (2, 2), 1, -2),
            (3, 4, 2, 2, (3, 2), (2, 2), 0, 2),
            (4, 4, 2, 3, (3, 3), (2, 2), 0, -2),
        ]
    ):
        x = scaled(model, (1, h, w, c), element, chance)
        filters, scales = weights_of(model, (out, *kernel, c), out, 0, chance, per_channel=True)
        size = [n * s if padding == 0 else (n - 1) * s + k for n, s, k in zip((h, w), stride, kernel, strict=True)]
        shape = (1, *(n + more for n in size), out)
        scale = output_scale(model, x, scales, kernel[0] * kernel[1] * c, element, chance)
        y = model.tensor(shape, element, scale, output_zero(element, chance))
        operands = [model.constant(shape), filters, x]
        if number % 2 == 0:
            operands.append(bias_of(model, x, scales, out, element, chance))
        model.operator("TRANSPOSE_CONV", operands, [y], padding=padding, strideH=stride[0], strideW=stride[1])
        model.output(y)
    assert_all_equal(model)


@pytest.mark.parametrize("bias", [None, "int64"])
def test_biases_of_32_bits_under_int16(bias: str | None) -> None:
    check_narrow_biases(wide_transpose_conv(bias))


def test_biases_of_32_bits_that_nobody_takes() -> None:
    model = wide_transpose_conv("int64")
    with pytest.raises(CompileError, match="is int32: int16 convolutions take int64"):
        load(narrow_biases(model, 0))
