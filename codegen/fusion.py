"""The fusion's student through the compiler: integer layers -> graph -> the same generated C as of any network.

`compile_fusion` writes what firmware/fusion needs beside its own sources: model.h, model.c, weights.* of the student,
manifest.json, and fusion_data.c with settings, anchors and the student's frame.
"""

import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.frontend.source import check_graph
from tinyloc.codegen.graph import Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.manifest import GraphManifest
from tinyloc.files import whole_directory
from tinyloc.training.fusion.filters.settings import FilterSettings
from tinyloc.training.fusion.students.c_source import fusion_source
from tinyloc.training.fusion.students.quantised import IntegerStudent

DATA_FILE = "fusion_data.c"
_RELU = 1
"""TFLite's ActivationFunctionType."""


def student_graph(student: IntegerStudent) -> Graph:
    """FULLY_CONNECTED of 16x8 for each layer of the student."""
    inputs = student.layers[0].weights.shape[1]
    tensors = [_activation("history", inputs, student.layers[0].input_scale)]
    operators = []
    for index, layer in enumerate(student.layers):
        channels = Quantisation(tuple(layer.weight_scale.astype(float).tolist()), (0,) * len(layer.weight_scale))
        x, w = len(tensors) - 1, len(tensors)
        weights = Tensor(f"layer{index}/weights", layer.weights.shape, "int8", channels, layer.weights)
        bias = Tensor(f"layer{index}/bias", layer.bias.shape, "int64", None, layer.bias.astype(np.int64))
        tensors += [weights, bias, _activation(f"layer{index}", len(layer.bias), layer.output_scale)]
        activation = {"activation": _RELU if layer.relu else 0}
        origin = (f"FULLY_CONNECTED layer{index}",)
        operators.append(Operator("FULLY_CONNECTED", (x, w, w + 1), (w + 2,), activation, origin))
    return Graph("fusion-student", tuple(tensors), tuple(operators), (0,), (len(tensors) - 1,))


def _activation(name: str, units: int, scale: float) -> Tensor:
    return Tensor(name, (1, units), "int16", Quantisation((scale,), (0,)))


def compile_fusion(
    student: IntegerStudent, settings: FilterSettings, anchors: npt.NDArray[np.float64], output: Path
) -> GraphManifest:
    """Write the generated part of a fusion image into `output`, replacing it as a whole.

    The model's id is of student, settings and anchors. A rule that asks no student carries its code unused; the linker
    drops it. Raises CompileError.
    """
    source = fusion_source(student, settings, anchors)
    with whole_directory(output) as directory:
        content = hashlib.sha256(fusion_content(student, source)).hexdigest()
        graph = student_graph(student)
        check_graph(graph, "the fusion's student")
        manifest = compile_graph(graph, directory / "model", content)
        for path in (directory / "model").iterdir():
            path.rename(directory / path.name)
        (directory / "model").rmdir()
        (directory / DATA_FILE).write_text(source, encoding="utf-8", newline="\n")
    return manifest


def fusion_content(student: IntegerStudent, source: str) -> bytes:
    """All that decides an answer: the student's layers and what fusion_source wrote."""
    layers = repr([(layer.weights.tolist(), layer.bias.tolist(), layer.factor.tolist()) for layer in student.layers])
    return (source + layers).encode()
