"""LOG -> MUL by -1/2 -> EXP becomes RSQRT: one operator and one table instead of three and two.

ONNX has no reciprocal square root, and onnx2tf makes SQRT and DIV of any other spelling, which TFLite does not
quantise.
"""

from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import constant, graph, operator_code, operator_name


def rsqrt(model: Any) -> None:
    """Rewrite in place."""
    part = graph(model)
    dropped = []
    for exp in part.operators:
        if operator_name(model, exp) != "EXP":
            continue
        product = _only_reader_of(model, exp.inputs[0], "MUL")
        log = None if product is None else _only_reader_of(model, product.inputs[0], "LOG")
        if product is None or log is None or not _is_minus_half(model, part.tensors[product.inputs[1]]):
            continue
        exp.inputs = [int(log.inputs[0])]
        exp.opcodeIndex = operator_code(model, schema.BuiltinOperator.RSQRT)
        exp.builtinOptions, exp.builtinOptionsType = None, schema.BuiltinOptions.NONE
        dropped += [id(product), id(log)]
    part.operators = [operator for operator in part.operators if id(operator) not in dropped]


def _only_reader_of(model: Any, tensor: int, kind: str) -> Any:
    """The operator of that kind that computes a tensor which one operator reads, else None."""
    operators = graph(model).operators
    readers = sum(int(i) == int(tensor) for operator in operators for i in operator.inputs)
    makers = [operator for operator in operators if int(operator.outputs[0]) == int(tensor)]
    return makers[0] if readers == 1 and makers and operator_name(model, makers[0]) == kind else None


def _is_minus_half(model: Any, tensor: Any) -> bool:
    values = constant(model, tensor)
    return values is not None and values.size == 1 and float(values.ravel()[0]) == -0.5
