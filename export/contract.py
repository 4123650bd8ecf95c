"""What an exported integer file promises, checked before the bundle is written.

operators   only those that generated code knows
types       integers throughout, the element types of the arithmetic, static shapes
states      input and output of a state have the same scale, zero point, type and size
LiteRT      the reference kernels run it and its scores are near the float file's (the caller's bound)
"""

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.flatbuffer import graph, load, operator_name, scales, tensor_name
from tinyloc.export.step_names import StepNames

OPERATORS = frozenset({
    "ABS", "ADD", "BATCH_MATMUL", "CAST", "CONCATENATION", "DEPTHWISE_CONV_2D", "EXP", "FULLY_CONNECTED", "LOG",
    "LOGISTIC",
    "MUL", "QUANTIZE", "RELU", "RESHAPE", "RSQRT", "SLICE", "SOFTMAX", "SPLIT", "STRIDED_SLICE", "SUB", "TANH",
})  # fmt: skip
ACTIVATION: dict[Arithmetic, tuple[int, ...]] = {
    "int8": (schema.TensorType.INT8,),
    "int16x8": (schema.TensorType.INT16,),
    "mixed": (schema.TensorType.INT8, schema.TensorType.INT16),
}
TYPE_NAMES = {code: name for name, code in vars(schema.TensorType).items() if isinstance(code, int)}


def problems(content: bytes, names: StepNames, arithmetic: Arithmetic, any_operator: bool = False) -> list[str]:
    """Everything in the file that breaks the contract; empty when it holds. any_operator: also those that our own
    networks do not have."""
    model = load(content)
    if len(model.subgraphs) != 1:
        return [f"{len(model.subgraphs)} subgraphs instead of one"]
    return [
        *_names(model, names),
        *([] if any_operator else _operators(model)),
        *_tensors(model, arithmetic),
        *_states(model, names),
    ]


def _names(model: Any, names: StepNames) -> list[str]:
    part = graph(model)
    found = []
    for what, indices, expected in (("inputs", part.inputs, names.inputs), ("outputs", part.outputs, names.outputs)):
        have = tuple(tensor_name(part.tensors[i]) for i in indices)
        if have != expected:
            found.append(f"{what} are {', '.join(have)} instead of {', '.join(expected)}")
    return found


def _operators(model: Any) -> list[str]:
    found = []
    for operator in graph(model).operators:
        kind = operator_name(model, operator)
        if kind not in OPERATORS:
            where = tensor_name(graph(model).tensors[operator.outputs[0]])
            found.append(f"operator {kind} at {where} has no integer code")
    return found


def _tensors(model: Any, arithmetic: Arithmetic) -> list[str]:
    part = graph(model)
    computed = [*part.inputs, *(i for operator in part.operators for i in operator.outputs)]
    used = {*computed, *(i for operator in part.operators for i in operator.inputs if i >= 0)}
    found = []
    for index in sorted(int(i) for i in used):
        tensor = part.tensors[index]
        name = tensor_name(tensor)
        if tensor.type == schema.TensorType.FLOAT32:
            found.append(f"{name} is float")
        if tensor.shapeSignature is not None and np.any(np.asarray(tensor.shapeSignature) < 0):
            found.append(f"{name} has no static shape")
    for index in sorted({int(i) for i in computed}):
        tensor = part.tensors[index]
        if tensor.type not in (*ACTIVATION[arithmetic], schema.TensorType.FLOAT32):
            found.append(f"{tensor_name(tensor)} is {TYPE_NAMES.get(tensor.type, tensor.type)} in an {arithmetic} file")
        elif tensor.type in ACTIVATION[arithmetic] and not len(scales(tensor)):
            found.append(f"{tensor_name(tensor)} has no scale")
    return found


def _states(model: Any, names: StepNames) -> list[str]:
    tensors = {tensor_name(tensor): tensor for tensor in graph(model).tensors}
    found = []
    for source, target in zip(names.state_inputs, names.state_outputs, strict=True):
        a, b = tensors.get(source), tensors.get(target)
        if a is None or b is None:
            continue  # told by _names
        if a.type != b.type or np.prod(a.shape) != np.prod(b.shape):
            found.append(f"{source} and {target} differ in type or size")
        elif len(scales(a)) and not (
            np.array_equal(scales(a), scales(b)) and np.array_equal(a.quantization.zeroPoint, b.quantization.zeroPoint)
        ):
            found.append(f"{source} and {target} differ in scale: the step cannot run on its own output")
    return found
