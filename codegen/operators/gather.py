"""GATHER with constant indices: slices along one axis, in the order of the indices."""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, quantised_problems, shape_problems


class Gather(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        indices = graph.tensors[op.inputs[1]]
        if indices.data is None:
            return [*problems, f"the indices {indices.name} are computed; they must be constants"]
        x, axis = graph.tensors[op.inputs[0]], self._axis(graph, op)
        if op.attributes["batch_dims"]:
            problems.append("batch dimensions are not supported; gather from each batch separately")
        if not 0 <= axis < len(x.shape) or indices.data.min() < 0 or indices.data.max() >= x.shape[axis]:
            return [*problems, f"indices {indices.name} reach outside axis {axis} of {x.name} {x.shape}"]
        shape = (*x.shape[:axis], *indices.shape, *x.shape[axis + 1 :])
        return problems + shape_problems(graph, op.outputs[0], shape)

    @staticmethod
    def _axis(graph: Graph, op: Operator) -> int:
        axis = int(op.attributes["axis"])
        return axis + len(graph.tensors[op.inputs[0]].shape) if axis < 0 else axis

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        return [np.take(values[0], np.asarray(graph.tensors[op.inputs[1]].data), axis=self._axis(graph, op))]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, axis = graph.tensors[op.inputs[0]], self._axis(graph, op)
        indices = np.asarray(graph.tensors[op.inputs[1]].data).ravel()
        constant = Constant(f"{prefix}_indices", "int32_t", indices, f"[{indices.size}]")
        size = prod(x.shape[axis + 1 :]) * BYTES[x.element]
        outer, row = prod(x.shape[:axis]), x.shape[axis]
        call = f"tl_gather((uint8_t *)y, x0, {constant.name}, {indices.size}, {outer}, {row}, {size});"
        return Lowered((call,), (constant,), ("tl_copy.h",))
