"""Operators whose reference is TFLM's, because LiteRT has no right answer. Their attribute `as_tflm` is set."""

import dataclasses

from tinyloc.codegen.arithmetic.gates16 import CELL_BITS
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.convolution import INT32
from tinyloc.codegen.operators.svdf import STATE
from tinyloc.codegen.passes.recurrent import LSTM, SVDF

SMALLEST_CELL_SCALE = 2.0 ** (min(CELL_BITS) - 15)
BIASES = {"CONV_2D": 2, "FULLY_CONNECTED": 2}
"""Operators whose bias of int32 TFLM takes under int16 activations, and the bias's position."""


def choose_arithmetic(graph: Graph) -> Graph:
    """Mark what answers as TFLM does, with a note for each kind. Runs on the graph as read.

    Where one operator does, FULLY_CONNECTED does too: TFLM rounds its sums twice, LiteRT once.
    """
    graph = _wide_results(_byte_memories(_short_biases(_small_cells(graph))))
    if not any(op.attributes.get("as_tflm") for op in graph.operators):
        return graph
    return _marked(graph, [op.kind == "FULLY_CONNECTED" for op in graph.operators])


def _small_cells(graph: Graph) -> Graph:
    """All LSTMs of a model have one arithmetic, see operators/lstm_tflm.py."""

    def beyond(op: Operator) -> bool:
        return op.kind == LSTM and 0.0 < op.attributes.get("cell_scale", 0.0) < SMALLEST_CELL_SCALE

    small = [op.origin[0] for op in graph.operators if beyond(op)]
    if not small:
        return graph
    note = f"{', '.join(small)}: LiteRT computes no tanh of so small a cell state; LSTMs answer as TFLM does"
    return _marked(graph, [op.kind == LSTM for op in graph.operators], note)


def _short_biases(graph: Graph) -> Graph:
    """A bias of int32 under int16 activations, where the operator does not say so: LiteRT takes it for int64."""

    def unsaid(op: Operator) -> bool:
        position = BIASES.get(op.kind, len(op.inputs))
        if position >= len(op.inputs) or op.inputs[position] == -1 or op.attributes["bias_type"] == INT32:
            return False
        elements = graph.tensors[op.inputs[0]].element, graph.tensors[op.inputs[position]].element
        return elements == ("int16", "int32")

    found = [unsaid(op) for op in graph.operators]
    if not any(found):
        return graph
    first = next(op.origin[0] for op, short in zip(graph.operators, found, strict=True) if short)
    note = f"{first}: LiteRT reads its bias of int32 as int64; it answers as TFLM does"
    return _marked(graph, found, f"{note}, as do {sum(found) - 1} alike" if sum(found) > 1 else note)


def _byte_memories(graph: Graph) -> Graph:
    """SVDF with a state of int8."""

    def in_bytes(op: Operator) -> bool:
        return op.kind == SVDF and len(op.inputs) > STATE and graph.tensors[op.inputs[STATE]].element == "int8"

    found = [in_bytes(op) for op in graph.operators]
    return (
        _marked(graph, found, "LiteRT runs no SVDF with a state of int8; it answers as TFLM does")
        if any(found)
        else graph
    )


def _wide_results(graph: Graph) -> Graph:
    """QUANTIZE of int8 to int32."""

    def widens(op: Operator) -> bool:
        elements = [graph.tensors[t].element for t in (*op.inputs, *op.outputs)]
        return op.kind == "QUANTIZE" and elements == ["int8", "int32"]

    found = [widens(op) for op in graph.operators]
    note = "LiteRT has no QUANTIZE of int8 to int32; it answers as TFLM does"
    return _marked(graph, found, note) if any(found) else graph


def _marked(graph: Graph, which: list[bool], *notes: str) -> Graph:
    operators = tuple(
        dataclasses.replace(op, attributes={**op.attributes, "as_tflm": 1}) if marked else op
        for op, marked in zip(graph.operators, which, strict=True)
    )
    return dataclasses.replace(graph, operators=operators, notes=(*graph.notes, *notes))
