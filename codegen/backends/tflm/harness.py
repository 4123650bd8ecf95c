"""Back end tflm: the .tflite file as an array, and a harness in C++ with exactly the operators that it needs.

The same model.h as for the other back ends, so that the firmware around it is the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.bundle.schema import Arithmetic
from tinyloc.codegen.backend_names import BackendError
from tinyloc.codegen.backends.archive import PLACES, Archive, library_directory, read_archive
from tinyloc.codegen.backends.tflm_host import TflmStepper, host_arena_bytes
from tinyloc.codegen.compile import (
    GENERATOR,
    localiser_tables,
    localiser_values,
    model_id,
    write_generated,
)
from tinyloc.codegen.frontend import schema
from tinyloc.codegen.frontend.operator_codes import operator_name
from tinyloc.codegen.frontend.source import Source, read_source
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.layer_code import Constant
from tinyloc.codegen.lowering.lower import localiser_program
from tinyloc.codegen.lowering.memory_plan import aligned
from tinyloc.codegen.lowering.render import array_value, render
from tinyloc.codegen.lowering.tensor_placement import state_names
from tinyloc.codegen.manifest import LayerRecord, Manifest, PlannedBuffer, StateRecord

VARIABLE = "TFLM_DIR"
ARCHIVE = "libtensorflow-microlite.a"
RESOLVER = "tensorflow/lite/micro/micro_mutable_op_resolver.h"
EXPLANATION = (
    "The back end tflm links with your own build of TensorFlow Lite for Microcontrollers "
    "(https://github.com/tensorflow/tflite-micro; its documentation says how it is built): "
    f"set {VARIABLE} to a directory that holds its headers (tensorflow/lite/micro/...), those of flatbuffers, gemmlowp "
    f"and ruy, and {ARCHIVE}, made by "
    "arm-none-eabi-g++ for the board's core and float ABI. The compiler's C++ library is needed too: "
    "`apt install libstdc++-arm-none-eabi-newlib`"
)
THIRD_PARTY = (
    "", "include", "third_party", "third_party/flatbuffers/include", "third_party/gemmlowp", "third_party/ruy",
    "tensorflow/lite/micro/tools/make/downloads/flatbuffers/include",
    "tensorflow/lite/micro/tools/make/downloads/gemmlowp", "tensorflow/lite/micro/tools/make/downloads/ruy",
)  # fmt: skip
"""Where headers lie below the directory: all in one place, in a generated tree, or in the downloads of TFLM's build."""
MARGIN = 256
"""Bytes of arena beyond what the host takes and the kernels' buffers."""
INVOKE = "tl_tflm_invoke"
_FILES = {"model.h": "model.h.j2", "model.cc": "tflm.cc.j2", "weights.h": "weights.h.j2", "weights.c": "weights.c.j2"}
_WINDOWED = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV")


@dataclass(frozen=True)
class Tflm:
    """A user's build: the directories of its headers, and its archives, which may be of several cores."""

    directory: Path
    headers: tuple[Path, ...]
    archives: tuple[Archive, ...]

    def archive_for(self, core: str) -> Archive:
        """The archive for a board's core. Raises BackendError."""
        for archive in self.archives:
            if archive.runs_on(core):
                return archive
        have = ", ".join(f"{archive.path} for {archive.core}" for archive in self.archives)
        raise BackendError(f"{VARIABLE}={self.directory} has {have}, none for {core}. {EXPLANATION}")


def find_tflm() -> Tflm:
    """The build that TFLM_DIR names. Raises BackendError with what to set and how to get it."""
    directory = library_directory(VARIABLE, EXPLANATION)
    headers = tuple(path for place in THIRD_PARTY if (path := directory / place).is_dir())
    if not any((path / RESOLVER).is_file() for path in headers):
        raise BackendError(f"{VARIABLE}={directory} has no {RESOLVER}. {EXPLANATION}")
    found = [directory / place / ARCHIVE for place in PLACES] + sorted(directory.glob(f"gen/*/lib/{ARCHIVE}"))
    archives = tuple(read_archive(path) for path in dict.fromkeys(path.resolve() for path in found if path.is_file()))
    if not archives:
        raise BackendError(f"{VARIABLE}={directory} has no {ARCHIVE}. {EXPLANATION}")
    return Tflm(directory, headers, archives)


def compile_tflm(bundle_directory: Path, output: Path, arithmetic: Arithmetic | None = None) -> Manifest:
    """Write model.h, model.cc, weights.h, weights.c and manifest.json into `output`, replacing it as a whole.

    Raises BackendError with the reason when TFLM is not there or cannot run the model; BundleError, CompileError.
    """
    library = find_tflm()
    source = read_source(bundle_directory, arithmetic, "litert")
    path = bundle_directory / source.model.path
    content = path.read_bytes()
    methods = resolver_methods(library, content, path)
    host = host_arena_bytes(path)
    manifest = _manifest(source, content, host)
    files = render(_FILES, _values(source, manifest, content, methods))
    write_generated(output, files, manifest)
    return manifest


def resolver_methods(library: Tflm, content: bytes, path: Path) -> list[str]:
    """Names of the functions of MicroMutableOpResolver that add this model's operators, without their "Add", sorted."""
    text = next((h / RESOLVER).read_text(encoding="utf-8") for h in library.headers if (h / RESOLVER).is_file())
    added = re.findall(r"TfLiteStatus Add(\w+)\([^{]*\{\s*return AddBuiltin\(BuiltinOperator_(\w+)", text)
    known = {kind: method for method, kind in added}
    kinds = operator_kinds(content)
    if missing := [kind for kind in kinds if kind not in known]:
        raise BackendError(
            f"{path}: TensorFlow Lite for Microcontrollers cannot run this model: it has no {', '.join(missing)}"
        )
    return sorted(known[kind] for kind in kinds)


