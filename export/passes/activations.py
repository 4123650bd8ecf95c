"""RELU behind a layer -> the layer's fused activation: one operator, one rounding."""

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import graph, operator_name

FUSED = {
    "RELU": schema.ActivationFunctionType.RELU,
    "RELU6": schema.ActivationFunctionType.RELU6,
    "RELU_N1_TO_1": schema.ActivationFunctionType.RELU_N1_TO_1,
}
LAYERS = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D", "ADD", "SUB", "MUL")


def fuse_activations(model: Any) -> None:
    """Rewrite in place, where the activation is the only reader of a layer that has none."""
    part = graph(model)
    makers = {int(operator.outputs[0]): operator for operator in part.operators}
    kept = []
    for operator in part.operators:
        source = int(operator.inputs[0]) if len(operator.inputs) else -1
        layer = makers.get(source)
        readers = sum(int(i) == source for other in part.operators for i in other.inputs)
        if (
            operator_name(model, operator) in FUSED
            and layer is not None
            and operator_name(model, layer) in LAYERS
            and layer.builtinOptions.fusedActivationFunction == schema.ActivationFunctionType.NONE
            and readers == 1
            and source not in [int(i) for i in part.outputs]
        ):
            layer.builtinOptions.fusedActivationFunction = FUSED[operator_name(model, operator)]
            layer.outputs = [int(operator.outputs[0])]
            makers[int(operator.outputs[0])] = layer
        else:
            kept.append(operator)
    part.operators = kept
