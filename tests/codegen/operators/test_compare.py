"""Comparisons, logic and SELECT: LiteRT == NumPy == generated C, byte for byte."""

import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.operators.element_wise_models import quantisations
from tests.codegen.operators.product_models import (
    ELEMENTS,
)
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.passes import optimise


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", ["EQUAL", "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"])
def test_comparisons_choose(kind: str, element: str) -> None:
    if element == "int16" and kind not in ("EQUAL", "NOT_EQUAL"):
        pytest.skip("LiteRT orders int8 only")
    model = TFLiteModel()
    pairs = zip(quantisations(element, 4, 1), quantisations(element, 4, 2), strict=True)
    for (scale, zero), (other, other_zero) in pairs:
        a = model.input((2, 60), element, min(scale, 0.9), zero)
        b = model.input((60,), element, min(other, 0.9), other_zero)
        flag = model.tensor((2, 60), "bool", None)
        model.operator(kind, [a, b], [flag])
        other_flag = model.tensor((2, 60), "bool", None)
        model.operator("LOGICAL_NOT", [flag], [other_flag])
        same = [model.tensor((2, 60), "bool", None) for _ in range(2)]
        model.operator("LOGICAL_OR", [flag, other_flag], [same[0]])
        model.operator("LOGICAL_AND", [same[0], flag], [same[1]])
        y = model.input((2, 60), element, 0.1)
        model.output(model.unary("SELECT_V2", [same[1], y, a], (2, 60), element, 0.1))
        model.output(model.unary("SELECT", [flag, a, y], (2, 60), element, 0.1))
    assert_all_equal(model)


def test_a_choice_of_one_value_becomes_a_table() -> None:
    """SELU as Keras writes it: where(x > 0, a x, b (exp(x) - 1))."""
    model = TFLiteModel()
    x = model.input((1, 40), scale=0.05, zero=3)
    flag = model.tensor((1, 40), "bool", None)
    model.operator("GREATER", [x, model.constant([-3], "int8", 0.1, -3)], [flag])
    e = model.unary("EXP", [x], (1, 40), "int8", 0.02, -100)
    model.output(model.unary("SELECT_V2", [flag, x, e], (1, 40), "int8", 0.05))
    optimised, notes = optimise(assert_all_equal(model))
    assert any("GREATER" in note and "one table of 256 entries" in note for note in notes)
    assert [op.kind for op in optimised.operators] == ["LOOP"]


def test_what_litert_compares_is_below_one() -> None:
    model = TFLiteModel()
    flag = model.tensor((1, 4), "bool", None)
    model.operator("GREATER", [model.input((1, 4), scale=1.5), model.input((1, 4))], [flag])
    model.output(flag)
    with pytest.raises(CompileError, match=r"compares below 1"):
        load(model)
