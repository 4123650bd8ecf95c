"""Loops of constant trips in a float file, as Keras writes recurrent layers, are written out before it is quantised."""

import copy
from typing import Any

import numpy as np

from tinyloc.export.flatbuffer import Array, compact, constant, operator_name, set_constant, tensor_name
from tinyloc.while_loops import WHILE, Form, Part, Step, unroll


def write_loops_out(model: Any) -> list[str]:
    """Replace each WHILE of a ModelT by its trips, in place.

    Returns:
        Why a loop must stay; then the model is as it was.
    """
    before = copy.copy(model.buffers)

    def copied(tensor: Any, trip: str, value: Array | None) -> Any:
        made = copy.deepcopy(tensor)
        if trip:
            made.name = f"{tensor_name(tensor)}@{trip}"
        if value is not None:
            set_constant(model, made, np.asarray(value))
        return made

    form: Form[Any] = Form(lambda number: _part(model, number), lambda tensor: constant(model, tensor), copied)
    part, problems = unroll(_part(model, 0), form)
    if problems:
        model.buffers = before
        return problems
    main = model.subgraphs[0]
    main.tensors, main.outputs = list(part.tensors), list(part.outputs)
    main.operators = [_written(step) for step in part.steps]
    kinds = {operator_name(model, operator) for operator in main.operators}
    if len(model.subgraphs) > 1 and "CALL_ONCE" not in kinds:
        model.subgraphs = [main]
        compact(model)
    return []


def _part(model: Any, number: int) -> Part[Any]:
    if not 0 <= number < len(model.subgraphs):
        raise IndexError(number)
    graph = model.subgraphs[number]
    steps = []
    for operator in graph.operators:
        kind, options = operator_name(model, operator), operator.builtinOptions
        loop = (int(options.condSubgraphIndex), int(options.bodySubgraphIndex)) if kind == WHILE else None
        inputs, outputs = (tuple(int(t) for t in ends) for ends in (operator.inputs, operator.outputs))
        steps.append(Step(kind, inputs, outputs, operator, loop))
    return Part(list(graph.tensors), steps, [int(t) for t in graph.inputs], [int(t) for t in graph.outputs])


def _written(step: Step) -> Any:
    operator = copy.copy(step.source)
    operator.inputs, operator.outputs = list(step.inputs), list(step.outputs)
    return operator
