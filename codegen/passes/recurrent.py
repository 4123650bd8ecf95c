"""Recurrent operators: their states as values of the graph, and sequences of which only the last row is read."""

import dataclasses

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.operators.lstm import CELL, HIDDEN
from tinyloc.codegen.operators.svdf import STATE as SVDF_STATE
from tinyloc.codegen.semantics.operator_table import rule_of

SVDF = "SVDF"
LSTM = "UNIDIRECTIONAL_SEQUENCE_LSTM"
OPERANDS = 24
FRESH = "each run is a sequence from its start; LiteRT and TFLM go on from an LSTM's last state unless it is reset"
HIDDEN_SCALE = 4
"""The intermediate tensor that tells the scale of the hidden state."""


def _scale(tensor: Tensor | None) -> tuple[float, int] | None:
    if tensor is None or tensor.quantisation is None or tensor.quantisation.per_channel:
        return None
    return tensor.scale, tensor.zero_point


def detach_states(graph: Graph) -> Graph:
    """Make what a file's LSTMs and SVDFs keep in variable tensors part of the graph.

    Over a window of samples they are absent operands: the sequence starts from real zero in every run. A network over
    one sample a run would forget all: its LSTMs keep their states, which become states of the graph, as does what an
    SVDF remembers. Their scales
    become attributes, the last cell state an output. Runs on the graph as read, before it is checked.
    """
    lasting = all(_samples(graph, op) == 1 for op in graph.operators if _has_states(op))
    operators, states = [], list(graph.states)
    for op in graph.operators:
        if op.kind == SVDF and len(op.inputs) > SVDF_STATE and len(op.outputs) == 1:
            memory = graph.tensors[op.inputs[SVDF_STATE]]
            graph, after = graph.with_tensor(dataclasses.replace(memory, name=f"{memory.name} after"))
            states.append((op.inputs[SVDF_STATE], after))
            op = dataclasses.replace(op, outputs=(*op.outputs, after))
        if not _has_states(op):
            operators.append(op)
            continue
        hidden, cell = graph.tensors[op.inputs[HIDDEN]], graph.tensors[op.inputs[CELL]]
        between = op.attributes.get("intermediates", ())
        seen = graph.tensors[between[HIDDEN_SCALE]] if len(between) > HIDDEN_SCALE else None
        scales = {"state": _scale(hidden), "cell": _scale(cell), "hidden": _scale(seen) or _scale(hidden)}
        attributes = {**op.attributes, "state_sizes": (hidden.size, cell.size)}
        if cell.element == "int16" and hidden.element == "int8":
            for name, pair in scales.items():
                if pair is not None and all(scales.values()):
                    attributes[f"{name}_scale"], attributes[f"{name}_zero"] = pair
        graph, last = graph.with_tensor(dataclasses.replace(cell, name=f"{cell.name} at the end"))
        inputs = list(op.inputs) + [-1] * (OPERANDS - len(op.inputs))
        if lasting and len(op.outputs) == 1:
            y = graph.tensors[op.outputs[0]]
            graph, before = graph.with_tensor(
                dataclasses.replace(hidden, name=f"hidden{len(states) // 2}", shape=y.shape)
            )
            graph, cell_before = graph.with_tensor(dataclasses.replace(cell, name=f"cell{len(states) // 2}"))
            states += [(before, op.outputs[0]), (cell_before, last)]
            inputs[HIDDEN], inputs[CELL] = before, cell_before
        else:
            inputs[HIDDEN] = inputs[CELL] = -1
        outputs = (*op.outputs, last)
        operators.append(dataclasses.replace(op, inputs=tuple(inputs), outputs=outputs, attributes=attributes))
    notes = graph.notes
    if not lasting:
        notes = (*notes, FRESH)
    return dataclasses.replace(graph, operators=tuple(operators), states=tuple(states), notes=notes)


def _has_states(op: Operator) -> bool:
    return op.kind == LSTM and len(op.inputs) > CELL and -1 not in (op.inputs[HIDDEN], op.inputs[CELL])


def _samples(graph: Graph, op: Operator) -> int:
    """Samples of a run, of all sequences."""
    x = graph.tensors[op.inputs[0]]
    return x.size // max(x.shape[-1], 1) if x.shape else 0


def _reads_last_row(graph: Graph, op: Operator, units: int) -> bool:
    """Whether a view gives the last row of its input, and nothing else."""
    rule = rule_of(graph, op)
    if not isinstance(rule, ViewRule) or len(op.outputs) != 1 or graph.tensors[op.outputs[0]].size != units:
        return False
    return rule.offset(graph, op, 0) == graph.tensors[rule.source(op)].size - units


def keep_last_step(graph: Graph) -> tuple[Graph, list[str]]:
    """An LSTM of whose rows only the last is read keeps no others: the view that takes it becomes its output."""
    operators, notes = list(graph.operators), []
    for i, op in enumerate(operators):
        if op.kind != LSTM or op.inputs[HIDDEN] != -1 or op.attributes.get("last") or op.outputs[0] in graph.results:
            continue
        y = graph.tensors[op.outputs[0]]
        units, users = y.shape[-1], graph.consumers(op.outputs[0])
        if y.size == units or len(users) != 1 or not _reads_last_row(graph, operators[users[0]], units):
            continue
        row = operators[users[0]].outputs[0]
        graph, other = graph.with_tensor(dataclasses.replace(graph.tensors[row], name=f"{y.name} before"))
        operators[i] = dataclasses.replace(
            op,
            outputs=(row, op.outputs[1], other),
            attributes={**op.attributes, "last": 1},
            origin=(*op.origin, *operators[users[0]].origin),
        )
        operators[users[0]] = dataclasses.replace(operators[users[0]], kind="", outputs=())
        notes.append(f"{op.origin[0]}: only the last row is read, {y.size - 2 * units} bytes less")
    return graph.with_operators(op for op in operators if op.kind), notes
