"""x / SQRT(y) becomes x * RSQRT(y), as in a LayerNorm: LiteRT has no integer DIV of 16 bits, and SQRT of 8 only."""

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import graph, operator_code, operator_name


def quotients(model: Any) -> None:
    """Rewrite in place, where every reader of a SQRT divides by it."""
    part = graph(model)
    for root in part.operators:
        if operator_name(model, root) != "SQRT" or int(root.outputs[0]) in [int(i) for i in part.outputs]:
            continue
        readers = [op for op in part.operators if int(root.outputs[0]) in [int(i) for i in op.inputs]]
        if not readers or not all(_divides(model, op, int(root.outputs[0])) for op in readers):
            continue
        root.opcodeIndex = operator_code(model, schema.BuiltinOperator.RSQRT)
        root.builtinOptions, root.builtinOptionsType = None, schema.BuiltinOptions.NONE
        for division in readers:
            options = schema.MulOptionsT()
            if division.builtinOptions is not None:
                options.fusedActivationFunction = division.builtinOptions.fusedActivationFunction
            division.opcodeIndex = operator_code(model, schema.BuiltinOperator.MUL)
            division.builtinOptions, division.builtinOptionsType = options, schema.BuiltinOptions.MulOptions


def _divides(model: Any, operator: Any, tensor: int) -> bool:
    return operator_name(model, operator) == "DIV" and int(operator.inputs[1]) == tensor != int(operator.inputs[0])
