"""The order in which a step graph computes many samples.

What depends on no state of its own is computed for all samples at once. Operators that lie on a cycle through a state
(strongly connected when a state's next value leads to its present one) are computed sample by sample, cycle by cycle.
A state that is read outside of its cycle is what was written one sample before.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tinyloc.codegen.graph import Graph


@dataclass(frozen=True)
class Block:
    """Operators (numbers, in order) that are computed together."""

    operators: tuple[int, ...]
    cycle: bool
    """Sample by sample."""
    results: tuple[int, ...] = ()
    """Of a cycle: tensors that are read elsewhere."""


def blocks(graph: Graph) -> list[Block]:
    """Blocks in an order in which each reads only what earlier ones computed."""
    written = {t: number for number, op in enumerate(graph.operators) for t in op.outputs}
    later = dict(graph.states)
    edges = []
    for number, op in enumerate(graph.operators):
        for t in op.inputs:
            made = written.get(later.get(t, t))
            if made is not None:
                edges.append((made, number))
    count = len(graph.operators)
    ends = np.array(edges or np.zeros((0, 2), int)).T
    matrix = coo_array((np.ones(ends.shape[1]), (ends[0], ends[1])), shape=(count, count))
    _, component = connected_components(matrix, directed=True, connection="strong")
    before: dict[int, set[int]] = {int(c): set() for c in component}
    for source, target in edges:
        if component[source] != component[target]:
            before[int(component[target])].add(int(component[source]))
    cyclic = {int(component[a]) for a, b in edges if a == b}
    found = []
    for own in TopologicalSorter(before).static_order():
        members = tuple(number for number in range(count) if component[number] == own)
        cycle = len(members) > 1 or own in cyclic
        found.append(Block(members, cycle, _read_elsewhere(graph, members) if cycle else ()))
    return found


def _read_elsewhere(graph: Graph, members: Sequence[int]) -> tuple[int, ...]:
    made = {t for number in members for t in graph.operators[number].outputs}
    later = dict(graph.states)
    others = (op for number, op in enumerate(graph.operators) if number not in members)
    read = {later.get(t, t) for op in others for t in op.inputs} | set(graph.outputs)
    return tuple(sorted(made & read))
