"""REDUCE_MAX and REDUCE_MIN over any axes, on the raw integers: input and output have one scale."""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, quantised_problems
from tinyloc.codegen.operators.reduce import axes_problems, reduced_axes, reduction


class ReduceExtreme(KernelRule):
    """`largest`, else the smallest."""

    def __init__(self, largest: bool) -> None:
        self.largest = largest

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        return problems or axes_problems(graph, op) or moved_problems(graph, op, 1)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        extreme = (np.max if self.largest else np.min)(values[0], axis=reduced_axes(graph, op))
        return [np.asarray(extreme).reshape(graph.tensors[op.outputs[0]].shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        element = graph.tensors[op.inputs[0]].element
        start = f"{element}_t best = {RANGE[element][0 if self.largest else 1]};"
        sign = ">" if self.largest else "<"
        step = f"best = {{x}} {sign} best ? {{x}} : best;"
        return Lowered(reduction(graph, op, start, step, "*y++ = best;"), (), ("tl_fixed.h",))
