"""ONNX -> float TFLite with onnx2tf, which needs no TensorFlow for it.

onnx2tf runs as a program of its own: it prints a lot, and calls the program `onnxsim`.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tinyloc.environment import missing_module
from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import graph, load, operator_name, tensor_name
from tinyloc.export.onnx_groups import split_groups

SUFFIX = "_float32.tflite"
TIMEOUT_S = 600
REFUSED = {
    (
        "If",
        "Loop",
        "Scan",
    ): "control flow has no integer form; unroll the loop, or export the branch or the one time step that devices run",
    ("QuantizeLinear", "DequantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger"): "the file "
    "holds integers already; give the float32 file",
}
"""Operators of ONNX that onnx2tf does not convert to a float graph, and what to do."""


def to_tflite(onnx: Path, as_they_are: bool = False) -> bytes:
    """The float32 file, tensor names still onnx2tf's own, grouped convolutions split.

    as_they_are: inputs keep their shape, images too.

    Raises ExportError with onnx2tf's own words when it is missing, fails, or makes no file.
    """
    if importlib.util.find_spec("onnx2tf") is None:
        raise ExportError(missing_module("onnx2tf") or "")
    input_names = _input_names(onnx)
    with tempfile.TemporaryDirectory(prefix="tinyloc-onnx2tf-") as name:
        work = Path(name)
        source = str(shutil.copy(onnx, work))  # it simplifies the file that it is given, in place
        split_groups(Path(source))
        command = [sys.executable, "-m", "onnx2tf", "-i", source, "-o", str(work / "out"), "-n"]
        if as_they_are:
            command += ["-kat", *input_names]
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"  # for onnxsim
        environment = {**os.environ, "PATH": path, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""}
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, env=environment, timeout=TIMEOUT_S, cwd=work, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise ExportError(
                f"onnx2tf did not finish within {TIMEOUT_S} s; the machine may be overloaded; run again"
            ) from error
        made = work / "out" / f"{onnx.stem}{SUFFIX}"
        if done.returncode != 0 or not made.is_file():  # it returns 0 without a file when a later stage failed
            log = (done.stdout + done.stderr).strip().splitlines()
            tail = "\n  ".join(line for line in log if line.strip())[-1500:]
            raise ExportError(
                f"onnx2tf made no usable file of {onnx.name} (exit code {done.returncode}); its last words:\n  {tail}"
            )
        content = made.read_bytes()
        if left := _left(content):
            raise ExportError(
                f"onnx2tf has no TFLite form of {', '.join(left)} in {onnx.name}; write it with operators of "
                "docs/reference/operators.md"
            )
        return content


def _left(content: bytes) -> list[str]:
    """Operators that onnx2tf left as custom ones, each with its tensor."""
    model = load(content)
    found = []
    for operator in model.subgraphs[0].operators:
        name = operator_name(model, operator)
        if name.startswith("ONNX_"):
            found.append(f"{name.removeprefix('ONNX_')} at {tensor_name(graph(model).tensors[operator.outputs[0]])}")
    return found


def _input_names(path: Path) -> list[str]:
    """Of an ONNX file. Raises ExportError where it is none, or is no float32 network without control flow."""
    import onnx

    try:
        graph = onnx.load(str(path)).graph
    except OSError as error:
        raise ExportError(f"{path} cannot be read: {error.strerror or error}") from error
    except Exception as error:  # protobuf's own errors
        raise ExportError(f"{path} is no ONNX file ({error})") from error
    halves = [one.name for one in graph.initializer if one.data_type == onnx.TensorProto.FLOAT16]
    halves += [one.name for one in graph.input if one.type.tensor_type.elem_type == onnx.TensorProto.FLOAT16]
    problems = [f"{counted(len(halves), 'tensor')} of float16 ({', '.join(halves[:3])}): export it in float32"] * bool(
        halves
    )
    for kinds, advice in REFUSED.items():
        found = [f"{node.op_type} at {node.output[0]}" for node in graph.node if node.op_type in kinds]
        problems += [f"{', '.join(found[:3])}: {advice}"] * bool(found)
    if problems:
        raise ExportError(f"{path}: {counted(len(problems), 'problem')}:\n  " + "\n  ".join(problems))
    return [value.name for value in graph.input]