def operator_kinds(content: bytes) -> list[str]:
    """Names of the operators that a .tflite file uses, each once, sorted."""
    model = schema.Model.GetRootAsModel(content, 0)
    codes = (model.OperatorCodes(i) for i in range(model.OperatorCodesLength()))
    return sorted({operator_name(code) for code in codes})


def positions(content: bytes) -> tuple[dict[str, int], dict[str, int]]:
    """Positions of the inputs and of the outputs in the file, by the names of their tensors."""
    graph = schema.Model.GetRootAsModel(content, 0).Subgraphs(0)

    def name(tensor: int) -> str:
        return graph.Tensors(tensor).Name().decode()

    return (
        {name(graph.Inputs(i)): i for i in range(graph.InputsLength())},
        {name(graph.Outputs(i)): i for i in range(graph.OutputsLength())},
    )


def tflm_stepper(source: Source, path: Path) -> TflmStepper:
    """The host's interpreter for a bundle's model: what TFLM answers."""
    inputs, outputs = positions(path.read_bytes())
    tensors = source.graph.tensors
    states = [
        (inputs[state.input], outputs[state.output],
         np.full(tensors[before].shape, tensors[before].zero_point, tensors[before].element))
        for state, (before, _) in zip(source.model.states, source.graph.states, strict=True)
    ]  # fmt: skip
    return TflmStepper(path, [inputs[source.model.input]], [outputs[source.model.output]], states)


def window_bytes(graph: Graph) -> int:
    """What CMSIS-NN's kernels may take to spread windows out, at most: the host's kernels take nothing.

    Two columns of int16 of a convolution's window, and a row of 32-bit sums of a pool.
    """
    sizes = [0]
    for op in graph.operators:
        x, y = graph.tensors[op.inputs[-1 if op.kind == "TRANSPOSE_CONV" else 0]], graph.tensors[op.outputs[0]]
        if op.kind in _WINDOWED:
            _, height, width, _ = graph.tensors[op.inputs[1]].shape
            sizes.append(2 * 2 * height * width * x.shape[-1])
        elif op.kind == "AVERAGE_POOL_2D":
            sizes.append(4 * y.shape[-1] * y.shape[-2])
    return max(sizes)


def _manifest(source: Source, content: bytes, host: int) -> Manifest:
    bundle, graph = source.bundle, source.graph
    native = localiser_program(graph, sparse_input=False).figures()
    windows = window_bytes(graph)
    arena = -(-(host + windows + MARGIN) // 16) * 16
    operators = [op.origin[0] for op in graph.operators]
    layer = LayerRecord(name=INVOKE, operators=operators, macs=native["macs"], constant_bytes=len(content))
    states: list[StateRecord] = native["states"]
    return Manifest(
        model_id=model_id(bundle, source.model, "tflm"),
        name=bundle.name,
        arithmetic=source.model.arithmetic,
        backend="tflm",
        inputs=len(bundle.preprocessing.access_points),
        classes=len(bundle.outputs.classes),
        window=bundle.window.steps,
        hop=bundle.window.hop,
        sparse=False,
        arena_bytes=arena,
        arena_lower_bound=arena,
        state_bytes=sum(aligned(state.bytes) for state in states),
        constant_bytes=len(content),
        macs=native["macs"],
        states=states,
        layers=[layer],
        plan=[PlannedBuffer(name="arena of TFLM", offset=0, size=arena, first=0, last=0)],
        plan_steps=[INVOKE],
        decisions=[f"arena: {host} bytes on the host, {windows} for windows of CMSIS-NN's kernels, {MARGIN} margin"],
        generator=GENERATOR,
    )


def _states(source: Source, content: bytes) -> Iterator[dict[str, Any]]:
    """Members of the state struct for the templates, with the positions of their tensors in the file."""
    inputs, outputs = positions(content)
    names, tensors = state_names(source.graph), source.graph.tensors
    for state, (before, _) in zip(source.model.states, source.graph.states, strict=True):
        t = tensors[before]
        yield {
            "name": names[before], "element": t.element, "size": t.size, "shape": list(t.shape), "bytes": t.bytes,
            "zero_point": t.zero_point, "input": inputs[state.input], "output": outputs[state.output],
        }  # fmt: skip


def _values(source: Source, manifest: Manifest, content: bytes, methods: Sequence[str]) -> dict[str, Any]:
    inputs, outputs = positions(content)
    words = np.frombuffer(content + bytes(-len(content) % 4), "<i4")  # words, so that the file lies aligned
    model = Constant("tl_tflm_model", "int32_t", words, f"{source.model.path}, {len(content)} bytes")
    return {
        **localiser_values(source, manifest),
        "states": list(_states(source, content)),
        "arena_bytes": manifest.arena_bytes,
        "constant_bytes": manifest.constant_bytes,
        "packed": False,
        "methods": methods,
        "invoke": INVOKE,
        "reading": inputs[source.model.input],
        "score": outputs[source.model.output],
        "constants": [array_value(model)],
        "tables": [array_value(table) for table in (model, *localiser_tables(source))],
    }
