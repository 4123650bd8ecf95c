"""Bounds of values that are known at compile time. A narrower bound allows a cheaper instruction, never another
result."""

import numpy as np

from tinyloc.codegen.graph import RANGE, Graph
from tinyloc.codegen.operators.table import EXP, table_int16


def value_range(graph: Graph, tensor: int) -> tuple[int, int]:
    """Least and greatest quantised value that a tensor can hold."""
    known = graph.tensors[tensor]
    if known.data is not None:
        return int(known.data.min()), int(known.data.max())
    kind, source = _producer(graph, tensor)
    low, high = RANGE[known.element]
    if kind == "LOGISTIC":
        return (0, high) if known.element == "int16" else (low, high)
    if kind == "EXP" and known.element == "int16" and source != -1:
        # interpolation stays between entries; where the curve is steep, their correction makes some negative
        table = table_int16(graph.tensors[source], known, EXP.function)
        return (0, high) if table.min() >= 0 else (low, high)
    return low, high


def _producer(graph: Graph, tensor: int) -> tuple[str, int]:
    for op in graph.operators:
        for inner in op.attributes.get("body", (op,)):
            if tensor in inner.outputs:
                return inner.kind, inner.inputs[0]
    return "", -1


def magnitude(bounds: tuple[int, int], zero_point: int) -> int:
    """Largest |value - zero_point|."""
    return int(np.abs(np.array(bounds) - zero_point).max())
