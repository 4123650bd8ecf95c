"""A PAD before convolutions becomes their padding: outside of the image they see the zero point, as PAD puts there."""

import dataclasses

import numpy as np

from tinyloc.codegen.graph import Graph, Operator

CONVOLUTIONS = frozenset(("CONV_2D", "DEPTHWISE_CONV_2D"))


def _border(graph: Graph, op: Operator) -> tuple[int, int] | None:
    """(rows above, columns to the left) of a PAD around an image by its zero point, None for another operator."""
    if op.kind not in ("PAD", "PADV2") or len(graph.tensors[op.inputs[0]].shape) != 4:
        return None
    borders = graph.tensors[op.inputs[1]].data
    value = graph.tensors[op.inputs[2]].data if len(op.inputs) > 2 else None
    if borders is None or borders[0].any() or borders[3].any():
        return None
    if value is not None and int(np.ravel(value)[0]) != graph.tensors[op.inputs[0]].zero_point:
        return None
    return int(borders[1, 0]), int(borders[2, 0])


def fold_frames(graph: Graph) -> tuple[Graph, list[str]]:
    """Convolutions read the image itself, with attribute `border`, where all that read the PAD are such."""
    borders: dict[int, tuple[Operator, tuple[int, int]]] = {}  # padded image -> its PAD and border
    notes: list[str] = []
    operators: list[Operator] = []
    for op in graph.operators:
        border = _border(graph, op)
        if border is not None and op.outputs[0] not in graph.results:
            readers = [graph.operators[i] for i in graph.consumers(op.outputs[0])]
            if readers and all(reader.kind in CONVOLUTIONS for reader in readers):
                borders[op.outputs[0]] = op, border
                notes.append(f"{op.origin[0]}: the padding of {', '.join(reader.origin[0] for reader in readers)}")
                continue
        if op.inputs and op.inputs[0] in borders:
            pad, at = borders[op.inputs[0]]
            op = dataclasses.replace(
                op,
                inputs=(pad.inputs[0], *op.inputs[1:]),
                attributes={**op.attributes, "border": at, "framed": graph.tensors[op.inputs[0]].shape},
                origin=(*pad.origin, *op.origin),
            )
        operators.append(op)
    return graph.with_operators(operators), notes
