"""MAXIMUM and MINIMUM of two tensors of one scale, on the raw integers."""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, broadcast, quantised_problems


class Extreme(ElementWise):
    """`largest`, else the smallest."""

    def __init__(self, largest: bool) -> None:
        self.largest = largest

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if not problems:
            scales = {
                (graph.tensors[t].element, np.float32(graph.tensors[t].scale), graph.tensors[t].zero_point)
                for t in (*op.inputs, *op.outputs)
            }
            if len(scales) != 1:
                problems.append(
                    "operands and result have different scales, which TFLite ignores; requantise them first"
                )
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        a, b = broadcast(graph, op, values)
        return [(np.maximum if self.largest else np.minimum)(a, b).astype(graph.tensors[op.outputs[0]].element)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return Expression(f"tl_{'max' if self.largest else 'min'}({operands[0]}, {operands[1]})")
