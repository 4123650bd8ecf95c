"""MIRROR_PAD and RESIZE_NEAREST_NEIGHBOR: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.operators.move_models import Case, check_moves, check_refused, check_resizing
from tests.codegen.operators.product_models import (
    ELEMENTS,
)

CASES: list[Case] = [
    ("MIRROR_PAD", (2, 3, 4), ([[1, 0], [2, 1], [0, 0]],), {"mode": 0}, (3, 6, 4)),
    ("MIRROR_PAD", (2, 3), ([[2, 1], [3, 2]],), {"mode": 1}, (5, 8)),
]


@pytest.mark.parametrize("element", ELEMENTS)
def test_moves(element: str) -> None:
    check_moves(CASES, element)


@pytest.mark.parametrize("element", ELEMENTS)
def test_resizing(element: str) -> None:
    check_resizing("RESIZE_NEAREST_NEIGHBOR", element)


def test_borders_that_do_not_fit_are_refused() -> None:
    check_refused("MIRROR_PAD", [[[0, 3], [0, 0]]], {"mode": 0}, "borders")
