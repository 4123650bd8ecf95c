"""Resource variables of a file as states: how they start, the order of reads and assignments, what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.equality import Array, litert, native
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.frontend.source import check_graph
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper

STREAM = np.random.default_rng(3).integers(-128, 128, (9, 3)).astype(np.int8)


class Streaming(TFLiteModel):
    """A model with variables, and the subgraph that initialises them."""

    def __init__(self) -> None:
        super().__init__()
        self.first = schema.SubGraphT()
        self.first.tensors, self.first.operators, self.first.inputs, self.first.outputs = [], [], [], []
        self.model.subgraphs.append(self.first)
        self.operator("CALL_ONCE", [], [], initSubgraphIndex=1)

    def handle(self, name: str) -> int:
        tensor = self.tensor((), "resource", None)
        self.operator("VAR_HANDLE", [], [tensor], sharedName=name.encode(), container=b"")
        return tensor

    def start(self, name: str, values: Array, scale: float = 0.1) -> None:
        """Assign a constant in the first run."""
        main, self.graph = self.graph, self.first
        handle = self.handle(name)
        self.operator("ASSIGN_VARIABLE", [handle, self.constant(values, str(values.dtype), scale)], [])
        self.graph = main

    def read(self, handle: int, shape: tuple[int, ...], scale: float = 0.1) -> int:
        y = self.tensor(shape, "int8", scale)
        self.operator("READ_VARIABLE", [handle], [y])
        return y

    def assign(self, handle: int, value: int) -> None:
        self.operator("ASSIGN_VARIABLE", [handle, value], [])


def delay_line(rows: Array) -> Streaming:
    """The mean over a window of len(rows) + 1 rows, which slides by one."""
    model, kept = Streaming(), len(rows)
    x = model.input((1, 1, 3))
    handle = model.handle("window")
    model.start("window", rows[None])
    window = model.unary("CONCATENATION", [model.read(handle, (1, kept, 3)), x], (1, kept + 1, 3), "int8", 0.1, axis=1)
    model.output(model.unary("SOFTMAX", [window], (1, kept + 1, 3), "int8", 1 / 256, -128, beta=1.0))
    begin, size = model.constant([0, 1, 0]), model.constant([1, kept, 3])
    model.assign(handle, model.unary("SLICE", [window, begin, size], (1, kept, 3), "int8", 0.1))
    return model


def attended(rows: Array) -> Streaming:
    """A weighted sum over the window, whose rows may lie in any order: a ring."""
    model, kept = Streaming(), len(rows)
    x = model.input((1, 1, 3))
    handle = model.handle("window")
    model.start("window", rows[None])
    window = model.unary("CONCATENATION", [model.read(handle, (1, kept, 3)), x], (1, kept + 1, 3), "int8", 0.1, axis=1)
    scores = model.unary("BATCH_MATMUL", [x, window], (1, 1, kept + 1), "int8", 0.5, adjY=True)
    model.output(model.unary("BATCH_MATMUL", [scores, window], (1, 1, 3), "int8", 2.0))
    begin, size = model.constant([0, 1, 0]), model.constant([1, kept, 3])
    model.assign(handle, model.unary("SLICE", [window, begin, size], (1, kept, 3), "int8", 0.1))
    return model


def assigned_then_read() -> Streaming:
    """The second read gives what was assigned before it in the same run, the first what the last run left."""
    model = Streaming()
    x = model.input((1, 1, 3))
    handle = model.handle("last")
    model.start("last", np.array([[[1, 2, 3]]], np.int8))
    before = model.read(handle, (1, 1, 3))
    model.assign(handle, x)
    after = model.read(model.handle("last"), (1, 1, 3))
    model.output(model.unary("ADD", [before, after], (1, 1, 3), "int8", 0.2))
    return model


def never_assigned() -> Streaming:
    model = Streaming()
    x = model.input((1, 1, 3))
    model.start("offset", np.array([[[5, -6, 70]]], np.int8))
    offset = model.read(model.handle("offset"), (1, 1, 3))
    model.output(model.unary("ADD", [x, offset], (1, 1, 3), "int8", 0.2))
    return model


def read_model(model: TFLiteModel, folder: Path) -> Graph:
    graph = read_tflite(model.write(folder / "model.tflite"))
    check_graph(graph, "model")
    return graph


ROWS = np.arange(-7, 8).reshape(5, 3).astype(np.int8) * 11
EVEN = np.full((5, 3), 4, np.int8)
MODELS: dict[str, Callable[[], Streaming]] = {
    "delay line": lambda: delay_line(ROWS),
    "delay line of one value": lambda: delay_line(EVEN),
    "ring": lambda: attended(ROWS),
    "ring of one value": lambda: attended(EVEN),
    "assigned, then read": assigned_then_read,
    "never assigned": never_assigned,
}


@pytest.mark.parametrize("name", MODELS)
def test_a_stream_equals_litert(name: str, tmp_path: Path) -> None:
    model = MODELS[name]()
    graph = read_model(model, tmp_path)
    runner, plain = litert(model.content()), Stepper(graph)
    optimised, compiled = Stepper(optimise(graph, sparse_input=False)[0]), native(graph)
    assert ("RING_WRITE" in {op.kind for op in optimised.graph.operators}) == name.startswith("ring")
    for sample in STREAM:
        x = sample.reshape(1, 1, 3)
        runner.set_tensor(model.graph.inputs[0], x)
        runner.invoke()
        expected = runner.get_tensor(model.graph.outputs[0])
        for answer in (plain.step(x), optimised.step(x), compiled.run(x)):
            np.testing.assert_array_equal(answer[0], expected)


def test_a_reset_starts_from_the_files_values(tmp_path: Path) -> None:
    network = native(read_model(delay_line(ROWS), tmp_path))
    first = network.run(STREAM[0])[0]
    assert not np.array_equal(network.run(STREAM[0])[0], first)
    network.reset()
    np.testing.assert_array_equal(network.run(STREAM[0])[0], first)


def no_start() -> Streaming:
    model = Streaming()
    x, handle = model.input((1, 1, 3)), model.handle("late")
    model.output(model.unary("ADD", [x, model.read(handle, (1, 1, 3))], (1, 1, 3), "int8", 0.2))
    model.assign(handle, x)
    return model


def other_size() -> Streaming:
    model = never_assigned()
    model.start("offset", np.zeros((1, 7), np.int8))
    return model


def other_shape() -> Streaming:
    model = delay_line(ROWS)
    model.assign(model.handle("window"), model.graph.inputs[0])
    return model


def no_such_subgraph() -> Streaming:
    model = never_assigned()
    model.graph.operators[0].builtinOptions.initSubgraphIndex = 7
    return model


def computed_start() -> Streaming:
    model = never_assigned()
    model.first.operators[-1].inputs = np.array([0, 0], np.int32)
    return model


REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "no start": (no_start, "variable late is read before anything is assigned to it"),
    "other size": (other_size, "variable offset starts as int8[1, 7] and is read as int8[1, 1, 3]"),
    "other shape": (other_shape, "the variable holds int8[1, 5, 3]"),
    "no such subgraph": (no_such_subgraph, "runs subgraph 7 of 2"),
    "computed start": (computed_start, "only constants can be assigned to variables there"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused(name: str, tmp_path: Path) -> None:
    make, words = REFUSED[name]
    with pytest.raises(CompileError) as caught:
        read_model(make(), tmp_path)
    assert any(words in problem for problem in caught.value.problems)
    assert "damaged" not in str(caught.value)
