"""Operators that only name elements: RESHAPE, SQUEEZE, EXPAND_DIMS, and SPLIT, SLICE, STRIDED_SLICE, UNPACK, TRANSPOSE.

Where the elements lie in one piece they move no bytes; else passes/copy_scattered_views.py makes copies of them.
"""

from types import EllipsisType

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.base import ViewRule


class Reshape(ViewRule):
    """RESHAPE, SQUEEZE, EXPAND_DIMS: the same elements in the same order."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if x.size != y.size:
            return [f"{x.size} elements cannot be reshaped into {y.shape}"]
        return []

    def views(self, graph: Graph, op: Operator, x: Array) -> list[Array]:
        return [x.reshape(graph.tensors[op.outputs[0]].shape)]

    def offset(self, graph: Graph, op: Operator, output: int) -> int | None:
        return 0


class Part(ViewRule):
    """What of the input each output is, found with NumPy's own slicing."""

    def source(self, op: Operator) -> int:
        return op.inputs[1] if op.kind == "SPLIT" else op.inputs[0]

    def views(self, graph: Graph, op: Operator, x: Array) -> list[Array]:
        constants = [graph.tensors[t].data for t in op.inputs]
        if op.kind == "SPLIT":
            axis = int(np.asarray(constants[0]).item())
            return list(np.split(x, len(op.outputs), axis=axis))
        if op.kind == "SPLIT_V":
            axis = int(np.asarray(constants[2]).item())
            cuts = np.cumsum(_split_sizes(np.asarray(constants[1]), x.shape[axis]))[:-1]
            return [part for part in np.split(x, cuts, axis=axis) if part.size]  # the reader drops empty ones
        if op.kind == "UNPACK":
            return list(np.moveaxis(x, op.attributes["axis"], 0))
        if op.kind == "TRANSPOSE":
            return [np.transpose(x, np.asarray(constants[1]).tolist())]
        if op.kind == "SLICE":
            begin, size = np.asarray(constants[1]).tolist(), np.asarray(constants[2]).tolist()
            ends = [b + s if s >= 0 else n for b, s, n in zip(begin, size, x.shape, strict=True)]
            return [x[tuple(slice(b, e) for b, e in zip(begin, ends, strict=True))]]
        return [_strided(x, op, *(np.asarray(c).tolist() for c in constants[1:]))]

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return part_problems(self, graph, op)


def part_problems(rule: ViewRule, graph: Graph, op: Operator) -> list[str]:
    """What stands against an operator whose other operands say which elements of its first one it names."""
    source = rule.source(op)
    problems = [
        f"{graph.tensors[tensor].name} is computed: sizes and axes must be constants"
        for tensor in op.inputs
        if tensor != source and not graph.is_constant(tensor)
    ]
    if op.attributes.get("offset"):
        problems.append("ends of STRIDED_SLICE relative to its begins are not supported; use absolute ends")
    if problems:
        return problems
    x = graph.tensors[source]
    try:
        views = rule.views(graph, op, np.zeros(x.shape, dtype=x.element))
    except (ValueError, IndexError, TypeError) as error:
        return [f"sizes and axes do not fit {x.name} of shape {x.shape}: {error}"]
    for view, t in zip(views, op.outputs, strict=False):
        if view.size != graph.tensors[t].size:
            problems.append(
                f"{graph.tensors[t].name} has shape {graph.tensors[t].shape}, the operator gives {view.shape}"
            )
    if len(views) != len(op.outputs):
        problems.append(f"{len(views)} parts for {len(op.outputs)} outputs")
    return problems


_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")


def _split_sizes(sizes: Array, total: int) -> Array:
    """A size of -1 is what the others leave."""
    return np.where(sizes == -1, total - (sizes.sum() + 1), sizes)


def _strided(x: Array, op: Operator, begin: list[int], end: list[int], strides: list[int]) -> Array:
    cuts: list[slice | int | EllipsisType | None] = []
    for axis, (b, e, s) in enumerate(zip(begin, end, strides, strict=True)):
        marked = {name for name in _MASKS if op.attributes[f"{name}_mask"] >> axis & 1}
        if "ellipsis" in marked:
            cuts.append(...)
        elif "new_axis" in marked:
            cuts.append(None)
        elif "shrink_axis" in marked:
            cuts.append((0 if s > 0 else -1) if "begin" in marked else b)
        else:
            cuts.append(slice(None if "begin" in marked else b, None if "end" in marked else e, s))
    return np.asarray(x[tuple(cuts)])
