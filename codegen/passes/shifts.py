"""A state that holds the last rows of a stream: joined with a new row, its next value leaves out the oldest."""

from dataclasses import dataclass

from tinyloc.codegen.graph import Graph
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.semantics.operator_table import rule_of


@dataclass(frozen=True)
class Shift:
    """One match: indices of tensors and operators."""

    before: int
    after: int
    window: int  # (1, T * R): the result of CONCATENATION
    concat: int
    keep: int  # the operator that makes `after`
    row: int  # R
    slots: int  # T


def find_shift(graph: Graph, before: int, after: int) -> Shift | None:
    """Match one state; None when it is no such state."""
    users, keep = graph.consumers(before), graph.producer(after)
    if len(users) != 1 or keep is None or before in graph.results or graph.consumers(after) or after in graph.outputs:
        return None
    concat, cut = graph.operators[users[0]], graph.operators[keep]
    rule = rule_of(graph, cut)
    if concat.kind != "CONCATENATION" or concat.inputs[0] != before or not isinstance(rule, ViewRule):
        return None
    window, kept = graph.tensors[concat.outputs[0]], graph.tensors[before].size
    row = window.size - kept
    lead = window.shape[: concat.attributes["axis"] % len(window.shape)]
    whole = len(cut.outputs) == 1 and rule.source(cut) == concat.outputs[0] and rule.offset(graph, cut, 0) == row
    if not whole or set(lead) - {1} or kept % row or any(graph.is_constant(t) for t in concat.inputs):
        return None
    if sum(after == result for result in graph.results) != 1:
        return None
    return Shift(before, after, concat.outputs[0], users[0], keep, row, kept // row + 1)
