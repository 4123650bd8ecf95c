"""ABS, NEG, RELU and its relatives, QUANTIZE, CAST, RSQRT of int8: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.operators.element_wise_models import SHAPES, ZEROS, add_function, quantisations
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["ABS", "RELU", "RELU6", "RELU_N1_TO_1", "QUANTIZE", "NEG"])
def test_one_operand(kind: str, element: str) -> None:
    if kind == "RELU_N1_TO_1" and element == "int16":
        pytest.skip("LiteRT has it in int8 only")
    model = TFLiteModel()
    chance = np.random.default_rng(3)
    for number, (scale, zero) in enumerate(quantisations(element, 12, 5)):
        scale_y, zero_y = float(scale * chance.uniform(0.2, 4)), 0 if element == "int16" else int(chance.choice(ZEROS))
        if kind == "NEG":
            scale_y, zero = scale, 0 if element == "int16" else int(chance.integers(-127, 128))
            zero_y = -zero
        x = model.input(SHAPES[number % 2], element, scale, zero)
        model.output(model.unary(kind, [x], SHAPES[number % 2], element, scale_y, zero_y))
    assert_all_equal(model)


@pytest.mark.parametrize(("source", "target"), [("int8", "int16"), ("int16", "int8")])
def test_quantize_between_element_types(source: str, target: str) -> None:
    model = TFLiteModel()
    pairs = zip(quantisations(source, 8, 11), quantisations(target, 8, 12), strict=True)
    for (scale, zero), (scale_y, zero_y) in pairs:
        x = model.input((3, 5), source, scale, zero)
        model.output(model.unary("QUANTIZE", [x], (3, 5), target, scale_y, zero_y))
    assert_all_equal(model, with_litert=source == "int16")  # LiteRT 2.1 has no QUANTIZE from int8 to int16


def test_int8_is_cast_to_int16() -> None:
    """Where the widths of a file meet; the scale stays."""
    model = TFLiteModel()
    for scale in (0.01, 0.5):
        x = model.input((3, 5), "int8", scale, 0)
        model.output(model.unary("CAST", [x], (3, 5), "int16", scale, 0, inDataType=9, outDataType=7))
    assert_all_equal(model)


def test_a_cast_that_changes_values_is_refused() -> None:
    for zero, scale_y, target in ((3, 0.1, "int16"), (0, 0.2, "int16"), (0, 0.1, "int32")):
        model = TFLiteModel()
        x = model.input((3, 5), "int8", 0.1, zero)
        model.output(model.unary("CAST", [x], (3, 5), target, scale_y, 0))
        with pytest.raises(CompileError, match="CAST of"):
            load(model)


@pytest.mark.parametrize(("kind", "element"), [("RSQRT", "int8")])
def test_functions(kind: str, element: str) -> None:
    """So many random inputs that each entry of a table and each part of its interpolation is seen."""
    model = TFLiteModel()
    add_function(model, kind, element, 256 if element == "int8" else 4096)
    positive = kind == "RSQRT"  # LiteRT refuses to run on other values
    assert_all_equal(model, count=12 if element == "int16" else 6, positive=positive)


def test_relu_0_to_1() -> None:
    model = TFLiteModel()
    for scale, zero in quantisations("int8", 8, 3):
        x = model.input((1, 300), "int8", scale, zero)
        model.output(model.unary("RELU_0_TO_1", [x], (1, 300), "int8", scale * 0.7, -zero if zero > -128 else 0))
    assert_all_equal(model)
