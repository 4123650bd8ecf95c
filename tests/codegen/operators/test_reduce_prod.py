"""REDUCE_PROD: LiteRT BUILTIN_REF == NumPy == optimised == C, products that leave 32 bits among them."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError

CASES = [
    # shape, axes, keep, scale of the input, of the result
    ((2, 5), [1], False, 0.02, 0.03),
    ((3, 4, 2), [0, 2], True, 0.02, 0.001),
    ((1, 6), [-1], True, 0.05, 5.0),
    ((2, 3), [1, 0], False, 0.01, 1e-4),
    ((4,), [0], False, 0.3, 2.0),
    ((2, 1, 3), [1], False, 0.1, 0.1),
    ((1, 12), [1], False, 3.0, 0.5),  # wraps around
]


def product(shape: tuple[int, ...], axes: list[int], keep: bool, sx: float, sy: float, element: str) -> TFLiteModel:
    model, narrow = TFLiteModel(), element == "int8"
    gone = {a % len(shape) for a in axes}
    result = tuple(1 if i in gone else n for i, n in enumerate(shape) if keep or i not in gone)
    x = model.input(shape, element, sx if narrow else sx / 200, -7 if narrow else 0)
    y = model.tensor(result, element, sy if narrow else sy / 200, 11 if narrow else 0)
    model.operator("REDUCE_PROD", [x, model.constant(axes)], [y], keepDims=keep)
    model.output(y)
    return model


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_reduce_prod(case: tuple, element: str) -> None:
    assert_all_equal(product(*case, element), count=8)


def test_scales_too_far_apart_are_refused() -> None:
    with pytest.raises(CompileError, match="too far apart"):
        load(product((1, 2), [1], False, 1e9, 1e-9, "int8"))


def test_computed_axes_are_refused() -> None:
    model = TFLiteModel()
    x, axes = model.input((1, 3)), model.input((1,), "int32")
    model.output(model.unary("REDUCE_PROD", [x, axes], (1,), "int8", 0.1))
    with pytest.raises(CompileError, match="are computed"):
        load(model)


def test_a_product_of_sizes_is_folded() -> None:
    """Arithmetic of shapes, as a flexible reshape has it."""
    model = TFLiteModel()
    x = model.input((1, 2, 3))
    sizes = model.tensor((), "int32", None)
    model.operator("REDUCE_PROD", [model.constant(np.array([2, 3])), model.constant([0])], [sizes])
    shape = model.tensor((2,), "int32", None)
    model.operator("PACK", [model.constant(np.array(1)), sizes], [shape], valuesCount=2)
    model.output(model.unary("RESHAPE", [x, shape], (1, 6), "int8", 0.1))
    assert [op.kind for op in load(model).operators] == ["RESHAPE"]
