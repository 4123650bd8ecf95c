"""Element-wise operators: LiteRT BUILTIN_REF == NumPy reference == optimised graph == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal, load
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError

ZEROS = (-128, -3, 0, 127)
SHAPES = ((1, 5), (2, 3, 4))


def quantisations(element: str, count: int, seed: int) -> list[tuple[float, int]]:
    """(scale, zero point) drawn over four decades; int16 has no zero point."""
    chance = np.random.default_rng(seed)
    scales = np.exp(chance.uniform(np.log(1e-3), np.log(2.0), count))
    if element == "int16":
        return [(float(s) / 256, 0) for s in scales]
    return [(float(s), int(chance.choice(ZEROS))) for s in scales]


def add_two_operands(model: TFLiteModel, kind: str, element: str) -> None:
    """Random scales, every fused activation, broadcasting in both directions, constants on either side."""
    chance = np.random.default_rng(7)
    shapes = [((1, 5), (1, 5)), ((2, 3, 4), (1, 3, 1)), ((1, 4), (3, 1)), ((4,), (2, 4)), ((1, 2, 3, 4), (4,))]
    q = iter(quantisations(element, 200, 1))
    for number in range(14):
        a_shape, b_shape = shapes[number % len(shapes)]
        sides = [(a_shape, *next(q)), (b_shape, *next(q))]
        operands = []
        for side, (shape, scale, zero) in enumerate(sides):
            if number % 5 == 3 + side:
                low, high = (-128, 128) if element == "int8" else (-32768, 32768)
                operands.append(model.constant(chance.integers(low, high, shape), element, scale, zero))
            else:
                operands.append(model.input(shape, element, scale, zero))
        scale_y, zero_y = next(q)
        if kind == "MUL":  # products fill the output's range
            scale_y = float(sides[0][1] * sides[1][1] * (64 if element == "int8" else 8192) * chance.uniform(0.1, 4))
        else:
            scale_y = float(max(sides[0][1], sides[1][1]) * chance.uniform(0.2, 3))
        shape = np.broadcast_shapes(a_shape, b_shape)
        y = model.tensor(shape, element, scale_y, zero_y)
        options = {"potScaleInt16": False} if kind != "MUL" else {}
        model.operator(kind, operands, [y], fusedActivationFunction=number % 4, **options)
        model.output(y)


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
def test_two_operands(kind: str, element: str) -> None:
    model = TFLiteModel()
    add_two_operands(model, kind, element)
    assert_all_equal(model)


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


def add_function(model: TFLiteModel, kind: str, element: str, values: int) -> None:
    """A function at six scales on many values at once."""
    chance = np.random.default_rng(17)
    for scale, zero in quantisations(element, 6, 23):
        if element == "int16":
            scale *= 4
        if kind == "RSQRT" and element == "int8":
            zero = -128  # LiteRT refuses values below zero
        if kind in {"LOGISTIC", "TANH"}:
            fixed = {"int8": (1 / 256, -128) if kind == "LOGISTIC" else (1 / 128, 0), "int16": (2.0**-15, 0)}[element]
            scale_y, zero_y = fixed
        else:
            top = {"EXP": np.exp(min(scale * 127, 9.0)), "LOG": 3.0, "RSQRT": 1 / np.sqrt(scale * 9)}[kind]
            scale_y = float(top / (128 if element == "int8" else 32768) * chance.uniform(0.5, 2))
            zero_y = 0 if element == "int16" else int(chance.choice(ZEROS))
        x = model.input((1, values), element, scale, zero)
        model.output(model.unary(kind, [x], (1, values), element, scale_y, zero_y))


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["EXP", "LOG", "RSQRT", "LOGISTIC", "TANH"])
def test_functions(kind: str, element: str) -> None:
    """So many random inputs that each entry of a table and each part of its interpolation is seen."""
    model = TFLiteModel()
    add_function(model, kind, element, 256 if element == "int8" else 4096)
    positive = kind == "RSQRT"  # LiteRT refuses to run on other values
    assert_all_equal(model, count=12 if element == "int16" else 6, positive=positive)


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("kind", ["MAXIMUM", "MINIMUM"])
def test_extremes(kind: str, element: str) -> None:
    model = TFLiteModel()
    for (scale, zero), shapes in zip(
        quantisations(element, 3, 5), [((1, 5), (1, 5)), ((2, 3, 4), (4,)), ((3, 1), (1, 4))], strict=True
    ):
        a, b = (model.input(shape, element, scale, zero) for shape in shapes)
        model.output(model.unary(kind, [a, b], np.broadcast_shapes(*shapes), element, scale, zero))
    assert_all_equal(model)


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_leaky_relu(element: str) -> None:
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations(element, 8, 6)):
        x = model.input((2, 40), element, scale, zero)
        y = model.tensor(
            (2, 40), element, scale * (0.4, 1.0, 1.7, 3.0)[number % 4], 0 if element == "int16" else ZEROS[number % 4]
        )
        model.operator("LEAKY_RELU", [x], [y], alpha=(0.3, 0.01, 0.0, 1.5)[number // 2])
        model.output(y)
    assert_all_equal(model)


def test_prelu() -> None:
    model = TFLiteModel()
    chance = np.random.default_rng(2)
    for number, (scale, zero) in enumerate(quantisations("int8", 8, 7)):
        x = model.input((1, 3, 2, 5), "int8", scale, zero)
        alpha = model.constant(chance.integers(-128, 128, (1, 1, 5)), "int8", 0.01, ZEROS[number % 4])
        model.output(
            model.unary("PRELU", [x, alpha], (1, 3, 2, 5), "int8", scale * (0.4, 1.0, 1.7, 3.0)[number // 2], zero // 2)
        )
    assert_all_equal(model)


def test_squared_difference() -> None:
    model = TFLiteModel()
    q = quantisations("int8", 16, 8)
    for number in range(8):
        (sa, za), (sb, zb) = q[2 * number], q[2 * number + 1]
        a, b = model.input((3, 40), "int8", sa, za), model.input((1, 40), "int8", sb, zb)
        scale = max(sa, sb) ** 2 * (30.0, 100.0, 255.0, 400.0)[number % 4]
        model.output(model.unary("SQUARED_DIFFERENCE", [a, b], (3, 40), "int8", scale, ZEROS[number % 4]))
    assert_all_equal(model)


def test_hard_swish() -> None:
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations("int8", 16, 9)):
        x = model.input((1, 256), "int8", scale, zero)
        model.output(
            model.unary(
                "HARD_SWISH", [x], (1, 256), "int8", scale * (0.3, 0.5, 1.0, 2.0)[number % 4], ZEROS[number // 4]
            )
        )
    assert_all_equal(model, count=8)


def test_sqrt() -> None:
    model = TFLiteModel()
    for number, (scale, zero) in enumerate(quantisations("int8", 8, 10)):
        x = model.input((1, 256), "int8", scale, zero)
        top = np.sqrt(scale * max(127 - zero, 1))
        model.output(
            model.unary("SQRT", [x], (1, 256), "int8", float(top / (60, 128, 255, 400)[number % 4]), ZEROS[number // 2])
        )
    assert_all_equal(model, count=8, positive=True)  # LiteRT refuses to run on others
