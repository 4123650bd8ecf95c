"""Bounds of values that are known at compile time. A narrower bound allows a cheaper instruction, never another
result."""

import math

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import in_data_mode
from tinyloc.codegen.arithmetic.lookup_tables import (
    Function,
    exp_function,
    log_function,
    rsqrt_function,
    table_int16,
)
from tinyloc.codegen.graph import RANGE, Graph, Operator

VIEWS = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
_TABLES: dict[str, Function] = {"EXP": exp_function, "LOG": log_function, "RSQRT": rsqrt_function}


def value_range(graph: Graph, tensor: int) -> tuple[int, int]:
    """Least and greatest quantised value that a tensor can hold."""
    known = graph.tensors[tensor]
    if known.data is not None and not in_data_mode():
        return int(known.data.min()), int(known.data.max())
    op = _producer(graph, tensor)
    low, high = RANGE[known.element]
    if op is None or known.element != "int16":
        return low, high
    if op.kind == "LOGISTIC":
        return 0, high
    if op.kind in VIEWS:
        return value_range(graph, op.inputs[0])
    if op.kind in _TABLES and not in_data_mode():
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        first, last = (256 + (value >> 7) for value in value_range(graph, op.inputs[0]))
        entries = table_int16(x, y, _TABLES[op.kind])[first : last + 2].astype(np.int64)
        # interpolation stays between entries, unless a step leaves 16 bits
        return (low, high) if np.abs(np.diff(entries)).max() >= 1 << 15 else (int(entries.min()), int(entries.max()))
    if op.kind == "MUL":  # the sign alone
        products = [a * b for a in value_range(graph, op.inputs[0]) for b in value_range(graph, op.inputs[1])]
        if _loses_bits(graph, op, max(abs(product) for product in products)):
            return low, high
        return (0 if min(products) >= 0 else low), (0 if max(products) <= 0 else high)
    return low, high


def _loses_bits(graph: Graph, op: Operator, product: int) -> bool:
    """Whether a product of this size may leave 32 bits before it is scaled."""
    a, b, y = (graph.tensors[t].scale for t in (*op.inputs, op.outputs[0]))
    return math.ldexp(product * max(a * b / y, 0.0), 1) >= 2**31


def moved_range(graph: Graph, tensor: int) -> tuple[int, int]:
    """Least and greatest value - zero point."""
    low, high = value_range(graph, tensor)
    zero = graph.tensors[tensor].zero_point
    return low - zero, high - zero


def _producer(graph: Graph, tensor: int) -> Operator | None:
    for op in graph.operators:
        for inner in op.attributes.get("body", (op,)):
            if tensor in inner.outputs:
                return inner
    return None
