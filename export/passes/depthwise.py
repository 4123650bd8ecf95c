"""Grouped CONV_2D with one input channel a group -> DEPTHWISE_CONV_2D.

onnx2tf makes the general form when the layout of the convolution's input was changed on its way; few kernels know it.
"""

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import constant, graph, operator_code, operator_name, own_constant, set_constant


def depthwise(model: Any) -> None:
    """Rewrite in place: weights (O, H, W, 1) become (1, H, W, O)."""
    tensors = graph(model).tensors
    for operator in graph(model).operators:
        if operator_name(model, operator) != "CONV_2D":
            continue
        image, weights = tensors[operator.inputs[0]], tensors[operator.inputs[1]]
        values = constant(model, weights)
        channels = int(image.shape[3])
        if values is None or values.shape[3] != 1 or channels == 1 or values.shape[0] != channels:
            continue
        weights = own_constant(model, operator, 1)
        set_constant(model, weights, values.transpose(3, 1, 2, 0))
        old, options = operator.builtinOptions, schema.DepthwiseConv2DOptionsT()
        options.padding, options.depthMultiplier = old.padding, 1
        options.strideH, options.strideW = old.strideH, old.strideW
        options.dilationHFactor, options.dilationWFactor = old.dilationHFactor, old.dilationWFactor
        options.fusedActivationFunction = old.fusedActivationFunction
        operator.builtinOptions = options
        operator.builtinOptionsType = schema.BuiltinOptions.DepthwiseConv2DOptions
        operator.opcodeIndex = operator_code(model, schema.BuiltinOperator.DEPTHWISE_CONV_2D)
