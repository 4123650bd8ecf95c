"""Operators that put elements elsewhere: models of one operator after the other, and what is refused."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError

Case = tuple[str, Sequence[int], Sequence[Any], dict[str, Any], Sequence[int]]
"""Kind, input shape, constant operands, options, output shape."""
INT8_IN_LITERT = ("DEPTH_TO_SPACE", "SPACE_TO_DEPTH", "TILE")


def check_moves(cases: Sequence[Case], element: str) -> None:
    """Each case at zero points of the extremes, against LiteRT."""
    for zero in (-128, 0, 77) if element == "int8" else (0,):
        model = TFLiteModel()
        for kind, shape, constants, options, result in cases:
            if element == "int16" and kind in INT8_IN_LITERT:
                continue
            x = model.input(shape, element, 0.05, zero)
            operands = [x, *(model.constant(np.array(c, np.int32)) for c in constants)]
            model.output(model.unary(kind, operands, result, element, 0.05, zero, **options))
        assert_all_equal(model)


def check_resizing(kind: str, element: str) -> None:
    """Larger, smaller and of one pixel, with aligned corners and half-pixel centres."""
    model = TFLiteModel()
    for shape, size in (((1, 3, 4, 2), (6, 8)), ((1, 5, 3, 3), (7, 2)), ((1, 1, 2, 1), (4, 5)), ((1, 6, 6, 1), (3, 3))):
        x = model.input(shape, element, 0.02, 5 if element == "int8" else 0)
        for align, half in ((False, False), (True, False), (False, True)):
            result = (1, *size, shape[3])
            operands = [x, model.constant(np.array(size, np.int32))]
            zero = 5 if element == "int8" else 0
            options = {"alignCorners": align, "halfPixelCenters": half}
            model.output(model.unary(kind, operands, result, element, 0.02, zero, **options))
    assert_all_equal(model, count=12)


def check_refused(kind: str, constants: Sequence[Any], options: dict[str, Any], words: str) -> None:
    """Operands that do not fit an input of 2 x 3."""
    model = TFLiteModel()
    operands = [model.input((2, 3)), *(model.constant(np.array(c, np.int32)) for c in constants)]
    model.output(model.unary(kind, operands, (2, 3), "int8", 0.1, **options))
    with pytest.raises(CompileError, match=words):
        load(model)
