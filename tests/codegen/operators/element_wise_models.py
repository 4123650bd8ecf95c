"""Models of element-wise operators, at random scales and on many values."""

import numpy as np

from tests.codegen.tflite_models import TFLiteModel

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


def add_large_factors(model: TFLiteModel, element: str) -> None:
    """MUL whose products leave 32 bits when they are shifted left: upper bits are lost, as in LiteRT."""
    for number, factor in enumerate([0.5, 0.999, 1.0, 1.5, 4.27, 300.0]):
        operands = [model.input((1, 40), element, 0.5, 0 if element == "int16" else -7 * number) for _ in range(2)]
        if number % 2:
            operands[1] = model.unary(
                "LOGISTIC",
                operands[1:],
                (1, 40),
                element,
                2.0 ** (-8 if element == "int8" else -15),
                -128 * (element == "int8"),
            )
        scales = [float(model.graph.tensors[t].quantization.scale[0]) for t in operands]
        y = model.tensor((1, 40), element, scales[0] * scales[1] / factor, 0 if element == "int16" else 5)
        model.operator("MUL", operands, [y])
        model.output(y)


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
