"""JOIN, ours: a CONCATENATION or PACK of which some parts are where they belong already, see passes/joins.py.

Attributes: `whole`, the operator it was; `offsets`, where each part belongs, in bytes; `placed`, the parts that are.
"""

from collections.abc import Callable, Sequence

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, Rule
from tinyloc.codegen.operators.concatenation import copied_parts


class Join(KernelRule):
    def __init__(self, rule_of: Callable[[Graph, Operator], Rule | None]) -> None:
        self.rule_of = rule_of

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        rule = self.rule_of(graph, op.attributes["whole"])
        assert rule is not None
        return rule.reference(graph, op.attributes["whole"], values)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        return copied_parts(graph, op, prefix)
