"""Shift-and-append states become rings where nothing minds the order of their rows; no bit of a result changes."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER, ArmNetwork
from tests.codegen.equality import assert_same, load, random_inputs, reference_outputs
from tests.codegen.streaming import assert_streams_equal
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.graph import Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.passes.ring import use_rings

HIDDEN = 6
STATE = 0.02


class Stream:
    """A model made by hand around states that shift."""

    def __init__(self, element: str, slots: int, rows: int = 1) -> None:
        self.model, self.element, self.slots, self.rows = TFLiteModel(), element, slots, rows
        self.k = 1.0 if element == "int8" else 1 / 256
        self.states: list[tuple[str, str]] = []

    def shift(self, name: str, *parts: int) -> int:
        """A state of slots - 1 rows, `parts` appended: the window (1, slots * rows * HIDDEN)."""
        size = len(parts) * HIDDEN
        state = self.model.input((1, (self.slots - 1) * size), self.element, STATE * self.k, name=f"{name}_in")
        window = self.model.tensor((1, self.slots * size), self.element, STATE * self.k)
        self.model.operator("CONCATENATION", [state, *parts], [window], axis=1)
        kept = self.part(window, size, (self.slots - 1) * size, f"{name}_out")
        self.model.output(kept)
        self.states.append((f"{name}_in", f"{name}_out"))
        return window

    def row(self) -> int:
        return self.model.input((1, HIDDEN), self.element, STATE * self.k)

    def part(self, source: int, begin: int, size: int, name: str = "") -> int:
        y = self.model.tensor((1, size), self.element, STATE * self.k, **({"name": name} if name else {}))
        self.model.operator("SLICE", [source, self.model.constant([0, begin]), self.model.constant([1, size])], [y])
        return y

    def shaped(self, source: int, shape: tuple[int, ...], scale: float = STATE) -> int:
        return self.model.unary("RESHAPE", [source, self.model.constant(list(shape))], shape, self.element,
                                scale * self.k)  # fmt: skip

    def attention(self, query: int, keys: int, values: int, bias: bool = False) -> int:
        """softmax(keys query + bias) values, over slots * rows rows."""
        model, element, count, k = self.model, self.element, self.slots * self.rows, self.k
        all_keys, column = self.shaped(keys, (1, count, HIDDEN)), self.shaped(query, (1, HIDDEN, 1))
        scores = self.shaped(model.unary("BATCH_MATMUL", [all_keys, column], (1, count, 1), element, 0.1 * k),
                             (1, count), 0.1)  # fmt: skip
        if bias:
            values_of_rows = [[(37 * i) % 101 - 50 for i in range(count)]]
            scores = model.unary("ADD", [scores, model.constant(values_of_rows, element, 0.1 * k)], (1, count), element,
                                 0.12 * k)  # fmt: skip
        scale, zero = (1 / 256, -128) if element == "int8" else (1 / 32768, 0)
        weights = model.tensor((1, count), element, scale, zero)
        model.operator("SOFTMAX", [scores], [weights], beta=1.0)
        row = model.tensor((1, 1, count), element, scale, zero)
        model.operator("RESHAPE", [weights, model.constant([1, 1, count])], [row])
        mixed = model.unary("BATCH_MATMUL", [row, self.shaped(values, (1, count, HIDDEN))], (1, 1, HIDDEN), element,
                            STATE * k)  # fmt: skip
        return self.shaped(mixed, (1, HIDDEN))

    def graph(self) -> Graph:
        return load(self.model, self.states)


def kinds(graph: Graph) -> list[str]:
    return [op.kind for op in graph.operators]


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("bias", [False, True])
def test_attention_over_the_last_rows_runs_on_rings(element: str, bias: bool) -> None:
    stream = Stream(element, slots=7)
    query, key, value = stream.row(), stream.row(), stream.row()
    keys, values = stream.shift("keys", key), stream.shift("values", value)
    stream.model.output(stream.attention(query, keys, values, bias))
    graph = stream.graph()
    decisions = assert_streams_equal(stream.model, graph, steps=25)
    rewritten, notes = use_rings(graph)
    assert "CONCATENATION" not in kinds(rewritten) and "SLICE" not in kinds(rewritten)
    assert kinds(rewritten).count("RING_WRITE") == 2 and kinds(rewritten).count("RING_ADVANCE") == 1
    assert kinds(rewritten).count("RING_ORDER") == int(bias)
    width = HIDDEN * (1 if element == "int8" else 2)
    assert notes == [f"{name}_in: a ring of 7 rows of {width} bytes; a step writes one row and moves none"
                     for name in ("keys", "values")]  # fmt: skip
    assert set(notes) <= set(decisions)


@pytest.mark.parametrize("element", ["int8", "int16"])
@pytest.mark.parametrize("slots", [4, 7])
def test_a_causal_convolution_turns_its_filter(element: str, slots: int) -> None:
    """As in Mamba: depthwise over the last samples, six channels, which are a block of four and two more."""
    stream = Stream(element, slots)
    model = stream.model
    window = stream.shaped(stream.shift("conv", stream.row()), (1, slots, 1, HIDDEN))
    chance = np.random.default_rng(slots)
    some = chance.integers(-127, 128, (1, slots, 1, HIDDEN))
    weights = model.constant(some, "int8", np.linspace(0.004, 0.01, HIDDEN), axis=3)
    scales = STATE * stream.k * np.linspace(0.004, 0.01, HIDDEN)
    bias = model.constant(chance.integers(-900, 900, HIDDEN), "int32" if element == "int8" else "int64", scales)
    y = model.tensor((1, 1, 1, HIDDEN), element, 0.02 * stream.k, 11 if element == "int8" else 0)
    model.operator("DEPTHWISE_CONV_2D", [window, weights, bias], [y], padding=1, strideH=1,
                   strideW=1, depthMultiplier=1, dilationHFactor=1, dilationWFactor=1)  # fmt: skip
    model.output(y)
    graph = stream.graph()
    assert_streams_equal(model, graph, steps=3 * slots)
    rewritten, _ = use_rings(graph)
    assert "RING_CONV" in kinds(rewritten) and "DEPTHWISE_CONV_2D" not in kinds(rewritten)


@pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}")
@pytest.mark.parametrize("element", ["int8", "int16"])
def test_the_turned_filter_on_each_core(element: str, tmp_path: Path) -> None:
    """Any head, extreme values: NumPy == C on the Cortex-M4 in both forms, and on the Cortex-M3."""
    chance, slots, channels = np.random.default_rng(1), 5, 11
    zero, k = (-7, 1.0) if element == "int8" else (0, 1 / 256)
    shape = (1, slots, 1, channels)
    each = Quantisation(tuple(np.linspace(0.004, 0.01, channels).astype(np.float32).tolist()), (0,) * channels, 3)
    tensors = (
        Tensor("ring", shape, element, Quantisation((0.02 * k,), (zero,))),
        Tensor("head", (1,), "int16", Quantisation((1.0,), (0,))),
        Tensor("filter", shape, "int8", each, chance.choice([-127, 127, 5], shape).astype(np.int8)),
        Tensor("bias", (channels,), "int32", None, chance.integers(-900, 900, channels).astype(np.int32)),
        Tensor("y", (1, 1, 1, channels), element, Quantisation((0.03 * k,), (zero,))),
    )
    options = {"stride_h": 1, "stride_w": 1, "padding": 1, "activation": 1, "slots": slots}
    convolution = Operator("RING_CONV", (0, 2, 3, 1), (4,), options, ("convolution",))
    graph = Graph("ring", tensors, (convolution,), (0, 1), (4,))
    compile_graph(graph, tmp_path / "generated")
    for core, flags in (("cortex-m4", ["-O2"]), ("cortex-m4", ["-Os", "-DTL_PORTABLE"]), ("cortex-m3", ["-O2"])):
        network = ArmNetwork(tmp_path / "generated", core, flags)
        for head in range(slots):
            for ring, _ in random_inputs(graph, seed=head, count=5):
                inputs = [ring, np.array([head], np.int16)]
                assert_same(f"NumPy and C on {core}", reference_outputs(graph, inputs), network.run(*inputs), graph)


def test_several_rows_a_sample_and_windows_of_the_newest_rows() -> None:
    """As MDCSA with three blocks: one ring for values and for convolutions' windows, three rows a sample in another."""
    stream = Stream("int8", slots=6, rows=3)
    rows = [stream.row() for _ in range(3)]
    mixed = stream.shift("mixed", *rows)
    stream.model.output(stream.attention(rows[1], mixed, mixed))
    stream.rows = 1
    value = stream.row()
    values = stream.shift("values", value)
    stream.model.output(stream.attention(value, values, values, bias=True))
    last = stream.part(values, 2 * HIDDEN, 4 * HIDDEN)
    newest = stream.part(values, 5 * HIDDEN, HIDDEN)
    for window in (last, newest):
        size = 4 * HIDDEN if window == last else HIDDEN
        some = [[(5 * i + 3 * j) % 15 - 7 for i in range(size)] for j in range(3)]
        weights = stream.model.constant(some, "int8", 0.1)
        stream.model.output(stream.model.unary("FULLY_CONNECTED", [window, weights, -1], (1, 3), "int8", 0.2))
    graph = stream.graph()
    assert_streams_equal(stream.model, graph, steps=20)
    rewritten, _ = use_rings(graph)
    reads = [op.attributes["rows"] for op in rewritten.operators if op.kind == "RING_READ"]
    assert reads == [4]  # the newest row is at hand
    assert kinds(rewritten).count("RING_ADVANCE") == 1


