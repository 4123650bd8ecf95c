"""Whether the bytes of a .tflite file are a flatbuffer: what LiteRT's verifier looks at before it reads a model."""

import struct
from typing import Any

from tinyloc.codegen.frontend import schema


def is_whole(content: bytes) -> bool:
    """Whether every table, text and array that the file names lies within it."""
    try:
        _walk(schema.Model.GetRootAs(content, 0))
    except (
        struct.error,
        IndexError,
        ValueError,
        TypeError,
        AttributeError,
        AssertionError,
        OverflowError,
        MemoryError,
    ):
        return False
    return True


def _walk(model: Any) -> None:
    for i in range(model.OperatorCodesLength()):
        model.OperatorCodes(i).CustomCode()
    for i in range(model.BuffersLength()):
        _array(model.Buffers(i), "Data")
    for i in range(model.SubgraphsLength()):
        graph = model.Subgraphs(i)
        for name in ("Inputs", "Outputs"):
            _array(graph, name)
        for number in range(graph.TensorsLength()):
            tensor = graph.Tensors(number)
            tensor.Name(), tensor.Type(), tensor.Buffer()
            for name in ("Shape", "ShapeSignature"):
                _array(tensor, name)
            if tensor.Quantization() is not None:
                for name in ("Scale", "ZeroPoint"):
                    _array(tensor.Quantization(), name)
        for number in range(graph.OperatorsLength()):
            operator = graph.Operators(number)
            operator.OpcodeIndex(), operator.BuiltinOptionsType(), operator.BuiltinOptions()
            for name in ("Inputs", "Outputs", "Intermediates"):
                _array(operator, name)


def _array(table: Any, name: str) -> None:
    """Read a whole array, which fails where it leaves the file."""
    if getattr(table, f"{name}Length")():
        getattr(table, f"{name}AsNumpy")()
