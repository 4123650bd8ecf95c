"""One model, four executions: LiteRT's BUILTIN_REF, the NumPy reference, the optimised graph, the generated C."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tests.codegen.tflite_models import TFLiteModel
from tests.host_network import HostNetwork
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.frontend.source import check_graph
from tinyloc.codegen.graph import RANGE, Graph
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import run_graph

Array = npt.NDArray[Any]


def load(model: TFLiteModel, states: Sequence[tuple[str, str]] = ()) -> Graph:
    """The model as a checked graph."""
    with tempfile.TemporaryDirectory() as folder:
        path = model.write(Path(folder) / "model.tflite")
        graph = read_tflite(path, states)
    check_graph(graph, "model")
    return graph


def litert(content: bytes, resolver: str = "BUILTIN_REF") -> Interpreter:
    """LiteRT with its reference kernels, which are what byte equality is claimed with."""
    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType[resolver], num_threads=1
    )
    interpreter.allocate_tensors()
    return interpreter


def random_inputs(graph: Graph, seed: int, count: int = 6, positive: bool = False) -> list[list[Array]]:
    """Uniform values, values near the zero point, and the two extremes and their mixture."""
    chance = np.random.default_rng(seed)
    samples = []
    for number in range(count):
        row = []
        for t in graph.inputs:
            tensor = graph.tensors[t]
            low, high = RANGE[tensor.element]
            values = chance.integers(low, high + 1, tensor.shape)
            if number == 1:
                values = np.clip(tensor.zero_point + chance.integers(-9, 10, tensor.shape), low, high)
            elif number == 2:
                values = chance.choice([low, low + 1, high - 1, high], tensor.shape)
            elif number == 3:
                values = np.full(tensor.shape, low)
            elif number == 4:
                values = np.full(tensor.shape, high)
            if positive:
                values = np.maximum(values, tensor.zero_point)
            row.append(values.astype(tensor.element))
        samples.append(row)
    return samples


def reference_outputs(graph: Graph, inputs: Sequence[Array]) -> list[Array]:
    """Outputs of the NumPy reference, from the start of a sequence."""
    states = {before: graph.start(before) for before, _ in graph.states}
    values = run_graph(graph, {**dict(zip(graph.inputs, inputs, strict=True)), **states})
    return [values[t] for t in graph.outputs]


def native(graph: Graph, flags: Sequence[str] = ()) -> HostNetwork:
    """The generated C of a graph, compiled for this machine."""
    with tempfile.TemporaryDirectory() as folder:
        compile_graph(graph, Path(folder) / "generated")
        return HostNetwork(Path(folder) / "generated", flags)


def assert_same(name: str, left: Sequence[Array], right: Sequence[Array], graph: Graph) -> None:
    """Every output is equal on every byte; says where it is not."""
    for t, a, b in zip(graph.outputs, left, right, strict=True):
        if not np.array_equal(a, b):
            at = np.flatnonzero(a.ravel() != b.ravel())
            producer = graph.producer(t)
            what = graph.operators[producer] if producer is not None else "input"
            raise AssertionError(
                f"{name}: {len(at)} of {a.size} differ in {graph.tensors[t].name}, first at {at[0]}:"
                f" {a.ravel()[at[0]]} and {b.ravel()[at[0]]}; {what}"
            )


def assert_all_equal(
    model: TFLiteModel,
    seed: int = 0,
    count: int = 6,
    positive: bool = False,
    with_litert: bool = True,
    fresh_states: bool = False,
    resolver: str = "BUILTIN_REF",
) -> Graph:
    """All executions agree on random and extreme inputs. Returns the graph as read.

    `fresh_states`: LiteRT keeps variable tensors from run to run; here every run is a new sequence.
    """
    graph = load(model)
    optimised, _ = optimise(graph, sparse_input=False)
    runner = litert(model.content(), resolver) if with_litert else None
    compiled = native(graph)
    for inputs in random_inputs(graph, seed, count, positive):
        expected = reference_outputs(graph, inputs)
        if runner is not None:
            for t, values in zip(graph.inputs, inputs, strict=True):
                runner.set_tensor(t, values)
            if fresh_states:
                runner.reset_all_variables()
            runner.invoke()
            assert_same("NumPy and LiteRT BUILTIN_REF", expected, [runner.get_tensor(t) for t in graph.outputs], graph)
        assert_same("unoptimised and optimised", expected, reference_outputs(optimised, inputs), graph)
        compiled.reset()
        assert_same("NumPy and C", expected, compiled.run(*inputs), graph)
    return graph