def test_what_minds_the_order_keeps_its_shift_and_says_why() -> None:
    stream = Stream("int8", slots=5)
    row = stream.row()
    window = stream.shift("window", row)
    weights = stream.model.constant([[(7 * i) % 19 - 9 for i in range(5 * HIDDEN)]], "int8", 0.1)
    stream.model.output(stream.model.unary("FULLY_CONNECTED", [window, weights, -1], (1, 1), "int8", 0.2))
    graph = stream.graph()
    decisions = assert_streams_equal(stream.model, graph, steps=12)
    assert kinds(use_rings(graph)[0]) == kinds(graph)
    assert any("window_in" in line and "no ring" in line and "FULLY_CONNECTED" in line for line in decisions)


def test_rings_that_attention_joins_stay_or_go_together() -> None:
    """The values are also read in order by a linear layer, so the keys' ring would meet them in another order."""
    stream = Stream("int8", slots=5)
    key, value = stream.row(), stream.row()
    keys, values = stream.shift("keys", key), stream.shift("values", value)
    stream.model.output(stream.attention(key, keys, values))
    weights = stream.model.constant([[(7 * i) % 19 - 9 for i in range(5 * HIDDEN)]], "int8", 0.1)
    stream.model.output(stream.model.unary("FULLY_CONNECTED", [values, weights, -1], (1, 1), "int8", 0.2))
    graph = stream.graph()
    assert_streams_equal(stream.model, graph, steps=12)
    assert "RING_WRITE" not in kinds(use_rings(graph)[0])


def test_values_of_its_own_for_each_row_keep_the_shift() -> None:
    """An activation that is added row by row comes oldest first."""
    stream = Stream("int8", slots=5)
    value, other = stream.row(), stream.model.input((1, 5), "int8", 0.1)
    values = stream.shift("values", value)
    all_rows, column = stream.shaped(values, (1, 5, HIDDEN)), stream.shaped(value, (1, HIDDEN, 1))
    scores = stream.shaped(stream.model.unary("BATCH_MATMUL", [all_rows, column], (1, 5, 1), "int8", 0.1), (1, 5), 0.1)
    stream.model.output(stream.model.unary("ADD", [scores, other], (1, 5), "int8", 0.2))
    graph = stream.graph()
    assert_streams_equal(stream.model, graph, steps=12)
    assert "RING_WRITE" not in kinds(use_rings(graph)[0])


def test_few_rows_are_cheaper_to_move() -> None:
    stream = Stream("int8", slots=3)
    row = stream.row()
    window = stream.shift("rows", row)
    stream.model.output(stream.attention(row, window, window))
    graph = stream.graph()
    assert_streams_equal(stream.model, graph, steps=12)
    assert "RING_WRITE" not in kinds(optimise(graph, sparse_input=False)[0])
