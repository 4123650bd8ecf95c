"""Versions of operators with integer tensors, as TensorFlow's converter writes them; interpreters refuse later ones."""

from typing import Any

from tinyloc.export.flatbuffer import graph, operator_name

VERSIONS = {
    **dict.fromkeys(
        ("ABS", "ADD", "AVERAGE_POOL_2D", "BATCH_MATMUL", "CONCATENATION", "DEPTHWISE_CONV_2D", "EXP", "LOG",
         "LOGISTIC", "MAX_POOL_2D", "MEAN", "MUL", "PAD", "QUANTIZE", "RELU", "RSQRT", "SLICE", "SOFTMAX", "SPLIT",
         "STRIDED_SLICE", "SUB", "TANH", "TRANSPOSE"),
        2,
    ),
    "CONV_2D": 3,
    "FULLY_CONNECTED": 4,
}  # fmt: skip
"""The least version that knows int8 or int16; the float file's own stays where it is later, and for other operators."""


def set_versions(model: Any) -> None:
    """Set them in place."""
    for operator in graph(model).operators:
        code = model.operatorCodes[operator.opcodeIndex]
        code.version = max(int(code.version), VERSIONS.get(operator_name(model, operator), 1))
