"""Networks over a moving window: computed row by row where the integers are the same, else told why not."""

from collections.abc import Callable

import numpy as np
import pytest

from tests.codegen.equality import load
from tests.codegen.streaming import assert_streams_equal
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.frontend.window_to_step import as_step
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper, run_graph

ROWS, POINTS, CLASSES = 12, 5, 3
CHANCE = np.random.default_rng(17)
SAME, VALID = 0, 1
AHEAD = {"strideW": 1, "strideH": 1, "dilationWFactor": 1, "dilationHFactor": 1, "fusedActivationFunction": 0}
Network = Callable[[TFLiteModel, int], int]


def weights(model: TFLiteModel, *shape: int, scale: float = 0.01) -> int:
    return model.constant(CHANCE.integers(-127, 128, shape), "int8", scale)


def conv(model: TFLiteModel, x: int, rows: int, depth: int, width: int, taps: int = 3, **options: int) -> int:
    """Along time, the third axis of (1, 1, rows, depth)."""
    chosen = {**AHEAD, "padding": VALID, **options}
    left = rows if chosen["padding"] == SAME else rows - (taps - 1) * chosen["dilationWFactor"]
    shape = (1, 1, -(-left // chosen["strideW"]), width)
    bias = model.constant(CHANCE.integers(-400, 400, width), "int32", 0.0002)
    return model.unary(
        "CONV_2D", [x, weights(model, width, 1, taps, depth, scale=0.002), bias], shape, "int8", 0.08, -7, **chosen
    )


def causal(model: TFLiteModel, x: int, depth: int, width: int, dilation: int = 1, up_to: float = 0.05) -> int:
    before = model.constant([[0, 0], [0, 0], [2 * dilation, 0], [0, 0]])
    scale, zero = (
        float(model.graph.tensors[x].quantization.scale[0]),
        int(model.graph.tensors[x].quantization.zeroPoint[0]),
    )
    padded = model.unary("PAD", [x, before], (1, 1, ROWS + 2 * dilation, depth), "int8", scale, zero)
    y = conv(model, padded, ROWS + 2 * dilation, depth, width, dilationWFactor=dilation)
    return model.unary("RELU", [y], (1, 1, ROWS, width), "int8", up_to, -128)


def last_row(model: TFLiteModel, x: int, rows: int, width: int, back: int = 1) -> int:
    t = model.graph.tensors[x].quantization
    corners = [model.constant([0, 0, rows - back, 0]), model.constant([1, 1, 1, width])]
    return model.unary("SLICE", [x, *corners], (1, 1, 1, width), "int8", float(t.scale[0]), int(t.zeroPoint[0]))


def head(model: TFLiteModel, x: int, size: int, scale: float = 0.3) -> int:
    t = model.graph.tensors[x].quantization
    flat = model.unary(
        "RESHAPE", [x, model.constant([1, size])], (1, size), "int8", float(t.scale[0]), int(t.zeroPoint[0])
    )
    return model.unary("FULLY_CONNECTED", [flat, weights(model, CLASSES, size), -1], (1, CLASSES), "int8", scale)


def moving(network: Network) -> TFLiteModel:
    """The network on the last ROWS samples, which a state of the file keeps."""
    model = TFLiteModel()
    x, kept = model.input((1, POINTS), zero=-128, name="x"), (ROWS - 1) * POINTS
    before = model.input((1, kept), zero=-128, name="before")
    window = model.unary("CONCATENATION", [before, x], (1, ROWS * POINTS), "int8", 0.1, -128, axis=1)
    corners = [model.constant([0, POINTS]), model.constant([1, kept])]
    after = model.unary("SLICE", [window, *corners], (1, kept), "int8", 0.1, -128)
    image = model.unary(
        "RESHAPE", [window, model.constant([1, 1, ROWS, POINTS])], (1, 1, ROWS, POINTS), "int8", 0.1, -128
    )
    model.output(network(model, image), after)
    return model


def tcn(model: TFLiteModel, x: int) -> int:
    first = causal(model, x, POINTS, 6)
    second = causal(model, first, 6, 6, dilation=3)
    both = model.unary("ADD", [first, second], (1, 1, ROWS, 6), "int8", 0.07, -30)
    return head(model, last_row(model, both, ROWS, 6), 6)


def gated(model: TFLiteModel, x: int) -> int:
    """tanh times sigmoid of two halves, as a WaveNet has them."""
    y = causal(model, x, POINTS, 8, up_to=0.01)
    parts = [model.tensor((1, 1, ROWS, 4), "int8", 0.01, -128) for _ in range(2)]
    model.operator("SPLIT", [model.constant(3), y], parts, numSplits=2)
    a = model.unary("TANH", [parts[0]], (1, 1, ROWS, 4), "int8", 1 / 128)
    b = model.unary("LOGISTIC", [parts[1]], (1, 1, ROWS, 4), "int8", 1 / 256, -128)
    y = model.unary("MUL", [a, b], (1, 1, ROWS, 4), "int8", 1 / 128)
    return head(model, last_row(model, y, ROWS, 4), 4, 0.02)


def pooled(model: TFLiteModel, x: int) -> int:
    """Without padding, a pool of stride 1, and a layer over all rows that are left."""
    y = conv(model, x, ROWS, POINTS, 6, taps=4)
    options = {"padding": VALID, "strideW": 1, "strideH": 1, "filterWidth": 3, "filterHeight": 1}
    y = model.unary("AVERAGE_POOL_2D", [y], (1, 1, ROWS - 5, 6), "int8", 0.08, -7, **options)
    return head(model, y, (ROWS - 5) * 6)


def chomped(model: TFLiteModel, x: int) -> int:
    """Padded at both ends, and the end cut off again, as PyTorch's padding = 4 does."""
    around = model.constant([[0, 0], [0, 0], [4, 4], [0, 0]])
    padded = model.unary("PAD", [x, around], (1, 1, ROWS + 8, POINTS), "int8", 0.1, -128)
    y = conv(model, padded, ROWS + 8, POINTS, 6, dilationWFactor=2)
    corners = [model.constant([0, 0, 0, 0]), model.constant([1, 1, ROWS, 6])]
    y = model.unary("SLICE", [y, *corners], (1, 1, ROWS, 6), "int8", 0.08, -7)
    return head(model, last_row(model, y, ROWS, 6), 6)


@pytest.mark.parametrize(
    ("network", "kept"), [(tcn, 2 * 5 + 6 * 6), (gated, 2 * 5), (chomped, 4 * 5), (pooled, 15 + 12 + 36)]
)
def test_causal_windows_are_computed_row_by_row_with_the_same_integers(network: Network, kept: int) -> None:
    model = moving(network)
    graph = load_moving(model)
    decisions = assert_streams_equal(model, graph, 40)
    assert decisions[0] == (
        f"before: the window of {ROWS} rows is computed one row per sample; {kept} bytes of earlier rows are kept in "
        f"place of {(ROWS - 1) * POINTS}"
    )
    optimised, _ = optimise(graph, sparse_input=False)
    rows = [optimised.tensors[t].shape[2] for op in optimised.operators if op.kind == "CONV_2D" for t in op.outputs]
    assert rows == [1] * len(rows)


def load_moving(model: TFLiteModel) -> Graph:
    after = model.graph.outputs[1]
    return load(model, [("before", model.graph.tensors[after].name.decode())])


def centred(model: TFLiteModel, x: int) -> int:
    y = conv(model, x, ROWS, POINTS, 6, padding=SAME)
    return head(model, last_row(model, y, ROWS, 6), 6)


def far(model: TFLiteModel, x: int) -> int:
    y = causal(model, causal(model, x, POINTS, 6, dilation=3), 6, 6, dilation=3)
    return head(model, last_row(model, y, ROWS, 6), 6)


def strided(model: TFLiteModel, x: int) -> int:
    y = conv(model, x, ROWS, POINTS, 6, strideW=2)
    return head(model, last_row(model, y, 5, 6), 6)


def late(model: TFLiteModel, x: int) -> int:
    return head(model, last_row(model, causal(model, x, POINTS, 6), ROWS, 6, back=3), 6)


@pytest.mark.parametrize(
    ("network", "why"),
    [
        (centred, "reads a row that padding behind the newest sample reaches: a layer before it is not causal"),
        (far, "the layers look back farther than the window is long"),
        (strided, "has stride 2 along the window"),
        (late, "reads row 9, which is not that of the newest sample"),
    ],
)
def test_a_window_that_cannot_be_rolled_runs_whole_and_says_why(network: Network, why: str) -> None:
    model = moving(network)
    decisions = assert_streams_equal(model, load_moving(model), 25)
    assert decisions[0].startswith(f"before: all {ROWS} rows of the window are computed at every sample, because ")
    assert why in decisions[0]


def test_a_window_network_without_a_state_becomes_a_step_that_starts_in_silence() -> None:
    model = TFLiteModel()
    x = model.input((1, ROWS, POINTS), zero=-128, name="x")
    shape = (1, 1, ROWS, POINTS)
    image = model.unary("RESHAPE", [x, model.constant(list(shape))], shape, "int8", 0.1, -128)
    model.output(tcn(model, image))
    whole = load(model)
    step, decisions = optimise(as_step(whole, "it"), sparse_input=False)
    assert any("one row per sample" in line for line in decisions)
    runner, window = Stepper(step), np.full((ROWS, POINTS), -128, np.int8)
    for _ in range(30):
        sample = CHANCE.integers(-128, 128, (1, POINTS)).astype(np.int8)
        window = np.concatenate([window[1:], sample])
        expected = run_graph(whole, {whole.inputs[0]: window[None]})[whole.outputs[0]]
        assert np.array_equal(runner.step(sample)[0].ravel(), expected.ravel())
