"""BATCH_MATMUL by a constant -> FULLY_CONNECTED: per-channel weights, and the kernels of a layer."""

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import constant, graph, operator_code, operator_name, own_constant, set_constant


def products(model: Any) -> None:
    """Rewrite in place: x (..., K) times a constant (K, N) becomes weights (N, K)."""
    tensors = graph(model).tensors
    for operator in graph(model).operators:
        if operator_name(model, operator) != "BATCH_MATMUL" or operator.builtinOptions.adjX:
            continue
        values = constant(model, tensors[operator.inputs[1]])
        if values is None or values.ndim != 2 or constant(model, tensors[operator.inputs[0]]) is not None:
            continue
        set_constant(model, own_constant(model, operator, 1), values if operator.builtinOptions.adjY else values.T)
        options = schema.FullyConnectedOptionsT()
        options.keepNumDims = len(tensors[operator.outputs[0]].shape) > 2
        operator.inputs = [*(int(i) for i in operator.inputs), -1]
        operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.FULLY_CONNECTED)
        operator.builtinOptions = options
        operator.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
