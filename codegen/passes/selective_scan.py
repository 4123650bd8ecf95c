"""The 15 operators of a selective scan on int16, as export/step_form.py writes them, become one SELECTIVE_SCAN.

    l = LOG(LOGISTIC(a))          decay = EXP(l * rates)          h' = decay * h + (l * u) * B
    y = (BATCH_MATMUL(C, h') + D * u) * (z * LOGISTIC(z))

with RESHAPE and the like anywhere. It is found backwards from the last product. This is the one pass that changes what
is computed: operators/selective_scan.py has the arithmetic, which rounds less often than the operators it stands for.
So it runs before all others, on what the compiler and the host's reference both start from (source.py).
"""

import dataclasses
from collections.abc import Callable

import numpy as np

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.operators.selective_scan import KIND, SelectiveScan
from tinyloc.codegen.semantics.operator_table import rule_of


class _NoMatch(Exception):
    pass


class _Match:
    """Walks from the last product up to the operands; `inside` are the operators on the way."""

    def __init__(self, graph: Graph, last: int) -> None:
        self.graph = graph
        self.producer = {t: i for i, op in enumerate(graph.operators) for t in op.outputs}
        self.inside: set[int] = set()
        self.last = last

    def seen_through(self, tensor: int) -> int:
        """The tensor behind views, which are inside from then on."""
        while (i := self.producer.get(tensor)) is not None and self._is_whole_view(i):
            self.inside.add(i)
            tensor = self.graph.operators[i].inputs[0]
        return tensor

    def _is_whole_view(self, i: int) -> bool:
        op = self.graph.operators[i]
        rule = rule_of(self.graph, op)
        if not isinstance(rule, ViewRule) or len(op.outputs) != 1:
            return False
        sizes = [self.graph.tensors[t].size for t in (op.inputs[0], op.outputs[0])]
        return sizes[0] == sizes[1] and rule.offset(self.graph, op, 0) == 0

    def operands(self, kind: str, tensor: int) -> tuple[int, ...]:
        """Operands of the operator that makes a tensor, if it is of this kind and without an activation."""
        i = self.producer.get(self.seen_through(tensor))
        if i is None or self.graph.operators[i].kind != kind or self.graph.operators[i].attributes.get("activation"):
            raise _NoMatch
        self.inside.add(i)
        return self.graph.operators[i].inputs

    def source(self, kind: str, tensor: int) -> int:
        """The operand of a unary operator."""
        return self.operands(kind, tensor)[0]

    def either(self, kind: str, tensor: int, rest: Callable[[int, int], tuple[int, ...]]) -> tuple[int, ...]:
        """What `rest` makes of the two operands in the order that fits."""
        first, second = self.operands(kind, tensor)
        inside = set(self.inside)
        try:
            return rest(first, second)
        except _NoMatch:
            self.inside = inside
            return rest(second, first)

    def constant(self, tensor: int) -> int:
        tensor = self.seen_through(tensor)
        if not self.graph.is_constant(tensor):
            raise _NoMatch
        return tensor

    def same(self, *tensors: int) -> int:
        found = {self.seen_through(t) for t in tensors}
        if len(found) != 1:
            raise _NoMatch
        return found.pop()

    def step_size(self, tensor: int) -> int:
        """a of l = LOG(LOGISTIC(a))."""
        return self.seen_through(self.operands("LOGISTIC", self.operands("LOG", tensor)[0])[0])

    def decayed(self, tensor: int) -> tuple[int, int, int]:
        """(a, rates, h) of EXP(l * rates) * h."""
        power, h = self.either("MUL", tensor, lambda power, h: (self.operands("EXP", power)[0], self.seen_through(h)))
        a, rates = self.either("MUL", power, lambda step, rates: (self.step_size(step), self.constant(rates)))
        return a, rates, h

    def driven(self, tensor: int) -> tuple[int, int, int]:
        """(a, u, B) of (l * u) * B."""

        def scaled_input(product: int) -> tuple[int, ...]:
            return self.either("MUL", product, lambda step, u: (self.step_size(step), self.seen_through(u)))

        a, u, b = self.either("MUL", tensor, lambda product, b: (*scaled_input(product), self.seen_through(b)))
        return a, u, b

    def silu(self, tensor: int) -> int:
        """z of z * LOGISTIC(z)."""
        return self.either("MUL", tensor, lambda z, gate: (self.same(z, self.operands("LOGISTIC", gate)[0]),))[0]

    def skipped(self, tensor: int) -> tuple[int, ...]:
        """(u, D) of u * D."""
        return self.either("MUL", tensor, lambda u, d: (self.seen_through(u), self.constant(d)))

    def scan(self) -> tuple[Operator, Tensor]:
        """The operator, whose last operand is still to be added: the rates by channel. Raises _NoMatch."""
        y = self.graph.operators[self.last].outputs[0]
        total, z = self.either("MUL", y, lambda total, gate: (total, self.silu(gate)))
        read, u, d = self.either("ADD", total, lambda read, skip: (read, *self.skipped(skip)))
        c, matrix = self.operands("BATCH_MATMUL", read)
        c, h_after = self.seen_through(c), self.seen_through(matrix)
        a, rates, h, *driven_by, b = self.either(
            "ADD", h_after, lambda kept, new: (*self.decayed(kept), *self.driven(new))
        )
        after = [t for before, t in self.graph.states if before == h and self.seen_through(t) == h_after]
        tensors, shape = self.graph.tensors, self.graph.tensors[matrix].shape[-2:]  # (N, E)
        table = tensors[rates]
        sizes = [tensors[t].size for t in (b, c, a, u, z, d)]
        if len(after) != 1 or driven_by != [a, u] or table.element != "int16" or table.shape[-2:] != shape:
            raise _NoMatch
        if len(shape) != 2 or sizes != [shape[0]] * 2 + [shape[1]] * 4 or table.size != shape[0] * shape[1]:
            raise _NoMatch
        assert table.data is not None
        by_channel = np.ascontiguousarray(table.data.reshape(shape).T)
        operator = Operator(
            KIND,
            (a, u, b, c, z, h, d),
            (after[0], y),
            {"sum_scale": tensors[self.seen_through(total)].scale},
            tuple(name for i in sorted(self.inside) for name in self.graph.operators[i].origin),
        )
        return operator, dataclasses.replace(
            table, name=f"{table.name}, by channel", shape=by_channel.shape, data=by_channel
        )

    def alone(self, operator: Operator) -> bool:
        """Whether nobody else reads what the operators on the way write."""
        for i in self.inside:
            for t in self.graph.operators[i].outputs:
                if t not in operator.outputs and t in self.graph.results:
                    return False
                if t != operator.outputs[1] and not self.inside.issuperset(self.graph.consumers(t)):
                    return False
        return True


def fuse_selective_scan(graph: Graph) -> tuple[Graph, list[str]]:
    """Each scan becomes one operator; a line for each, also where one is left as it is because of its scales."""
    notes: list[str] = []
    last = 0
    while last < len(graph.operators):
        match = _Match(graph, last)
        try:
            operator, rates = match.scan()
        except _NoMatch:
            last += 1
            continue
        wider, number = graph.with_tensor(rates)
        operator = dataclasses.replace(operator, inputs=(*operator.inputs, number))
        what = f"{' + '.join(operator.origin)}: "
        problems = SelectiveScan().problems(wider, operator) if match.alone(operator) else ["others read parts of it"]
        last += 1
        if problems:
            notes.append(f"{what}left as LiteRT computes it: {'; '.join(problems)}")
            continue
        kept = [
            operator if i == match.last else op
            for i, op in enumerate(graph.operators)
            if i == match.last or i not in match.inside
        ]
        notes.append(f"{what}one selective scan, with tinyloc's own rounding: LiteRT's answers differ in the last bits")
        graph, last = wider.with_operators(kept), 0
    return graph, notes
