"""Drop operators that change nothing: QUANTIZE between equal scales, views of the same shape, and values nobody
reads."""

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.semantics.operator_table import rule_of


def _is_identity(graph: Graph, op: Operator) -> bool:
    if len(op.outputs) != 1:
        return False
    rule = rule_of(graph, op)
    source = rule.source(op) if isinstance(rule, ViewRule) else op.inputs[0]
    x, y = graph.tensors[source], graph.tensors[op.outputs[0]]
    if x.shape != y.shape or x.element != y.element:
        return False
    if isinstance(rule, ViewRule):
        return rule.offset(graph, op, 0) == 0
    return op.kind == "QUANTIZE" and (np.float32(x.scale), x.zero_point) == (np.float32(y.scale), y.zero_point)


def drop_identities(graph: Graph) -> tuple[Graph, list[str]]:
    """Uses of an identity's output read its input instead."""
    mapping: dict[int, int] = {}
    kept, notes = [], []
    for op in graph.operators:
        if _is_identity(graph, op):
            mapping[op.outputs[0]] = op.inputs[1] if op.kind == "SPLIT" else op.inputs[0]
            notes.append(f"{op.origin[0]}: changes nothing, dropped")
        else:
            kept.append(op)
    return graph.with_operators(kept).replace_uses(mapping), notes


def drop_dead(graph: Graph) -> tuple[Graph, list[str]]:
    """Operators none of whose outputs is used are removed."""
    alive = set(graph.results)
    kept, notes = [], []
    for op in reversed(graph.operators):
        if any(t in alive for t in op.outputs):
            kept.append(op)
            alive.update(t for t in op.inputs if t != -1)
        else:
            notes.append(f"{op.origin[0]}: nobody reads its result, dropped")
    return graph.with_operators(reversed(kept)), notes[::-1]
