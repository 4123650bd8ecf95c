"""An activation after a layer becomes the layer's own, where it does nothing but limit: one scale before and after."""

import dataclasses

import numpy as np

from tinyloc.codegen.arithmetic.activation import activation_range
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.semantics.operator_table import rule_of

ACTIVATIONS = {"RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}
"""Operators as TFLite's ActivationFunctionType."""
LAYERS = frozenset(
    (
        "ADD",
        "AVERAGE_POOL_2D",
        "CONV_2D",
        "DEPTHWISE_CONV_2D",
        "FULLY_CONNECTED",
        "MAX_POOL_2D",
        "MUL",
        "SUB",
        "TRANSPOSE_CONV",
    )
)
"""Operators whose rules limit their output by the attribute `activation`."""


def _limits_only(graph: Graph, op: Operator) -> bool:
    """Whether the operator does to each value of its type what the fused activation does to a layer's output."""
    x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    rule = rule_of(graph, op)
    if (
        rule is None
        or x.element != y.element
        or (np.float32(x.scale), x.zero_point)
        != (
            np.float32(y.scale),
            y.zero_point,
        )
    ):
        return False
    low, high = RANGE[x.element]
    values = np.arange(low, high + 1).astype(x.element)
    (result,) = rule.reference(graph, op, [values])
    return np.array_equal(result, np.clip(values, *activation_range(y, ACTIVATIONS[op.kind])))


def fuse_activations(graph: Graph) -> tuple[Graph, list[str]]:
    """Layers take over the activation that alone reads them, and a line for each."""
    notes: list[str] = []
    done: list[Operator] = []
    layer_of: dict[int, int] = {}  # tensor -> place in `done` of the layer without activation that writes it
    for op in graph.operators:
        at = layer_of.get(op.inputs[0]) if op.kind in ACTIVATIONS and op.inputs else None
        alone = at is not None and len(graph.consumers(op.inputs[0])) == 1
        if at is not None and alone and op.inputs[0] not in graph.results and _limits_only(graph, op):
            layer = done[at]
            done[at] = dataclasses.replace(
                layer,
                outputs=op.outputs,
                attributes={**layer.attributes, "activation": ACTIVATIONS[op.kind]},
                origin=(*layer.origin, *op.origin),
            )
            notes.append(f"{op.origin[0]}: the limits of {layer.origin[0]}")
            continue
        if op.kind in LAYERS and op.attributes.get("activation", 0) == 0:
            layer_of[op.outputs[0]] = len(done)
        done.append(op)
    return graph.with_operators(done), notes
