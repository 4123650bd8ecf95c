"""Operators that compute constants become constants: SHAPE, FILL and what follows of them.

The values are LiteRT's own. DEQUANTIZE stays: weights of 16 bits are refused, not widened.
"""

from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyloc.export.flatbuffer import DTYPES, constant, dump, graph, operator_name, set_constant

LEFT = ("DEQUANTIZE", "QUANTIZE")


def fold(model: Any) -> None:
    """Rewrite in place. A file that LiteRT does not run stays as it is; what is wrong with it is told later."""
    part = graph(model)
    known = {index for index, tensor in enumerate(part.tensors) if _is_constant(model, tensor)}
    folded = []
    for operator in part.operators:
        kind, inputs = operator_name(model, operator), [int(i) for i in operator.inputs if i >= 0]
        fixed = inputs and all(i in known for i in inputs)
        if kind not in LEFT and (fixed or kind == "SHAPE"):
            folded.append(operator)
            known.update(map(int, operator.outputs))
    if not folded or len(model.subgraphs) != 1:
        return
    values = _computed(dump(model), [int(i) for operator in folded for i in operator.outputs])
    if values is None:
        return
    for tensor in part.tensors:
        tensor.shapeSignature = None  # an open size, which SHAPE would have followed, is what the file has in its place
    for index, value in values.items():
        set_constant(model, part.tensors[index], value)
    gone = {id(operator) for operator in folded}
    part.operators = [operator for operator in part.operators if id(operator) not in gone]


def _is_constant(model: Any, tensor: Any) -> bool:
    return tensor.type in DTYPES and not tensor.isVariable and constant(model, tensor) is not None


def _computed(content: bytes, tensors: list[int]) -> dict[int, Any] | None:
    try:
        interpreter = Interpreter(
            model_content=content,
            experimental_op_resolver_type=OpResolverType.BUILTIN_REF,
            experimental_preserve_all_tensors=True,
        )
        interpreter.allocate_tensors()
        for detail in interpreter.get_input_details():
            interpreter.set_tensor(detail["index"], np.zeros(detail["shape"], detail["dtype"]))
        interpreter.invoke()
        return {index: np.array(interpreter.get_tensor(index)) for index in tensors}
    except (RuntimeError, ValueError):
        return None
