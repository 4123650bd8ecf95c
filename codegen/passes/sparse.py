"""A first layer fed by raw scans walks the heard access points only.

A radio scan names what it hears, 18 of 520 in UJIIndoorLoc; what it does not name equals the input's zero point and
adds nothing to a sum of w * (x - zero point). The weights are stored column by column.
"""

import dataclasses

from tinyloc.codegen.graph import Graph

SPARSE_FROM = 64
"""Inputs from which on the layer is sparse; below, a dense scan is cheaper than the list of its entries."""


def mark_sparse_input(graph: Graph) -> tuple[Graph, list[str]]:
    """Sets the attribute `sparse` on the FULLY_CONNECTED that alone reads a wide input."""
    (reading,) = graph.inputs
    users = graph.consumers(reading)
    if graph.tensors[reading].size < SPARSE_FROM or len(users) != 1 or reading in graph.results:
        return graph, []
    op = graph.operators[users[0]]
    depth = graph.tensors[op.inputs[1]].shape[-1] if op.kind == "FULLY_CONNECTED" else 0
    if depth != graph.tensors[reading].size or op.inputs[0] != reading:
        return graph, []
    operators = list(graph.operators)
    operators[users[0]] = dataclasses.replace(op, attributes={**op.attributes, "sparse": 1})
    note = f"{op.origin[0]}: sparse, {depth} inputs stored column by column, only the heard ones are visited"
    return graph.with_operators(operators), [note]
