"""Resource variables of a file: what VAR_HANDLE, READ_VARIABLE and ASSIGN_VARIABLE keep becomes states of the graph."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.semantics.operator_table import rule_of

VAR_HANDLE, READ, ASSIGN, CALL_ONCE = "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"
KINDS = frozenset((VAR_HANDLE, READ, ASSIGN, CALL_ONCE))


@dataclass
class Bound:
    """A graph's parts without variables.

    `states` pairs (tensor that is read, tensor that is assigned last), `starts` are the values of the first when a
    sequence starts, `aliases` replace results of later reads.
    """

    tensors: list[Tensor]
    operators: list[Operator] = field(default_factory=list)
    states: list[tuple[int, int]] = field(default_factory=list)
    starts: dict[int, Array] = field(default_factory=dict)
    aliases: dict[int, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def variable_name(op: Operator) -> str:
    """The name by which operators of all subgraphs share a variable; of a VAR_HANDLE."""
    container, name = op.attributes["container"], op.attributes["shared_name"]
    return f"{container}/{name}" if container else str(name)


def initial_values(graph: Graph) -> tuple[dict[str, Array], list[str]]:
    """What a subgraph of CALL_ONCE assigns: values by name of the variable; and what of it cannot be computed now."""
    values = {i: t.data for i, t in enumerate(graph.tensors) if t.data is not None}
    handles: dict[int, str] = {}
    found: dict[str, Array] = {}
    problems = []
    for op in graph.operators:
        rule = rule_of(graph, op)
        if op.kind == VAR_HANDLE:
            handles[op.outputs[0]] = variable_name(op)
        elif op.kind == ASSIGN and op.inputs[0] in handles and op.inputs[1] in values:
            found[handles[op.inputs[0]]] = values[op.inputs[1]]
        elif rule is not None and all(t in values for t in op.inputs) and not rule.problems(graph, op):
            results = rule.reference(graph, op, [values[t] for t in op.inputs])
            values.update(zip(op.outputs, results, strict=True))
        else:
            problems.append(f"{op.origin[0]} of the initialisation: only constants can be assigned to variables there")
    return found, problems


def bind_variables(tensors: Sequence[Tensor], operators: Sequence[Operator], initial: Mapping[str, Array]) -> Bound:
    """Follow every variable through the operators of a graph, in their order.

    A variable that is read first is a state; one that is never assigned is a constant; a read after an assignment
    gives what was assigned.
    """
    bound = Bound(list(tensors))
    handles: dict[int, str] = {}
    first: dict[str, int] = {}  # what a variable was when the run began
    current: dict[str, int] = {}
    for op in operators:
        inputs = tuple(bound.aliases.get(t, t) for t in op.inputs)
        if op.kind == VAR_HANDLE:
            handles[op.outputs[0]] = variable_name(op)
        elif op.kind in (READ, ASSIGN) and inputs[0] not in handles:
            bound.problems.append(f"{op.origin[0]}: its variable comes from no VAR_HANDLE of the graph")
        elif op.kind == READ:
            name, value = handles[inputs[0]], op.outputs[0]
            if name not in current:
                first[name] = current[name] = value
                bound.tensors[value] = dataclasses.replace(tensors[value], name=name)
            else:
                bound.aliases[value] = current[name]
                bound.problems += _differences(op, tensors[value], bound.tensors[current[name]], scales=True)
        elif op.kind == ASSIGN:
            name = handles[inputs[0]]
            if name in first:
                bound.problems += _differences(op, bound.tensors[inputs[1]], bound.tensors[first[name]], scales=False)
            current[name] = inputs[1]
        elif op.kind != CALL_ONCE:
            bound.operators.append(dataclasses.replace(op, inputs=inputs))
    for name, source in first.items():
        tensor, start = bound.tensors[source], initial.get(name)
        if start is None:
            bound.problems.append(
                f"variable {name} is read before anything is assigned to it; initialise it in the file"
            )
        elif start.size != tensor.size or start.dtype != tensor.element:
            bound.problems.append(
                f"variable {name} starts as {start.dtype}{list(start.shape)} and is read as "
                f"{tensor.element}{list(tensor.shape)}"
            )
        elif current[name] == source:
            bound.tensors[source] = dataclasses.replace(tensor, data=start.reshape(tensor.shape))
        else:
            bound.states.append((source, current[name]))
            bound.starts[source] = start
    return bound


def _differences(op: Operator, left: Tensor, right: Tensor, scales: bool) -> list[str]:
    """Why the bytes of one tensor cannot stand for another; a variable has no scale of its own."""
    if (left.shape, left.element) != (right.shape, right.element):
        return [
            f"{op.origin[0]}: {left.name} is {left.element}{list(left.shape)}, the variable holds "
            f"{right.element}{list(right.shape)}"
        ]
    if scales and left.quantisation != right.quantisation:
        return [f"{op.origin[0]}: {left.name} has another scale than {right.name}, which was assigned in the same run"]
    return []
