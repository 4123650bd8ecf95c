"""TFLite files as editable objects.

The object API of the schema (`ModelT`, `TensorT`, ...) lets a pass change a scale or drop an operator and write the
file again. Passes over it live in names.py, passes/ and quantise/.
"""

import copy
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

Array = npt.NDArray[Any]

DTYPES: dict[int, type[np.generic]] = {
    schema.TensorType.BOOL: np.bool_,
    schema.TensorType.FLOAT32: np.float32,
    schema.TensorType.INT4: np.int8,
    schema.TensorType.INT8: np.int8,
    schema.TensorType.INT16: np.int16,
    schema.TensorType.INT32: np.int32,
    schema.TensorType.INT64: np.int64,
}
OPERATOR_NAMES: dict[int, str] = {
    code: name for name, code in vars(schema.BuiltinOperator).items() if isinstance(code, int)
}
IDENTIFIER = b"TFL3"


def load(data: bytes) -> Any:
    """Bytes of a .tflite -> ModelT."""
    return schema.ModelT.InitFromPackedBuf(data, 0)


def dump(model: Any) -> bytes:
    """ModelT -> bytes of a .tflite."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return bytes(builder.Output())


def graph(model: Any) -> Any:
    """The one subgraph."""
    return model.subgraphs[0]


def tensor_name(tensor: Any) -> str:
    """A tensor's name as text."""
    return str(tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)


def operator_name(model: Any, operator: Any) -> str:
    """Built-in name, such as FULLY_CONNECTED; the custom code for others."""
    code = model.operatorCodes[operator.opcodeIndex]
    builtin = operator_number(code)
    if builtin == schema.BuiltinOperator.CUSTOM:
        custom = code.customCode
        return custom.decode() if isinstance(custom, bytes) else str(custom)
    return OPERATOR_NAMES.get(builtin, f"operator {builtin}")


def operator_number(code: Any) -> int:
    """The larger of the two fields of an OperatorCodeT: files of before 2020 fill the deprecated one only."""
    return int(max(code.builtinCode, code.deprecatedBuiltinCode))


def operator_code(model: Any, builtin: int, version: int = 2) -> int:
    """Index of a built-in operator in the file's table, added when it is not there."""
    for index, code in enumerate(model.operatorCodes):
        if operator_number(code) == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode, code.deprecatedBuiltinCode, code.version = builtin, min(builtin, 127), version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def constant(model: Any, tensor: Any) -> Array | None:
    """The data of a constant tensor in its shape, None for a value that is computed."""
    data = model.buffers[tensor.buffer].data
    if data is None or len(data) == 0:
        return None
    shape = [] if tensor.shape is None else [int(n) for n in tensor.shape]
    content = np.asarray(data, np.uint8)
    if tensor.type == schema.TensorType.INT4:
        return _nibbles(content, int(np.prod(shape))).reshape(shape)
    values: Array = np.frombuffer(content.tobytes(), DTYPES[tensor.type]).reshape(shape)
    return values


def _nibbles(content: npt.NDArray[np.uint8], count: int) -> npt.NDArray[np.int8]:
    """Values of four bits, the first of two in the lower half of a byte."""
    pairs = content.view(np.int8)
    values: npt.NDArray[np.int8] = np.stack([np.left_shift(pairs, 4) >> 4, pairs >> 4], axis=1).ravel()[:count]
    return values


def _packed(values: Array) -> npt.NDArray[np.uint8]:
    """The inverse of _nibbles, filled up with 0."""
    flat = np.concatenate([values.ravel(), np.zeros(values.size % 2, np.int8)]).astype(np.uint8) & 15
    packed: npt.NDArray[np.uint8] = flat[0::2] | flat[1::2] << 4
    return packed


def set_constant(model: Any, tensor: Any, values: Array) -> None:
    """Give a tensor new data and shape, in a buffer of its own: converters share buffers between tensors."""
    buffer = schema.BufferT()
    four_bits = tensor.type == schema.TensorType.INT4
    buffer.data = _packed(values) if four_bits else np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.buffer = len(model.buffers) - 1
    tensor.shape = np.array(values.shape, np.int32)


def own_constant(model: Any, operator: Any, position: int) -> Any:
    """The constant at an operator's input, as a tensor of its own: converters share equal constants."""
    part = graph(model)
    index = int(operator.inputs[position])
    readers = sum(int(i) == index for other in part.operators for i in other.inputs)
    if readers > 1:
        part.tensors.append(copy.deepcopy(part.tensors[index]))
        index = len(part.tensors) - 1
        operator.inputs = [index if k == position else int(i) for k, i in enumerate(operator.inputs)]
    return part.tensors[index]


def scales(tensor: Any) -> Array:
    """Scales of a tensor, empty when it is not quantised."""
    quantization = tensor.quantization
    if quantization is None or quantization.scale is None:
        return np.zeros(0, np.float32)
    return np.asarray(quantization.scale, np.float32)


def set_quantisation(tensor: Any, scale: Array, zero_point: Array) -> None:
    """Replace scale and zero point; both of shape (1,) or (channels,). The axis of per-channel scales stays."""
    tensor.quantization.scale = np.asarray(scale, np.float32)
    tensor.quantization.zeroPoint = np.asarray(zero_point, np.int64)
    tensor.quantization.min = None
    tensor.quantization.max = None


def compact(model: Any) -> None:
    """Drop tensors, buffers and operator codes that nothing uses, and metadata. In place."""
    part = graph(model)
    read = {int(i) for op in part.operators for i in (*op.inputs, *op.outputs, *_between(op)) if i >= 0}
    used = read | {*map(int, part.inputs)}
    kept = sorted(used | {*map(int, part.outputs)})
    place = {old: new for new, old in enumerate(kept)} | {-1: -1}
    part.tensors = [part.tensors[old] for old in kept]
    part.inputs, part.outputs = [place[int(i)] for i in part.inputs], [place[int(i)] for i in part.outputs]
    for operator in part.operators:
        operator.inputs = [place[int(i)] for i in operator.inputs]
        operator.outputs = [place[int(i)] for i in operator.outputs]
        if len(_between(operator)):
            operator.intermediates = np.array([place[int(i)] for i in operator.intermediates], np.int32)
    buffers: dict[int, int] = {0: 0}
    for tensor in part.tensors:
        tensor.buffer = buffers.setdefault(int(tensor.buffer), len(buffers))
    model.buffers = [model.buffers[old] for old in buffers]
    codes: dict[int, int] = {}
    for operator in part.operators:
        operator.opcodeIndex = codes.setdefault(int(operator.opcodeIndex), len(codes))
    model.operatorCodes = [model.operatorCodes[old] for old in codes]
    model.metadata = model.metadataBuffer = None
    model.signatureDefs = []


def _between(operator: Any) -> Array:
    """Tensors that a recurrent operator has for itself."""
    return np.zeros(0, np.int32) if operator.intermediates is None else np.asarray(operator.intermediates)
