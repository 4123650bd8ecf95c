"""CONCATENATION and PACK without copies: a part is written where it belongs in the whole by the layer that makes it.

Runs when memory is planned, which decides whether it pays: the whole must exist from the first part on. A part stays a
copy when it is an argument, a state, a constant, a result, stands in two places, lies scattered in the whole, or would
start off a word.
"""

import dataclasses
from math import prod

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import ALIGNMENT
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.semantics.operator_table import rule_of

JOIN = "JOIN"


def part_offsets(graph: Graph, op: Operator) -> list[int] | None:
    """Byte offset of each operand in the result; None where they are interleaved."""
    y = graph.tensors[op.outputs[0]]
    if op.kind not in ("CONCATENATION", "PACK") or prod(y.shape[: op.attributes["axis"] % len(y.shape)]) != 1:
        return None
    sizes = [graph.tensors[t].size * BYTES[y.element] for t in op.inputs]
    return [sum(sizes[:i]) for i in range(len(sizes))]


def join_in_place(graph: Graph) -> tuple[Graph, list[str]]:
    """The graph with JOINs for the CONCATENATIONs of which some part can be in place, and a line for each.

    A JOIN has the attribute `placed`: byte offset of each such operand, by its position.
    """
    bases = _bases(graph)
    fixed = {bases.get(t, t) for t in graph.results} | set(graph.sources)
    made = {t for op in graph.operators if not isinstance(rule_of(graph, op), ViewRule) for t in op.outputs}
    taken: set[int] = set()
    operators, notes = [], []
    for op in graph.operators:
        offsets = part_offsets(graph, op)
        if offsets is None or op.outputs[0] in fixed:
            operators.append(op)
            continue
        roots = [bases.get(t, t) for t in op.inputs]
        placed = {
            position: offset
            for position, (offset, root) in enumerate(zip(offsets, roots, strict=True))
            if root in made - fixed - taken
            and roots.count(root) == 1
            and offset % ALIGNMENT == 0
            and graph.tensors[root].bytes == graph.tensors[op.inputs[position]].bytes
        }
        taken |= {roots[position] for position in placed}
        if placed:
            operators.append(
                dataclasses.replace(op, kind=JOIN, attributes={"placed": placed, "offsets": offsets, "whole": op})
            )
            notes.append(f"{op.origin[0]}: {len(placed)} of {len(op.inputs)} parts are written in their place")
        else:
            operators.append(op)
    return graph.with_operators(operators), notes


def _bases(graph: Graph) -> dict[int, int]:
    """For each view that is all of a tensor, from its first byte on, that tensor; for any other view -1."""
    bases: dict[int, int] = {}
    for op in graph.operators:
        rule = rule_of(graph, op)
        if not isinstance(rule, ViewRule):
            continue
        source = rule.source(op)
        for number, y in enumerate(op.outputs):
            whole = rule.offset(graph, op, number) == 0 and graph.tensors[y].bytes == graph.tensors[source].bytes
            bases[y] = bases.get(source, source) if whole else -1
    return bases
