"""Give the tensors of a converted file the names of the PyTorch layers they come from.

The converter's names say little. The float file's tensors are matched with ONNX values by what they hold for one
sample. Messages, parity tables and generated functions then speak of `blocks.0/u_proj`.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import constant, dump, graph, operator_name, own_constant, tensor_name
from tinyloc.export.litert import StepRunner
from tinyloc.export.step_names import StepNames

Array = npt.NDArray[Any]

SAME_KIND = {
    "ABS": {"Abs"},
    "ADD": {"Add"},
    "BATCH_MATMUL": {"MatMul"},
    "CONCATENATION": {"Concat"},
    "CONV_2D": {"Conv"},
    "DEPTHWISE_CONV_2D": {"Conv"},
    "EXP": {"Exp"},
    "FULLY_CONNECTED": {"Gemm", "MatMul", "Relu"},
    "LOG": {"Log"},
    "LOGISTIC": {"Sigmoid"},
    "MUL": {"Mul"},
    "RELU": {"Relu"},
    "RESHAPE": {"Reshape", "Squeeze", "Unsqueeze"},
    "RSQRT": {"Exp"},
    "SLICE": {"Slice"},
    "SPLIT": {"Split", "Slice"},
    "STRIDED_SLICE": {"Slice"},
    "SUB": {"Sub"},
    "TANH": {"Tanh"},
    "TRANSPOSE": {"Transpose"},
}
"""ONNX operators that a TFLite operator may come from: settles which of several equal values is meant."""


def name_step(model: Any, names: StepNames) -> None:
    """Name inputs and outputs of a converted file, and put both in the order of `names`. In place.

    onnx2tf keeps input names inside TensorFlow's (`serving_default_NAME:0`). Which output is which only the signature
    knows: it holds the ONNX names in the float file, `output_k` in the order of the ONNX file in the integer files. The
    numbers in the tensors' own names (`PartitionedCall:2`) follow now one order, now the other. Some float files have
    no signature; theirs (`Identity_2`) follow the ONNX file: the parity of the stages would show it if they did not.
    """
    part = graph(model)
    for index in part.inputs:
        tensor = part.tensors[index]
        name = tensor_name(tensor).removeprefix("serving_default_").split(":")[0]
        if name not in names.inputs:
            raise ExportError(f"onnx2tf made an input {name} that the model does not have ({', '.join(names.inputs)})")
        tensor.name = name
    for signature in model.signatureDefs or []:
        for output in signature.outputs:
            part.tensors[output.tensorIndex].name = _output_name(output.name.decode(), names)
    if not model.signatureDefs:  # a float file made from functions: numbered in the order of the ONNX file
        for index in part.outputs:
            found = re.fullmatch(r"Identity(?:_(\d+))?", tensor_name(part.tensors[index]))
            if found is not None and int(found[1] or 0) < len(names.outputs):
                part.tensors[index].name = names.outputs[int(found[1] or 0)]
    unnamed = [tensor_name(part.tensors[i]) for i in part.outputs if tensor_name(part.tensors[i]) not in names.outputs]
    if unnamed:
        raise ExportError(
            f"onnx2tf's signature does not name the output {unnamed[0]}: check that onnx2tf has the pinned version"
        )
    model.signatureDefs = []
    part.inputs = sorted(part.inputs, key=lambda i: names.inputs.index(tensor_name(part.tensors[i])))
    part.outputs = sorted(part.outputs, key=lambda i: names.outputs.index(tensor_name(part.tensors[i])))


def _output_name(signature_name: str, names: StepNames) -> str:
    number = re.fullmatch(r"output_(\d+)", signature_name)
    if number is not None and int(number[1]) < len(names.outputs):
        return names.outputs[int(number[1])]
    if signature_name in names.outputs:
        return signature_name
    raise ExportError(
        f"onnx2tf named an output {signature_name}; expected one of {', '.join(names.outputs)} or "
        f"output_k with k < {len(names.outputs)}: check that onnx2tf has the pinned version"
    )


def onnx_values(path: Path, inputs: dict[str, Array]) -> list[tuple[str, str, Array]]:
    """Every value that the nodes of an ONNX step compute for one sample: (readable name, operator, value).

    inputs: name -> (1, n).
    """
    model = onnx.load(str(path))
    nodes = [node for node in model.graph.node if node.op_type != "Constant"]
    known = {output.name for output in model.graph.output}
    for node in nodes:
        if node.output[0] not in known:
            model.graph.output.append(onnx.ValueInfoProto(name=node.output[0]))
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    results = session.run([node.output[0] for node in nodes], inputs)
    by_output = {node.output[0]: node for node in nodes}
    named = []
    for node, value in zip(nodes, results, strict=True):
        source = node
        if node.op_type == "Relu" and node.input[0] in by_output:
            source = by_output[node.input[0]]
        named.append((_readable(source.name, source.op_type), node.op_type, np.asarray(value)))
    return named


def _readable(node: str, operator: str) -> str:
    """`/blocks.0/u_proj/MatMul` -> `blocks.0/u_proj`; element-wise operators keep theirs: `blocks.0/scan/Mul_1`."""
    name = node.strip("/")
    parent = name.rpartition("/")[0]
    return parent if parent and operator in ("Gemm", "MatMul", "Conv") and "scan" not in parent else name


def name_values(model: Any, path: Path, names: StepNames, inputs: dict[str, Array]) -> None:
    """Name all other tensors of the float file after the ONNX nodes at `path`. In place; inputs: name -> (1, n)."""
    part = graph(model)
    fixed = {*part.inputs, *part.outputs}
    for index, tensor in enumerate(part.tensors):
        if index not in fixed:
            tensor.name = f"tensor_{index}"  # TensorFlow's are not unique
    runner = StepRunner(dump(model), names, keep=True)
    found = runner.values_for(inputs)
    candidates = onnx_values(path, inputs)
    used = {*names.inputs, *names.outputs}
    for operator in part.operators:
        kind = operator_name(model, operator)
        labels = []
        for index in operator.outputs:
            value = found.get(tensor_name(part.tensors[index]))
            if value is not None:  # inputs are static, so what LiteRT computed has the only shape there is
                part.tensors[index].shape, part.tensors[index].shapeSignature = np.array(value.shape, np.int32), None
            labels.append(_unique(_stem(kind, value, candidates, used), used))
            if index not in fixed:
                part.tensors[index].name = labels[-1]
        for position, source in enumerate(operator.inputs):
            if source >= 0 and constant(model, part.tensors[source]) is not None:
                role = {1: "weight", 2: "bias"}.get(position, "constant") if kind in WEIGHTED else "constant"
                own_constant(model, operator, position).name = _unique(f"{labels[0]}/{role}", used)


def _stem(kind: str, value: Array | None, candidates: list[tuple[str, str, Array]], used: set[str]) -> str:
    """The name of the ONNX node that computed a value, a fresh one if there are several."""
    if value is None:
        return kind.lower()
    matches = [
        (name, op)
        for name, op, other in candidates
        if other.size == value.size and np.allclose(other.ravel(), value.ravel(), rtol=1e-3, atol=1e-5)
    ]
    preferred = [name for name, op in matches if op in SAME_KIND.get(kind, set())]
    fresh = [name for name in preferred if name not in used]
    return next(iter(fresh or preferred or [name for name, _ in matches]), kind.lower())


WEIGHTED = ("FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D")


def _unique(stem: str, used: set[str]) -> str:
    name, count = stem, 1
    while name in used:
        count += 1
        name = f"{stem}#{count}"
    used.add(name)
    return name
