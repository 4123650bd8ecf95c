"""Room for access points and classes that a later model may have: its graph is filled up to it with zeros."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from tinyloc.bundle.schema import Bundle
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.graph import Graph, Quantisation, Tensor

_LAYER = "FULLY_CONNECTED"


@dataclass(frozen=True)
class Capacity:
    """The most access points and classes of any model of a program."""

    access_points: int
    classes: int


def capacity_of(bundle: Bundle) -> Capacity:
    """What the bundle asks for, at least its own numbers."""
    build, inputs, classes = bundle.build, len(bundle.preprocessing.access_points), len(bundle.outputs.classes)
    return Capacity(max(inputs, build.most_access_points or 0), max(classes, build.most_classes or 0))


def filled_up(graph: Graph, capacity: Capacity) -> Graph:
    """A graph with as many inputs and scores as the capacity has; what is new reads nothing and is never chosen.

    Args:
        graph: as read from a bundle: one input, one output.
        capacity: not below what the graph has.

    Raises:
        CompileError: the input is read, or the scores are written, by another operator than FULLY_CONNECTED.
    """
    (reading,), (scores,) = graph.inputs, graph.outputs
    tensors = list(graph.tensors)
    problems = []
    if tensors[reading].size != capacity.access_points:
        readers = [graph.operators[i] for i in graph.consumers(reading)]
        if all(op.kind == _LAYER and op.inputs[0] == reading for op in readers) and readers:
            tensors[reading] = _longer(tensors[reading], capacity.access_points)
            for weights in {op.inputs[1] for op in readers}:
                tensors[weights] = _padded(tensors[weights], 1, capacity.access_points)
        else:
            problems.append("more access points need FULLY_CONNECTED as the only reader of the input")
    if tensors[scores].size != capacity.classes:
        producer = graph.producer(scores)
        op = None if producer is None else graph.operators[producer]
        if op is not None and op.kind == _LAYER and not graph.consumers(scores):
            tensors[scores] = _longer(tensors[scores], capacity.classes)
            tensors[op.inputs[1]] = _padded(tensors[op.inputs[1]], 0, capacity.classes)
            if len(op.inputs) > 2 and op.inputs[2] != -1:
                tensors[op.inputs[2]] = _padded(tensors[op.inputs[2]], 0, capacity.classes)
        else:
            problems.append("more classes need FULLY_CONNECTED as the last layer")
    if problems:
        raise CompileError(f"{graph.name}, updatable", problems)
    return dataclasses.replace(graph, tensors=tuple(tensors))


def _longer(tensor: Tensor, size: int) -> Tensor:
    return dataclasses.replace(tensor, shape=(*tensor.shape[:-1], size))


def _padded(tensor: Tensor, axis: int, size: int) -> Tensor:
    """A constant with zeros behind it, and the last scale for channels that are new."""
    assert tensor.data is not None
    more = size - tensor.shape[axis]
    widths = [(0, more if i == axis else 0) for i in range(len(tensor.shape))]
    q = tensor.quantisation
    if q is not None and q.per_channel and axis == 0:
        q = Quantisation((*q.scale, *q.scale[-1:] * more), (*q.zero_point, *q.zero_point[-1:] * more), q.axis)
    data = np.pad(tensor.data, widths)
    return dataclasses.replace(tensor, shape=data.shape, data=data, quantisation=q)
