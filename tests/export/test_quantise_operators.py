"""Each operator's rule against LiteRT: the integer file runs in the reference kernels and stays near the float file."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from tests.codegen.tflite_models import TFLiteModel
from tests.export.litert_runs import every_value, run
from tinyloc.export.flatbuffer import dump, graph, load, scales
from tinyloc.export.quantise import graph as quantiser
from tinyloc.export.quantise.rules import RULES
from tinyloc.export.quantise.widths import Widths

POSITIVE = {"LOG", "RSQRT"}
IMAGE = (1, 4, 6, 3)
SHAPES: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {  # of the input, of the output
    **dict.fromkeys(("AVERAGE_POOL_2D", "MAX_POOL_2D"), (IMAGE, (1, 2, 3, 3))),
    **dict.fromkeys(("MEAN", "REDUCE_MAX", "REDUCE_MIN"), (IMAGE, (1, 3))),
    "RESHAPE": ((2, 6), (3, 4)),
    "TRANSPOSE": ((2, 6), (6, 2)),
    "SLICE": ((2, 6), (2, 3)),
    "STRIDED_SLICE": ((2, 6), (2, 3)),
    "PAD": ((2, 6), (4, 6)),
    "MIRROR_PAD": ((2, 6), (4, 6)),
    "GATHER": ((2, 6), (2, 2)),
    "TILE": ((2, 6), (4, 6)),
    "SQUEEZE": ((1, 6), (6,)),
    "EXPAND_DIMS": ((2, 6), (2, 1, 6)),
    "RESIZE_BILINEAR": (IMAGE, (1, 8, 12, 3)),
    "RESIZE_NEAREST_NEIGHBOR": (IMAGE, (1, 8, 12, 3)),
    "DEPTH_TO_SPACE": ((1, 2, 2, 4), (1, 4, 4, 1)),
    "SPACE_TO_DEPTH": ((1, 4, 4, 1), (1, 2, 2, 4)),
}
PARAMETERS: dict[str, Sequence[Any]] = {
    **{key: [[1, 2]] for key in ("MEAN", "REDUCE_MAX", "REDUCE_MIN")},
    "RESHAPE": [[3, 4]],
    "TRANSPOSE": [[1, 0]],
    "SLICE": [[0, 2], [2, 3]],
    "STRIDED_SLICE": [[0, 0], [2, 6], [1, 2]],
    "PAD": [[[1, 1], [0, 0]]],
    "MIRROR_PAD": [[[1, 1], [0, 0]]],
    "GATHER": [[3, 1]],
    "TILE": [[2, 1]],
    "EXPAND_DIMS": [1],
    "RESIZE_BILINEAR": [[8, 12]],
    "RESIZE_NEAREST_NEIGHBOR": [[8, 12]],
}
POOL = {"padding": 1, "strideW": 2, "strideH": 2, "filterWidth": 2, "filterHeight": 2}
OPTIONS: dict[str, dict[str, Any]] = {
    "AVERAGE_POOL_2D": POOL,
    "MAX_POOL_2D": POOL,
    "GATHER": {"axis": 1},
    "LEAKY_RELU": {"alpha": 0.1},
    "SOFTMAX": {"beta": 1.0},
    "DEPTH_TO_SPACE": {"blockSize": 2},
    "SPACE_TO_DEPTH": {"blockSize": 2},
}
UNARY = sorted(
    {"LOGISTIC", "TANH", "SOFTMAX", "LOG_SOFTMAX", "L2_NORMALIZATION", "ABS", "EXP", "LOG", "RSQRT", "RELU", "RELU6",
     "LEAKY_RELU", "HARD_SWISH", "GELU", "RELU_N1_TO_1", "RELU_0_TO_1"} | SHAPES.keys()
)  # fmt: skip
BINARY = ("ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE")


def assert_near(model: TFLiteModel, inputs: Sequence[Any], widths: str, bound: float) -> Any:
    """Quantise, run both; the error of each output as a share of its largest value. Returns the integer ModelT."""
    content = model.content()
    made = quantiser.quantise(load(content), every_value(content, inputs), Widths({"*": widths}))
    for real, found in zip(run(content, inputs), run(dump(made), inputs), strict=True):
        assert np.abs(real - found).max() <= bound * np.abs(real).max()
    return made


def values(shape: tuple[int, ...], seed: int, positive: bool = False) -> np.ndarray:  # type: ignore[type-arg]
    chance = np.random.default_rng(seed)
    return (chance.uniform(0.3, 3.0, shape) if positive else chance.normal(0, 1.5, shape)).astype(np.float32)


def cases(kinds: Sequence[str]) -> list[tuple[str, int]]:
    return [(kind, bits) for kind in kinds for bits in RULES[kind].activations]


@pytest.mark.parametrize(("kind", "bits"), cases(UNARY))
def test_one_operand(kind: str, bits: int) -> None:
    shape, made = SHAPES.get(kind, ((2, 6), (2, 6)))
    model = TFLiteModel()
    x = model.input(shape, "float32", None)  # type: ignore[arg-type]
    operands = [x, *(model.constant(np.array(value, np.int32)) for value in PARAMETERS.get(kind, []))]
    y = model.tensor(made, "float32", None)
    model.operator(kind, operands, [y], **OPTIONS.get(kind, {}))
    model.output(y)
    bound = {8: 0.03, 16: 2e-3}[bits] * (4 if kind in ("RSQRT", "EXP", "LOG") else 1)
    assert_near(model, [values(shape, 1, kind in POSITIVE)], f"w8a{bits}", bound)


@pytest.mark.parametrize(("kind", "bits"), cases(BINARY))
@pytest.mark.parametrize("with_constant", [False, True])
def test_two_operands(kind: str, bits: int, with_constant: bool) -> None:
    model = TFLiteModel()
    x = model.input((2, 6), "float32", None)  # type: ignore[arg-type]
    other = values((1, 6), 3)
    operand = model.constant(other, "float32") if with_constant else model.input((1, 6), "float32", None)  # type: ignore[arg-type]
    y = model.tensor((2, 6), "float32", None)
    model.operator(kind, [x, operand], [y])
    model.output(y)
    inputs = [values((2, 6), 2), *([] if with_constant else [other])]
    assert_near(model, inputs, f"w8a{bits}", {8: 0.03, 16: 2e-4}[bits])


LAYERS = {
    "FULLY_CONNECTED": ((3, 8), (5, 8), (3, 5), {}),
    "CONV_2D": (IMAGE, (5, 2, 2, 3), (1, 3, 5, 5), {"padding": 1, "strideW": 1, "strideH": 1}),
    "DEPTHWISE_CONV_2D": (
        IMAGE,
        (1, 2, 2, 3),
        (1, 3, 5, 3),
        {"padding": 1, "strideW": 1, "strideH": 1, "depthMultiplier": 1},
    ),
}


@pytest.mark.parametrize(
    ("kind", "widths"), [(kind, f"w{w}a{a}") for kind in LAYERS for w, a in RULES[kind].weight_bits]
)
def test_layers(kind: str, widths: str) -> None:
    shape, weight_shape, made, options = LAYERS[kind]
    model = TFLiteModel()
    x = model.input(shape, "float32", None)  # type: ignore[arg-type]
    channels = made[-1]
    size = np.linspace(0.2, 3.0, channels)  # each channel has its own scale
    along = [channels if k == RULES[kind].axis else 1 for k in range(len(weight_shape))]
    weights = values(weight_shape, 4) * size.reshape(along)
    operands = [x, model.constant(weights, "float32"), model.constant(values((channels,), 5), "float32")]
    y = model.tensor(made, "float32", None)
    model.operator(kind, operands, [y], **options)
    model.output(y)
    bound = {"w8a8": 0.02, "w8a16": 0.01, "w4a8": 0.15, "w4a16": 0.15}[widths]
    made_model = assert_near(model, [values(shape, 6)], widths, bound)
    weight = graph(made_model).tensors[graph(made_model).operators[0].inputs[1]]
    assert len(scales(weight)) == channels


@pytest.mark.parametrize("bits", [8, 16])
def test_products_of_two_values(bits: int) -> None:
    model = TFLiteModel()
    a, b = model.input((1, 3, 4), "float32", None), model.input((1, 4, 5), "float32", None)  # type: ignore[arg-type]
    y = model.tensor((1, 3, 5), "float32", None)
    model.operator("BATCH_MATMUL", [a, b], [y])
    model.output(y)
    assert_near(model, [values((1, 3, 4), 1), values((1, 4, 5), 2)], f"w8a{bits}", {8: 0.03, 16: 2e-4}[bits])


@pytest.mark.parametrize("bits", [8, 16])
def test_parts_of_a_prescribed_scale_join_others(bits: int) -> None:
    """CONCATENATION of TANH, a value and a constant: one scale, reached by a QUANTIZE."""
    model = TFLiteModel()
    x = model.input((2, 3), "float32", None)  # type: ignore[arg-type]
    t, y = model.tensor((2, 3), "float32", None), model.tensor((2, 9), "float32", None)
    model.operator("TANH", [x], [t])
    model.operator("CONCATENATION", [t, x, model.constant(values((2, 3), 7), "float32")], [y], axis=1)
    model.output(y)
    made = assert_near(model, [values((2, 3), 1)], f"w8a{bits}", {8: 0.02, 16: 3e-4}[bits])
    assert len(graph(made).operators) == 3


def test_every_operator_has_a_rule_that_is_tested() -> None:
    """But for those that follow one that is: the same kernel, or moves of other axes. BUILTIN_REF has no ELU.

    test_quantise_lstm.py tests the fused LSTM.
    """
    tested = {*UNARY, *BINARY, *LAYERS, "BATCH_MATMUL", "CONCATENATION", "UNIDIRECTIONAL_SEQUENCE_LSTM"}
    akin = {"ELU", "SPLIT", "SPLIT_V",
            "PACK", "UNPACK", "PADV2", "GATHER_ND", "BROADCAST_TO", "REVERSE_V2", "SELECT_V2",
            "SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND", "TRANSPOSE_CONV", "PRELU", "ARG_MAX", "ARG_MIN", "EQUAL",
            "NOT_EQUAL", "GREATER", "GREATER_EQUAL", "LESS", "LESS_EQUAL"}  # fmt: skip
    assert tested | akin == RULES.keys()
