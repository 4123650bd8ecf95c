"""SPACE_TO_BATCH_ND with a border, and BATCH_TO_SPACE_ND that crops, as two operators each.

Runs on the graph as read, before it is checked, so that the rules see the plain rearrangement only.
"""

import dataclasses

import numpy as np

from tinyloc.codegen.graph import Graph, Operator, Tensor

INT32 = np.int32


def split_borders(graph: Graph) -> Graph:
    """The border becomes a PAD before, the cropping a SLICE after."""
    operators: list[Operator] = []
    for op in graph.operators:
        borders = _borders(graph, op)
        if borders is None or not borders.any():
            operators.append(op)
            continue
        around = np.zeros((len(graph.tensors[op.inputs[0]].shape), 2), INT32)
        around[1 : 1 + len(borders)] = borders
        whole = dataclasses.replace(op, inputs=op.inputs[:2])
        if op.kind == "SPACE_TO_BATCH_ND":
            x = graph.tensors[op.inputs[0]]
            graph, wide = graph.with_tensor(_resized(x, tuple(np.add(x.shape, around.sum(axis=1)).tolist())))
            graph, pads = graph.with_tensor(_indices(f"{x.name} border", around))
            operators.append(Operator("PAD", (op.inputs[0], pads), (wide,), {}, op.origin))
            operators.append(dataclasses.replace(whole, inputs=(wide, op.inputs[1])))
            continue
        y = graph.tensors[op.outputs[0]]
        graph, wide = graph.with_tensor(_resized(y, tuple(np.add(y.shape, around.sum(axis=1)).tolist())))
        graph, begin = graph.with_tensor(_indices(f"{y.name} begin", around[:, 0].copy()))
        graph, size = graph.with_tensor(_indices(f"{y.name} size", np.array(y.shape, INT32)))
        operators.append(dataclasses.replace(whole, outputs=(wide,)))
        operators.append(Operator("SLICE", (wide, begin, size), op.outputs, {}, op.origin))
    return graph.with_operators(operators)


def _borders(graph: Graph, op: Operator) -> "np.ndarray[tuple[int, ...], np.dtype[np.int32]] | None":
    if op.kind not in ("SPACE_TO_BATCH_ND", "BATCH_TO_SPACE_ND") or len(op.inputs) != 3:
        return None
    data = graph.tensors[op.inputs[2]].data
    return None if data is None or data.ndim != 2 else data.astype(INT32)


def _resized(tensor: Tensor, shape: tuple[int, ...]) -> Tensor:
    return dataclasses.replace(tensor, name=f"{tensor.name} with its border", shape=shape)


def _indices(name: str, values: "np.ndarray[tuple[int, ...], np.dtype[np.int32]]") -> Tensor:
    return Tensor(name, values.shape, "int32", None, values)
