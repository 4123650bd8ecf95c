"""int8 operators that depend on one value only become a table of 256 entries.

A cone is a set of element-wise operators between one int8 tensor, the root, and one int8 result, all of the same shape,
other operands being single constants. Softplus written with seven operators is one look-up. The table is filled by
running the cone on all 256 inputs, so it is exact by construction.
"""

import dataclasses

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.base import ElementWise
from tinyloc.codegen.semantics.integer_graph import run_graph
from tinyloc.codegen.semantics.operator_table import rule_of

CHEAP_ALONE = {"QUANTIZE", "NEG", "ABS", "RELU", "RELU6", "RELU_N1_TO_1", "ADD", "SUB", "MUL", "MAXIMUM", "MINIMUM"}
"""A single one of these is cheaper as arithmetic than as 256 bytes."""


def _roots(graph: Graph) -> dict[int, int]:
    """For each tensor the root of its cone; a tensor that no cone computes is its own root."""
    roots: dict[int, int] = {}
    for op in graph.operators:
        y = op.outputs[0]
        if not isinstance(rule_of(graph, op), ElementWise) or graph.tensors[y].element != "int8":
            continue
        variable = [t for t in op.inputs if not graph.is_constant(t)]
        constants = [t for t in op.inputs if graph.is_constant(t)]
        candidates = {roots.get(t, t) for t in variable}
        if len(candidates) != 1 or any(graph.tensors[t].size != 1 for t in constants):
            continue
        (root,) = candidates
        if graph.tensors[root].element == "int8" and all(
            graph.tensors[t].shape == graph.tensors[y].shape for t in (*variable, root)
        ):
            roots[y] = root
    return roots


def _cone(graph: Graph, result: int, root: int) -> list[Operator]:
    """Operators from root to result, in order."""
    found: set[int] = set()
    pending = [result]
    while pending:
        producer = graph.producer(pending.pop())
        if producer is not None and producer not in found:
            found.add(producer)
            pending += [t for t in graph.operators[producer].inputs if t != root]
    return [graph.operators[i] for i in sorted(found)]


def _tabulate(graph: Graph, cone: list[Operator], root: int, result: int) -> np.ndarray:  # type: ignore[type-arg]
    """The cone on all inputs, in the order of the input cast to uint8."""
    inputs = np.concatenate([np.arange(128), np.arange(-128, 0)]).astype(np.int8)
    inside = {root, *(op.outputs[0] for op in cone)}
    used = sorted({*inside, *(t for op in cone for t in op.inputs)} - {-1})
    place = {t: i for i, t in enumerate(used)} | {-1: -1}
    kept = ((i, graph.tensors[i]) for i in used)
    tensors = (dataclasses.replace(t, shape=(256,)) if i in inside else t for i, t in kept)
    operators = (
        dataclasses.replace(op, inputs=tuple(place[t] for t in op.inputs), outputs=(place[op.outputs[0]],))
        for op in cone
    )
    small = Graph("cone", tuple(tensors), tuple(operators), (place[root],), (place[result],))
    return run_graph(small, {place[root]: inputs})[place[result]]


def fold_tables(graph: Graph) -> tuple[Graph, list[str]]:
    """Each cone's result is read from a table; what only the cone used is left to drop_dead."""
    roots = _roots(graph)
    operators, notes = [], []
    for op in graph.operators:
        y = op.outputs[0]
        if y not in roots:
            operators.append(op)
            continue
        inner_only = (
            all(graph.operators[user].outputs[0] in roots for user in graph.consumers(y)) and y not in graph.results
        )
        cone = [] if inner_only else _cone(graph, y, roots[y])
        if inner_only or (len(cone) == 1 and op.kind in CHEAP_ALONE):
            operators.append(op)
            continue
        origin = tuple(name for inner in cone for name in inner.origin)
        operators.append(Operator("TABLE", (roots[y],), (y,), {"table": _tabulate(graph, cone, roots[y], y)}, origin))
        notes.append(f"{' -> '.join(origin)}: one table of 256 entries")
    return graph.with_operators(operators), notes
