"""Operators that move no bytes: RESHAPE, SQUEEZE, EXPAND_DIMS, and SPLIT, SLICE, STRIDED_SLICE of contiguous parts."""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.base import Array, ViewRule


class Reshape(ViewRule):
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements in the same order."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if x.size != y.size:
            return [f"{x.size} elements cannot be reshaped into {y.shape}"]
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        return [values[0].reshape(graph.tensors[op.outputs[0]].shape)]

    def offset(self, graph: Graph, op: Operator, output: int) -> int | None:
        return 0


class Part(ViewRule):
    """SPLIT, SPLIT_V, SLICE, STRIDED_SLICE: what of the input each output is, found with NumPy's own slicing."""

    def _parts(self, graph: Graph, op: Operator, x: Array) -> list[Array]:
        constants = [graph.tensors[t].data for t in op.inputs]
        if op.kind == "SPLIT":
            axis = int(np.asarray(constants[0]).item())
            return list(np.split(x, len(op.outputs), axis=axis))
        if op.kind == "SPLIT_V":
            sizes, axis_array = np.asarray(constants[1]), np.asarray(constants[2])
            return list(np.split(x, np.cumsum(sizes)[:-1], axis=int(axis_array.item())))
        if op.kind == "SLICE":
            begin, size = np.asarray(constants[1]).tolist(), np.asarray(constants[2]).tolist()
            ends = [b + s if s >= 0 else n for b, s, n in zip(begin, size, x.shape, strict=True)]
            return [x[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]]
        return [_strided(x, op, *(np.asarray(c).tolist() for c in constants[1:]))]

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = []
        source = op.inputs[1] if op.kind == "SPLIT" else op.inputs[0]
        for tensor in op.inputs:
            if tensor != source and not graph.is_constant(tensor):
                problems.append(f"{graph.tensors[tensor].name} is computed: sizes and axes must be constants")
        if op.attributes.get("ellipsis_mask") or op.attributes.get("new_axis_mask"):
            problems.append("an ellipsis or a new axis in STRIDED_SLICE is not supported; slice every axis by name")
        if not problems and any(self.offset(graph, op, i) is None for i in range(len(op.outputs))):
            problems.append(f"the part taken of {graph.tensors[source].shape} is not contiguous; move the axis to the front")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x = values[1] if op.kind == "SPLIT" else values[0]
        assert x is not None
        parts = self._parts(graph, op, x)
        return [part.reshape(graph.tensors[t].shape) for part, t in zip(parts, op.outputs, strict=True)]

    def offset(self, graph: Graph, op: Operator, output: int) -> int | None:
        source = graph.tensors[op.inputs[1] if op.kind == "SPLIT" else op.inputs[0]]
        part = self._parts(graph, op, np.arange(source.size).reshape(source.shape))[output].ravel()
        first = int(part[0])
        return first if np.array_equal(part, np.arange(first, first + part.size)) else None


def _strided(x: Array, op: Operator, begin: list[int], end: list[int], strides: list[int]) -> Array:
    cuts: list[slice | int] = []
    for axis, (b, e, s) in enumerate(zip(begin, end, strides, strict=True)):
        if op.attributes["shrink_axis_mask"] >> axis & 1:
            cuts.append(b)
        else:
            cuts.append(
                slice(
                    None if op.attributes["begin_mask"] >> axis & 1 else b,
                    None if op.attributes["end_mask"] >> axis & 1 else e,
                    s,
                )
            )
    return np.asarray(x[tuple(cuts)])
