"""Parts that do not lie in one piece become copies; what is left are views, which move no bytes."""

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.semantics.operator_table import rule_of


def copy_parts(graph: Graph) -> tuple[Graph, list[str]]:
    """Each output of a view operator that has no offset in its input is made by a COPY of its own."""
    operators, notes = [], []
    for op in graph.operators:
        rule = rule_of(graph, op)
        if not isinstance(rule, ViewRule) or all(rule.offset(graph, op, i) is not None for i in range(len(op.outputs))):
            operators.append(op)
            continue
        source = rule.source(op)
        whole = np.arange(graph.tensors[source].size, dtype=np.int64).reshape(graph.tensors[source].shape)
        for y, part in zip(op.outputs, rule.views(graph, op, whole), strict=True):
            attributes = {
                "sizes": part.shape,
                "strides": tuple(stride // whole.itemsize for stride in part.strides),
                "offset": int(part.flat[0]),
            }
            operators.append(Operator("COPY", (source,), (y,), attributes, op.origin))
        notes.append(f"{op.origin[0]}: its result lies scattered in its input, copied")
    return graph.with_operators(operators), notes
