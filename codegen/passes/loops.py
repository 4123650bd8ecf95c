"""Element-wise chains become one loop, the sum of products at their end included.

A LOOP is a nest over `axes`; its body are the original operators, run on scalars, so that the result keeps every
rounding of the unfused graph and no intermediate value touches memory. An operator whose output lacks the inner axes
runs outside of the inner loops. A BATCH_MATMUL of a vector and a matrix sums over the innermost axis: with it the
selective scan of Mamba (decay, state update, read-out, gate) is a single loop. The order of the axes is chosen so that
all this holds.
"""

import heapq
import itertools
from dataclasses import dataclass, field

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.base import ElementWise
from tinyloc.codegen.semantics.operator_table import rule_of

Mapping_ = dict[int, tuple[int, ...]]

VIEWS = {"RESHAPE", "SQUEEZE", "EXPAND_DIMS"}
LARGEST_GROUP = 256
"""Operators of one loop: the work of joining them grows with the square."""


def extent(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The dimensions that are not 1."""
    return tuple(n for n in shape if n != 1)


@dataclass
class Group:
    """Operators (indices) that share one loop nest."""

    members: list[int]
    axes: tuple[int, ...]
    mapping: Mapping_ = field(default_factory=dict)  # tensor -> loop axis of each of its dimensions that are not 1


def is_reduction(graph: Graph, op: Operator) -> bool:
    """A BATCH_MATMUL of one batch with one row or one column: a sum of products over one axis."""
    if op.kind != "BATCH_MATMUL" or op.attributes.get("adj_x") or op.attributes.get("adj_y"):
        return False
    a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
    depth = a.shape[-1]
    return depth > 1 and y.size == max(y.shape) and {a.size, b.size} == {depth, depth * y.size}


def _mapping(graph: Graph, op: Operator) -> tuple[tuple[int, ...], Mapping_] | None:
    """(axes, axis of each dimension of each operand) of an operator that can be in a loop, else None."""
    y = graph.tensors[op.outputs[0]]
    outer = extent(y.shape)
    own = tuple(range(len(outer)))
    if is_reduction(graph, op):
        a = graph.tensors[op.inputs[0]]
        depth_axis = len(outer)
        by_row = a.size == y.size * a.shape[-1] and y.shape[-1] == 1  # (M, K) x (K, 1), else (1, K) x (K, N)
        matrix = (*own, depth_axis) if by_row else (depth_axis, *own)
        vector = (depth_axis,)
        operands = (matrix, vector) if by_row else (vector, matrix)
        return (*outer, a.shape[-1]), {**dict(zip(op.inputs, operands, strict=True)), op.outputs[0]: own}
    if op.kind in VIEWS:
        x = graph.tensors[op.inputs[0]]
        return (outer, {op.inputs[0]: own, op.outputs[0]: own}) if extent(x.shape) == outer else None
    if not isinstance(rule_of(graph, op), ElementWise):
        return None
    axis_of: dict[int, int] = {}
    for dimension, size in enumerate(y.shape):
        if size != 1:
            axis_of[dimension] = len(axis_of)
    mapping: Mapping_ = {op.outputs[0]: own}
    for tensor in op.inputs:
        shape = graph.tensors[tensor].shape
        shift = len(y.shape) - len(shape)
        axes = tuple(axis_of[d + shift] for d, size in enumerate(shape) if size != 1)
        if mapping.setdefault(tensor, axes) != axes:
            return None
    return outer, mapping


def _join(a: Group, b: Group) -> Group | None:
    """Both groups over the axes of the larger: axes are the same where tensors that both know lie along them."""
    if len(a.axes) < len(b.axes):
        a, b = b, a
    axis: dict[int, int] = {}  # of b -> of a
    for tensor in a.mapping.keys() & b.mapping.keys():
        for ours, theirs in zip(a.mapping[tensor], b.mapping[tensor], strict=True):
            if axis.setdefault(theirs, ours) != ours:
                return None
    if len(axis) != len(b.axes) or len(set(axis.values())) != len(axis):
        return None
    mapping = dict(a.mapping)
    for tensor, axes in b.mapping.items():
        if mapping.setdefault(tensor, tuple(axis[x] for x in axes)) != tuple(axis[x] for x in axes):
            return None
    return Group(sorted(a.members + b.members), a.axes, mapping)


def _reordered(group: Group, order: tuple[int, ...]) -> Group:
    """The same group with its axes nested in another order, outermost first."""
    place = {axis: position for position, axis in enumerate(order)}
    mapping = {tensor: tuple(place[x] for x in axes) for tensor, axes in group.mapping.items()}
    return Group(group.members, tuple(group.axes[axis] for axis in order), mapping)


class _Fusion:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.producer = {t: i for i, op in enumerate(graph.operators) for t in op.outputs}
        self.depends = [{self.producer[t] for t in op.inputs if t in self.producer} for op in graph.operators]
        self.users: list[list[int]] = [[] for _ in graph.operators]
        for i, sources in enumerate(self.depends):
            for source in sources:
                self.users[source].append(i)
        self.groups: dict[int, Group] = {}
        self.group_of: dict[int, int] = {}
        for i, op in enumerate(graph.operators):
            found = _mapping(graph, op)
            # a view of what a loop cannot make stays a view: inside, it would tie the order of the axes
            outside = op.kind in VIEWS and self.producer.get(op.inputs[0]) not in self.groups
            if found is not None and not outside and not self._for_kernel(op):
                self.groups[i] = Group([i], *found)
                self.group_of[i] = i

    def _for_kernel(self, op: Operator) -> bool:
        """A product of int8 whose matrix no loop makes: the kernel takes four of its values at a time."""
        if not is_reduction(self.graph, op) or self.graph.tensors[op.inputs[0]].element != "int8":
            return False
        matrix = max(op.inputs, key=lambda t: self.graph.tensors[t].size)
        return self.producer.get(matrix) not in self.groups

    def _depends(self, i: int) -> set[int]:
        return self.depends[i]

    def _detour(self, members: set[int]) -> bool:
        """Whether a value leaves the members and comes back through an operator outside of them."""
        last = max(members)
        pending = [user for i in members for user in self.users[i] if user not in members]
        tainted: set[int] = set()
        while pending:
            i = pending.pop()
            if i in tainted:
                continue
            # operators of one other group count as one node: they run together
            group = self.group_of.get(i)
            node = self.groups[group].members if group is not None else [i]
            tainted.update(node)
            for inner in node:
                if inner < last and not members.isdisjoint(self.users[inner]):
                    return True
                pending += [user for user in self.users[inner] if user <= last or self._begins_before(user, last)]
        return False

    def _begins_before(self, i: int, last: int) -> bool:
        """Whether an operator runs together with one that comes before `last`."""
        group = self.group_of.get(i)
        return group is not None and min(self.groups[group].members) < last

    def merge(self, a: int, b: int) -> bool:
        """Merge the group of consumer b into that of producer a, when that is legal."""
        if len(self.groups[a].members) + len(self.groups[b].members) > LARGEST_GROUP:
            return False
        joined = _join(self.groups[a], self.groups[b])
        if joined is None or self._detour(set(joined.members)):
            return False
        for order in itertools.permutations(range(len(joined.axes))):
            merged = _reordered(joined, order)
            if self._nests(merged):
                del self.groups[b]
                self.groups[a] = merged
                for i in merged.members:
                    self.group_of[i] = a
                return True
        return False

    def _nests(self, group: Group) -> bool:
        """Every output is indexed by the outer axes; sums run over the innermost; nothing inner waits for a sum."""
        after: set[int] = set()
        members = set(group.members)
        for i in group.members:
            op = self.graph.operators[i]
            own = group.mapping[op.outputs[0]]
            if sorted(own) != list(range(len(own))):
                return False
            inside = self._depends(i) & members
            level = len(own)
            if is_reduction(self.graph, op):
                depth_axis = set(group.mapping[op.inputs[0]] + group.mapping[op.inputs[1]]) - set(own)
                if level + 1 != len(group.axes) or depth_axis != {level} or inside & after:
                    return False
                after.add(i)
                continue
            for source in inside & after:
                if len(group.mapping[self.graph.operators[source].outputs[0]]) < level:
                    return False
            if inside & after:
                after.add(i)
        return True

    def run(self) -> None:
        changed = True
        while changed:
            changed = False
            for i, op in enumerate(self.graph.operators):
                for tensor in op.inputs:
                    source = self.producer.get(tensor)
                    if source is None or i not in self.group_of or source not in self.group_of:
                        continue
                    a, b = self.group_of[source], self.group_of[i]
                    if a != b and self.merge(a, b):
                        changed = True


def _has_element_wise(graph: Graph, members: list[int]) -> bool:
    return any(isinstance(rule_of(graph, graph.operators[i]), ElementWise) for i in members)


def fuse_loops(graph: Graph) -> tuple[Graph, list[str]]:
    """Replace each group of element-wise operators by one LOOP; operators are reordered where groups demand it."""
    fusion = _Fusion(graph)
    fusion.run()
    for key, group in list(fusion.groups.items()):
        if not _has_element_wise(graph, group.members):
            del fusion.groups[key]
            for i in group.members:
                del fusion.group_of[i]
    nodes: dict[int, list[int]] = {}
    for i in range(len(graph.operators)):
        nodes.setdefault(min(fusion.groups[fusion.group_of[i]].members) if i in fusion.group_of else i, []).append(i)
    node_of = {i: node for node, members in nodes.items() for i in members}
    waits = {node: {node_of[s] for i in members for s in fusion.depends[i]} - {node} for node, members in nodes.items()}
    followers: dict[int, list[int]] = {}
    for node, sources in waits.items():
        for source in sources:
            followers.setdefault(source, []).append(node)
    ready = [node for node, sources in waits.items() if not sources]
    heapq.heapify(ready)
    operators: list[Operator] = []
    notes: list[str] = []
    while ready:
        node = heapq.heappop(ready)
        for follower in followers.get(node, ()):
            waits[follower].discard(node)
            if not waits[follower]:
                heapq.heappush(ready, follower)
        members = nodes[node]
        if members[0] not in fusion.group_of:
            operators.append(graph.operators[members[0]])
            continue
        operators.append(_loop(graph, fusion.groups[fusion.group_of[members[0]]]))
        if len(members) > 1:
            notes.append(f"{' + '.join(operators[-1].origin)}: one loop over {operators[-1].attributes['axes']}")
    return graph.with_operators(operators), notes


def _loop(graph: Graph, group: Group) -> Operator:
    body = tuple(graph.operators[i] for i in group.members)
    written = [t for op in body for t in op.outputs]
    inputs = tuple(dict.fromkeys(t for op in body for t in op.inputs if t not in written))
    inside = set(group.members)
    outputs = tuple(t for t in written if t in graph.results or any(user not in inside for user in graph.consumers(t)))
    return Operator(
        "LOOP",
        inputs,
        outputs,
        {"body": body, "axes": group.axes, "mapping": dict(group.mapping)},
        tuple(name for op in body for name in op.origin),
    )
