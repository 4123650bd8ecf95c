"""Operators of a wider kind: LiteRT BUILTIN_REF == NumPy == C. Reductions to extremes, choices, tables, products."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.test_operators_element_wise import quantisations
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.passes import optimise

ELEMENTS = ("int8", "int16")


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", ["REDUCE_MAX", "REDUCE_MIN"])
def test_extremes_over_axes(kind: str, element: str) -> None:
    model = TFLiteModel()
    for axes in ([1], [-1], [0, 2], [1, 2], [0, 1, 2, 3]):
        x = model.input((2, 3, 4, 2), element, 0.02, 9 if element == "int8" else 0)
        kept = tuple(1 if i in [a % 4 for a in axes] else n for i, n in enumerate((2, 3, 4, 2)))
        operands = [x, model.constant(np.array(axes, np.int32))]
        model.output(model.unary(kind, operands, kept, element, 0.02, 9 if element == "int8" else 0, keepDims=True))
    assert_all_equal(model)


FUNCTIONS = [("ELU", "int8"), ("GELU", "int8"), ("GELU", "int16"), ("RELU_0_TO_1", "int8")]


@pytest.mark.parametrize(("kind", "element"), FUNCTIONS)
def test_functions(kind: str, element: str) -> None:
    """ELU is not among LiteRT's reference kernels; its ordinary one reads the same table."""
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations(element, 8, 3)):
        x = model.input((1, 300), element, scale, zero)
        options = {"approximate": bool(number % 2)} if kind == "GELU" else {}
        model.output(model.unary(kind, [x], (1, 300), element, scale * 0.7, -zero if zero > -128 else 0, **options))
    assert_all_equal(model, resolver="BUILTIN" if kind == "ELU" else "BUILTIN_REF")


@pytest.mark.parametrize("element", ELEMENTS)
def test_parametric_relu(element: str) -> None:
    model, chance = TFLiteModel(), np.random.default_rng(4)
    for scale, zero in quantisations(element, 4, 8):
        x = model.input((1, 4, 5), element, scale, zero)
        alpha = model.constant(chance.integers(-128, 128, (1, 1, 5)), "int8", 0.01, 5)
        model.output(model.unary("PRELU", [x, alpha], (1, 4, 5), element, scale * 0.8, 3 if element == "int8" else 0))
    assert_all_equal(model)


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


def test_rows_of_length_one() -> None:
    """From rows of real zero and of a single one, which need their own exponent, to long rows of extremes."""
    model = TFLiteModel()
    for depth, zero in ((1, 0), (3, -128), (4, 127), (17, 5), (300, -128), (2000, 0)):
        x = model.input((1, 3, depth), "int8", 0.03, zero)
        model.output(model.unary("L2_NORMALIZATION", [x], (1, 3, depth), "int8", 1 / 128))
    assert_all_equal(model, count=8)
    small = TFLiteModel()
    ones = np.eye(4, dtype=np.int8)[None]
    x = small.unary("MINIMUM", [small.input((1, 4, 4)), small.constant(ones, "int8", 0.1)], (1, 4, 4), "int8", 0.1)
    x = small.unary("MAXIMUM", [x, small.constant(np.zeros((1, 4, 4)), "int8", 0.1)], (1, 4, 4), "int8", 0.1)
    small.output(small.unary("L2_NORMALIZATION", [x], (1, 4, 4), "int8", 1 / 128))
    assert_all_equal(small)


def test_what_litert_compares_is_below_one() -> None:
    model = TFLiteModel()
    flag = model.tensor((1, 4), "bool", None)
    model.operator("GREATER", [model.input((1, 4), scale=1.5), model.input((1, 4))], [flag])
    model.output(flag)
    with pytest.raises(CompileError, match=r"compares below 1"):
        load(model)
