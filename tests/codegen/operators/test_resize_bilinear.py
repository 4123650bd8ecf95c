"""RESIZE_BILINEAR: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.operators.move_models import check_resizing
from tests.codegen.operators.product_models import (
    ELEMENTS,
)


@pytest.mark.parametrize("element", ELEMENTS)
def test_resizing(element: str) -> None:
    check_resizing("RESIZE_BILINEAR", element)
