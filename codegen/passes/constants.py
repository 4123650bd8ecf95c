"""Fold constants: an operator whose operands are all constant is run here and becomes a constant."""

import dataclasses

import numpy as np

from tinyloc.codegen.graph import Graph
from tinyloc.codegen.semantics.operator_table import rule_of


def fold_constants(graph: Graph) -> tuple[Graph, list[str]]:
    """Graph without operators on constants only, and a line a fold."""
    tensors = list(graph.tensors)
    kept, notes = [], []
    for op in graph.operators:
        operands = [t for t in op.inputs if t != -1]
        rule = rule_of(graph, op)
        if rule is None or not operands or any(tensors[t].data is None for t in operands):
            kept.append(op)
            continue
        current = dataclasses.replace(graph, tensors=tuple(tensors))
        values = rule.reference(current, op, [None if t == -1 else tensors[t].data for t in op.inputs])
        for tensor, value in zip(op.outputs, values, strict=True):
            tensors[tensor] = dataclasses.replace(tensors[tensor], data=np.ascontiguousarray(value))
        notes.append(f"{op.origin[0]}: computed at compile time")
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(kept)), notes
