"""Operators that put elements elsewhere, as strided views: LiteRT == NumPy == generated C, byte for byte."""

from typing import Any

import pytest

from tests.codegen.operators.move_models import Case, check_moves, check_refused
from tests.codegen.operators.product_models import (
    ELEMENTS,
)

CASES: list[Case] = [
    ("TILE", (2, 3), ([2, 3],), {}, (4, 9)),
    ("TILE", (1, 3, 1, 2), ([1, 1, 4, 1],), {}, (1, 3, 4, 2)),
    ("BROADCAST_TO", (3, 1), ([2, 3, 4],), {}, (2, 3, 4)),
    ("REVERSE_V2", (2, 3, 4), ([1],), {}, (2, 3, 4)),
    ("REVERSE_V2", (2, 3, 4), ([2],), {}, (2, 3, 4)),
    ("DEPTH_TO_SPACE", (1, 2, 3, 8), (), {"blockSize": 2}, (1, 4, 6, 2)),
    ("SPACE_TO_DEPTH", (1, 4, 6, 3), (), {"blockSize": 2}, (1, 2, 3, 12)),
    ("SPACE_TO_BATCH_ND", (1, 5, 4, 3), ([2, 3], [[1, 0], [1, 1]]), {}, (6, 3, 2, 3)),
    ("SPACE_TO_BATCH_ND", (2, 6, 3), ([3], [[0, 0]]), {}, (6, 2, 3)),
    ("BATCH_TO_SPACE_ND", (6, 3, 2, 3), ([2, 3], [[1, 0], [1, 1]]), {}, (1, 5, 4, 3)),
    ("BATCH_TO_SPACE_ND", (4, 2, 2, 1), ([2, 2], [[0, 0], [0, 0]]), {}, (1, 4, 4, 1)),
]


@pytest.mark.parametrize("element", ELEMENTS)
def test_moves(element: str) -> None:
    check_moves(CASES, element)


@pytest.mark.parametrize(("kind", "constants"), [("TILE", [[2]]), ("REVERSE_V2", [[5]]), ("BROADCAST_TO", [[2, 4]])])
def test_what_does_not_fit_is_refused(kind: str, constants: list[Any]) -> None:
    check_refused(kind, constants, {}, "do not fit")
