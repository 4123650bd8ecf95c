"""A step with state along a stream: LiteRT in a loop, NumPy before and after the passes, generated C, and the window.

The window form of a step graph over N samples is the same graph N times, one after the other, each copy reading what
the one before leaves: a graph without state. It knows nothing of structs, rings and writing in place.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tests.codegen.equality import Array, litert, native, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.graph import RANGE, Graph, Operator, Tensor
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.semantics.integer_graph import Stepper


def random_stream(graph: Graph, steps: int, seed: int) -> list[list[Array]]:
    """Inputs of each step, uniform over the element type; one step in five repeats the one before."""
    chance = np.random.default_rng(seed)
    stream: list[list[Array]] = []
    for step in range(steps):
        fresh = [
            chance.integers(*RANGE[graph.tensors[t].element], graph.tensors[t].shape, endpoint=True).astype(
                graph.tensors[t].element
            )
            for t in graph.inputs
        ]
        stream.append(stream[-1] if step % 5 == 4 else fresh)
    return stream


def window_form(graph: Graph, steps: int) -> Graph:
    """The step graph `steps` times in a row; its inputs and outputs are those of all samples, in order."""
    tensors: list[Tensor] = [t for t in graph.tensors if t.data is not None]
    place = {i: n for n, i in enumerate(i for i, t in enumerate(graph.tensors) if t.data is not None)}
    operators: list[Operator] = []
    inputs: list[int] = []
    outputs: list[int] = []
    carried: dict[int, int] = {}
    for before, _ in graph.states:
        start = graph.tensors[before]
        zeros = np.full(start.shape, start.zero_point, start.element)
        carried[before] = len(tensors)
        tensors.append(dataclasses.replace(start, name=f"{start.name}, zero", data=zeros))
    for step in range(steps):
        here = {**place, **carried, -1: -1}
        for i, tensor in enumerate(graph.tensors):
            if i not in here:
                here[i] = len(tensors)
                tensors.append(dataclasses.replace(tensor, name=f"{tensor.name}, sample {step}"))
        for op in graph.operators:
            moved = (tuple(here[t] for t in op.inputs), tuple(here[t] for t in op.outputs))
            operators.append(dataclasses.replace(op, inputs=moved[0], outputs=moved[1]))
        inputs += [here[t] for t in graph.inputs]
        outputs += [here[t] for t in graph.outputs]
        carried = {before: here[after] for before, after in graph.states}
    return Graph(f"{graph.name}, window", tuple(tensors), tuple(operators), tuple(inputs), tuple(outputs))


def assert_streams_equal(model: TFLiteModel, graph: Graph, steps: int, seed: int = 0) -> list[str]:
    """All executions agree at every step on outputs, LiteRT and NumPy also on states; returns the passes' lines."""
    optimised, decisions = optimise(graph, sparse_input=False)
    plain, rewritten, compiled = Stepper(graph), Stepper(optimised), native(graph)
    runner = litert(model.content())
    carried = dict(plain.state)
    stream = random_stream(graph, steps, seed)
    found: list[list[Array]] = []
    for inputs in stream:
        for t, values in (*zip(graph.inputs, inputs, strict=True), *carried.items()):
            runner.set_tensor(t, values)
        runner.invoke()
        carried = {before: runner.get_tensor(after) for before, after in graph.states}
        expected = [runner.get_tensor(t) for t in graph.outputs]
        for name, outputs in (
            ("NumPy", plain.step(*inputs)),
            ("after the passes", rewritten.step(*inputs)),
            ("C", compiled.run(*inputs)),
        ):
            for a, b in zip(outputs, expected, strict=True):
                np.testing.assert_array_equal(a.ravel(), b.ravel(), err_msg=f"{name}, step {len(found)}")
        for before, _ in graph.states:
            np.testing.assert_array_equal(plain.state[before], carried[before])
        found.append(expected)
    assert_window_equals(graph, stream, found)
    assert len({b"".join(row.tobytes() for row in rows) for rows in found}) > steps // 2, "the sequence stands still"
    return decisions


def assert_window_equals(graph: Graph, stream: Sequence[Sequence[Array]], steps: Sequence[Sequence[Array]]) -> None:
    """The window form over the whole stream gives what the steps gave."""
    window = window_form(graph, len(stream))
    outputs = reference_outputs(window, [values for inputs in stream for values in inputs])
    for number, (a, b) in enumerate(zip(outputs, (row for rows in steps for row in rows), strict=True)):
        np.testing.assert_array_equal(a.ravel(), b.ravel(), err_msg=f"window form, output {number}")
