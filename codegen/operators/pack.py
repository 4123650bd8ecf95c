"""PACK: tensors of one shape and scale stacked along a new axis."""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, quantised_problems, shape_problems
from tinyloc.codegen.operators.concatenation import copied_rows


class Pack(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if problems:
            return problems
        problems += moved_problems(graph, op, requantise="first")
        for x in (graph.tensors[t] for t in op.inputs):
            if x.shape != graph.tensors[op.inputs[0]].shape:
                problems.append(f"{x.name} has shape {x.shape}, the first part {graph.tensors[op.inputs[0]].shape}")
        shape = list(graph.tensors[op.inputs[0]].shape)
        shape.insert(self._axis(graph, op), len(op.inputs))
        return problems + shape_problems(graph, op.outputs[0], shape)

    @staticmethod
    def _axis(graph: Graph, op: Operator) -> int:
        return int(op.attributes["axis"]) % len(graph.tensors[op.outputs[0]].shape)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        return [np.stack([v for v in values if v is not None], axis=self._axis(graph, op))]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        y, axis = graph.tensors[op.outputs[0]], self._axis(graph, op)
        size = prod(y.shape[axis + 1 :]) * BYTES[y.element]
        return copied_rows(graph, op, prefix, prod(y.shape[:axis]), [size] * len(op.inputs))
