"""TFLite files made by hand: single operators and small graphs with the quantisation that a test asks for."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
import numpy.typing as npt
from ai_edge_litert import schema_py_generated as schema

Array = npt.NDArray[Any]
NO_OPTIONS = {
    "QUANTIZE",
    "LOGISTIC",
    "TANH",
    "RELU",
    "RELU6",
    "RELU_N1_TO_1",
    "LOG",
    "RSQRT",
    "SQRT",
    "PRELU",
    "ELU",
    "RELU_0_TO_1",
    "SIN",
    "CUSTOM",
    "READ_VARIABLE",
    "LOG_SOFTMAX",
    "ASSIGN_VARIABLE",
}
SPELLING = {
    "PAD": "Pad",
    "PADV2": "PadV2",
    "CONV_2D": "Conv2D",
    "DEPTHWISE_CONV_2D": "DepthwiseConv2D",
    "AVERAGE_POOL_2D": "Pool2D",
    "MAX_POOL_2D": "Pool2D",
    "MEAN": "Reducer",
    "SUM": "Reducer",
    "MAXIMUM": "MaximumMinimum",
    "MINIMUM": "MaximumMinimum",
    "BATCH_MATMUL": "BatchMatMul",
    "SPLIT_V": "SplitV",
    "REVERSE_V2": "ReverseV2",
    "REDUCE_MAX": "Reducer",
    "REDUCE_MIN": "Reducer",
    "REDUCE_PROD": "Reducer",
    "SPACE_TO_BATCH_ND": "SpaceToBatchND",
    "BATCH_TO_SPACE_ND": "BatchToSpaceND",
    "L2_NORMALIZATION": "L2Norm",
    "SELECT_V2": "SelectV2",
    "SVDF": "SVDF",
    "UNIDIRECTIONAL_SEQUENCE_LSTM": "UnidirectionalSequenceLSTM",
}
FIRST_VERSIONS = {"BROADCAST_TO": 2}
TYPES = {
    "int4": schema.TensorType.INT4,
    "int8": schema.TensorType.INT8,
    "int16": schema.TensorType.INT16,
    "int32": schema.TensorType.INT32,
    "int64": schema.TensorType.INT64,
    "uint8": schema.TensorType.UINT8,
    "float32": schema.TensorType.FLOAT32,
    "bool": schema.TensorType.BOOL,
    "resource": schema.TensorType.RESOURCE,
}


def options_name(kind: str) -> str | None:
    """Name of the options table of an operator, such as FullyConnectedOptions; None when it has none."""
    if kind in NO_OPTIONS:
        return None
    spelling = SPELLING.get(kind) or "".join(word.capitalize() for word in re.split("_", kind))
    return f"{spelling}Options"


class TFLiteModel:
    """A file under construction: one subgraph. Tensors are numbered in the order in which they are made."""

    def __init__(self) -> None:
        self.model = schema.ModelT()
        self.model.version = 3
        self.model.operatorCodes = []
        self.model.buffers = [schema.BufferT()]
        self.graph = schema.SubGraphT()
        self.graph.tensors, self.graph.operators = [], []
        self.graph.inputs, self.graph.outputs = [], []
        self.model.subgraphs = [self.graph]

    def tensor(
        self,
        shape: Sequence[int],
        element: str = "int8",
        scale: float | Sequence[float] | None = 0.1,
        zero: int = 0,
        data: Array | None = None,
        axis: int = 0,
        name: str | None = None,
    ) -> int:
        """A value; `data` makes it a constant. Scales in a list lie along `axis`; None: not quantised."""
        t = schema.TensorT()
        t.name = (name or f"t{len(self.graph.tensors)}").encode()
        t.shape, t.type, t.hasRank = np.array(shape, np.int32), TYPES[element], True
        if scale is not None:
            t.quantization = schema.QuantizationParametersT()
            t.quantization.scale = np.atleast_1d(np.asarray(scale, np.float32))
            t.quantization.zeroPoint = np.full(t.quantization.scale.shape, zero, np.int64)
            t.quantization.quantizedDimension = axis
        if data is not None:
            buffer = schema.BufferT()
            values = np.array(data, dtype="int8" if element == "int4" else element, order="C")
            assert values.shape == tuple(shape), (values.shape, shape)
            if element == "int4":
                halves = np.pad(values.ravel(), (0, values.size % 2)).view(np.uint8).reshape(-1, 2) & 15
                values = halves[:, 0] | halves[:, 1] << 4
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            t.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(t)
        return len(self.graph.tensors) - 1

    def input(
        self, shape: Sequence[int], element: str = "int8", scale: float = 0.1, zero: int = 0, name: str | None = None
    ) -> int:
        """A tensor that the caller fills."""
        index = self.tensor(shape, element, scale, zero, name=name)
        self.graph.inputs.append(index)
        return index

    def constant(self, data: Any, element: str = "int32", scale: Any = None, zero: int = 0, axis: int = 0) -> int:
        """A constant; indices and sizes have no scale."""
        values = np.asarray(data)
        return self.tensor(values.shape, element, scale, zero, values, axis)

    def operator(self, kind: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """Append an operator. `options` are fields of its options table, named as in the object API."""
        op = schema.OperatorT()
        op.opcodeIndex = self._code(kind)
        op.inputs, op.outputs = np.array(inputs, np.int32), np.array(outputs, np.int32)
        name = options_name(kind)
        if name is not None:
            table = getattr(schema, f"{name}T")()
            for key, value in options.items():
                assert hasattr(table, key), (name, key)
                setattr(table, key, value)
            op.builtinOptionsType, op.builtinOptions = getattr(schema.BuiltinOptions, name), table
        self.graph.operators.append(op)

    def unary(
        self,
        kind: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        element: str,
        scale: float,
        zero: int = 0,
        **options: Any,
    ) -> int:
        """An operator with one new output tensor."""
        y = self.tensor(shape, element, scale, zero)
        self.operator(kind, inputs, [y], **options)
        return y

    def output(self, *tensors: int) -> None:
        """Tensors that the caller reads."""
        self.graph.outputs.extend(tensors)

    def _code(self, kind: str) -> int:
        number = getattr(schema.BuiltinOperator, kind)
        for index, code in enumerate(self.model.operatorCodes):
            if code.builtinCode == number:
                return index
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode = number, min(number, 127)
        code.version = FIRST_VERSIONS.get(kind, 1)
        if kind == "CUSTOM":
            code.customCode = b"MyOperator"
        self.model.operatorCodes.append(code)
        return len(self.model.operatorCodes) - 1

    def content(self) -> bytes:
        """The file."""
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), file_identifier=b"TFL3")
        return bytes(builder.Output())

    def write(self, path: Path) -> Path:
        path.write_bytes(self.content())
        return path
