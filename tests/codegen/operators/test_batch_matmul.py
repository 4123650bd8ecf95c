"""BATCH_MATMUL: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import (
    ELEMENTS,
    add_batch_matmul,
)
from tests.codegen.tflite_models import TFLiteModel


@pytest.mark.parametrize("element", ELEMENTS)
def test_batch_matmul(element: str) -> None:
    model = TFLiteModel()
    add_batch_matmul(model, element, np.random.default_rng(6))
    assert_all_equal(model)


@pytest.mark.parametrize("element", ELEMENTS)
def test_products_of_batches(element: str) -> None:
    """Batches broadcast in both directions, both operands transposed or constant, zero points apart."""
    model, chance = TFLiteModel(), np.random.default_rng(6)

    def zero() -> int:
        return int(chance.integers(-128, 128)) if element == "int8" else 0

    low, high = (-128, 128) if element == "int8" else (-32768, 32768)
    shapes = [
        ((2, 3, 4), (2, 4, 5)), ((3, 4), (2, 4, 5)), ((2, 1, 3, 4), (3, 4, 2)), ((1, 3, 6), (6, 1)), ((1, 5), (5, 3)),
    ]  # fmt: skip
    for number, (a_shape, b_shape) in enumerate(shapes):
        for adj_x, adj_y in ((False, False), (True, False), (False, True), (True, True)):
            operands = []
            for side, (shape, adjoint) in enumerate(((a_shape, adj_x), (b_shape, adj_y))):
                given = (*shape[:-2], shape[-1], shape[-2]) if adjoint else shape
                if (number + side) % 3 == 2 and side == 1:
                    operands.append(model.constant(chance.integers(low, high, given), element, 0.02, zero()))
                else:
                    operands.append(model.input(given, element, 0.02, zero()))
            result = (*np.broadcast_shapes(a_shape[:-2], b_shape[:-2]), a_shape[-2], b_shape[-1])
            scale = 0.12 if element == "int8" else 5.0
            model.output(model.unary("BATCH_MATMUL", operands, result, element, scale, zero(), adjX=adj_x, adjY=adj_y))
    assert_all_equal(model, count=5)
