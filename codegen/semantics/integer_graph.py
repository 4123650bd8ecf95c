"""The NumPy integer reference: run a graph operator by operator. Slow, plain, and the specification of the C code."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import Graph
from tinyloc.codegen.semantics.operator_table import rule_of

Array = npt.NDArray[Any]


def run_graph(graph: Graph, sources: Mapping[int, Array]) -> dict[int, Array]:
    """Values of all tensors. `sources` maps each of graph.sources to an array of its shape and element type."""
    values: dict[int, Array] = {i: t.data for i, t in enumerate(graph.tensors) if t.data is not None}
    values.update(sources)
    for op in graph.operators:
        rule = rule_of(graph, op)
        assert rule is not None, op.kind
        results = rule.reference(graph, op, [None if t == -1 else values[t] for t in op.inputs])
        for tensor, result in zip(op.outputs, results, strict=True):
            expected = graph.tensors[tensor]
            assert result.shape == expected.shape and result.dtype == np.dtype(expected.element), (op, result.shape)
            values[tensor] = result
    return values


class Stepper:
    """Runs a step graph sample by sample and carries its states from graph.start on."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.reset()

    def reset(self) -> None:
        self.state: dict[int, Array] = {before: self.graph.start(before) for before, _ in self.graph.states}

    def step(self, *inputs: Array) -> list[Array]:
        """One sample: the graph's inputs in order -> its outputs in order."""
        sources = {t: x.reshape(self.graph.tensors[t].shape) for t, x in zip(self.graph.inputs, inputs, strict=True)}
        values = run_graph(self.graph, {**sources, **self.state})
        self.state = {before: values[after] for before, after in self.graph.states}
        return [values[t] for t in self.graph.outputs]
