"""Arithmetic on shapes: what converters write for a batch of unknown size is constant once shapes are read as static.

SHAPE -> STRIDED_SLICE -> PACK -> RESHAPE is how a flexible reshape looks. Runs on the graph as read, before
it is checked.
"""

import dataclasses

import numpy as np

from tinyloc.codegen.graph import Graph
from tinyloc.codegen.operators import rule_of

MOVERS = {
    "CONCATENATION", "EXPAND_DIMS", "GATHER", "PACK", "RESHAPE", "SLICE", "SPLIT", "SQUEEZE", "STRIDED_SLICE", "UNPACK",
}  # fmt: skip
"""Operators that only move values, so that their rules hold for indices too."""


def fold_shapes(graph: Graph) -> Graph:
    """SHAPE, and movers of integers that are all constant, become constants."""
    tensors = list(graph.tensors)
    kept = []
    for op in graph.operators:
        outputs = [tensors[t] for t in op.outputs]
        if any(t.element not in ("int32", "int64") or 0 in t.shape for t in outputs):
            kept.append(op)
            continue
        current = dataclasses.replace(graph, tensors=tuple(tensors))
        if op.kind == "SHAPE":
            values = [np.array(tensors[op.inputs[0]].shape)]
        elif op.kind in MOVERS and all(t != -1 and tensors[t].data is not None for t in op.inputs):
            rule = rule_of(current, op)
            assert rule is not None
            values = rule.reference(current, op, [tensors[t].data for t in op.inputs])
        else:
            kept.append(op)
            continue
        for t, value in zip(op.outputs, values, strict=True):
            data = np.ascontiguousarray(value).astype(tensors[t].element).reshape(tensors[t].shape)
            data.flags.writeable = False
            tensors[t] = dataclasses.replace(tensors[t], data=data)
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(kept))
