"""Random step graphs: LiteRT BUILTIN_REF in a loop == NumPy == C with its states, plan, views and in-place writes."""

import numpy as np
import pytest

from tests.codegen.equality import litert, load, native
from tests.codegen.random_graphs import RandomGraph
from tinyloc.codegen.semantics.integer_graph import Stepper

FAST, ALL = range(20), range(20, 200)


def assert_sequence_equal(seed: int) -> None:
    made = RandomGraph(seed)
    graph = load(made.model, made.states)
    compiled = native(graph, ["-O0", "-fsanitize=undefined", "-fno-sanitize-recover=all"])
    stepper, runner = Stepper(graph), litert(made.model.content())
    carried = {before: np.zeros(graph.tensors[before].shape, made.element) for before, _ in graph.states}
    limit = np.iinfo(made.element)
    for _ in range(4):
        inputs = [
            made.chance.integers(limit.min, limit.max + 1, graph.tensors[t].shape).astype(made.element)
            for t in graph.inputs
        ]
        for t, values in (*zip(graph.inputs, inputs, strict=True), *carried.items()):
            runner.set_tensor(t, values)
        runner.invoke()
        carried = {before: runner.get_tensor(after) for before, after in graph.states}
        for t, a, b in zip(graph.outputs, stepper.step(*inputs), compiled.run(*inputs), strict=True):
            np.testing.assert_array_equal(a, runner.get_tensor(t), err_msg=f"NumPy and LiteRT: {graph.tensors[t].name}")
            np.testing.assert_array_equal(b, a, err_msg=f"C and NumPy: {graph.tensors[t].name}")


@pytest.mark.parametrize("seed", FAST)
def test_a_random_graph(seed: int) -> None:
    assert_sequence_equal(seed)


@pytest.mark.slow
def test_many_random_graphs() -> None:
    for seed in ALL:
        assert_sequence_equal(seed)
