"""LOOP, ours: a fused chain of element-wise operators and sums. The reference runs the body operator by operator."""

from collections.abc import Mapping, Sequence

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.base import Rule


class Loop(Rule):
    """Attributes: `body` (operators in order), `axes` (sizes, outermost first), `mapping` (tensor -> axes)."""

    def __init__(self, rules: Mapping[str, Rule], by_element: Mapping[tuple[str, str], Rule]) -> None:
        self.rules, self.by_element = rules, by_element

    def rule(self, graph: Graph, op: Operator) -> Rule:
        """The rule of an operator of the body."""
        return self.rules.get(op.kind) or self.by_element[op.kind, graph.tensors[op.inputs[0]].element]

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        known: dict[int, Array] = {t: v for t, v in zip(op.inputs, values, strict=True) if v is not None}
        for inner in op.attributes["body"]:
            results = self.rule(graph, inner).reference(graph, inner, [known[t] for t in inner.inputs])
            known.update(zip(inner.outputs, results, strict=True))
        return [known[t] for t in op.outputs]
