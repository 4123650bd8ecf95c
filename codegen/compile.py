"""Model -> C: read, check, optimise, plan, lower, render. Deterministic: the same model gives the same bytes.

`compile_bundle` makes a localiser's step (raw scans, CRF); `compile_tflite` and `compile_graph` make a plain network.
"""

import dataclasses
import functools
import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tinyloc.bundle.combine import Combine
from tinyloc.bundle.schema import Arithmetic, Bundle, ModelFile
from tinyloc.codegen.arithmetic.crf import integer_crf
from tinyloc.codegen.arithmetic.data_mode import numbers_are_data
from tinyloc.codegen.arithmetic.position import integer_positions
from tinyloc.codegen.arithmetic.rssi_table import rssi_table
from tinyloc.codegen.backend_names import BACKENDS, Backend, backend_named
from tinyloc.codegen.backends.cmsis_nn.library import CmsisNn, use_library
from tinyloc.codegen.errors import ConstantsError
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.frontend.source import Source, check_graph, margin_units, read_source
from tinyloc.codegen.frontend.window_to_step import as_step
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.layer_code import Constant
from tinyloc.codegen.lowering.kernel_selection import ALL_FAST, FormOptions
from tinyloc.codegen.lowering.layer_checks import check_calls, check_count
from tinyloc.codegen.lowering.lower import Program, localiser_program, make_program
from tinyloc.codegen.lowering.render import program_values, render
from tinyloc.codegen.lowering.tensor_placement import DEFAULT_ARENA, ArenaOptions, Place
from tinyloc.codegen.manifest import (
    ArgumentRecord,
    GraphManifest,
    LibraryRecord,
    Manifest,
    ModelManifest,
    Reference,
    UpdatableRecord,
)
from tinyloc.codegen.passes import Pass
from tinyloc.codegen.updatable.capacity import capacity_of, filled_up
from tinyloc.codegen.updatable.program import class_names, filled_tables, program_id, scalar_fields, struct_bytes
from tinyloc.errors import counted
from tinyloc.files import whole_directory

GENERATOR = "tinyloc codegen 1"
_COMMON = {"weights.h": "weights.h.j2", "weights.c": "weights.c.j2"}
_LOCALISER = {"model.h": "model.h.j2", "model.c": "model.c.j2", "debug.c": "debug.c.j2", **_COMMON}
_UPDATABLE = {**_LOCALISER, "weights.h": "constants.h.j2", "weights.c": "constants.c.j2"}
_NETWORK = {"model.h": "network.h.j2", "model.c": "network.c.j2", **_COMMON}


def compile_bundle(
    bundle_directory: Path,
    output: Path,
    arithmetic: Arithmetic | None = None,
    *,
    sparse_input: bool = True,
    library: CmsisNn | None = None,
    reference: Reference | None = None,
    updatable: bool = False,
) -> Manifest:
    """Write model.h, model.c, debug.c, weights.h, weights.c and manifest.json into `output`, replacing it as a whole.

    Without `sparse_input` a wide first layer is dense; answers are the same, and the difference in cycles is what
    walking the heard access points only is worth. With a `library` the code is of the back end cmsis_nn, and dense:
    the library has no layer of lists. `reference` as in source.py. `updatable` code has the model as data behind one
    pointer, with room for what the bundle's `update` says. Raises BundleError, or CompileError with every
    problem of the model; nothing is written then.
    """
    source = read_source(bundle_directory, arithmetic, reference)
    if updatable:
        files, manifest = updatable_localiser(source, sparse_input)
        write_generated(output, files, manifest)
        return manifest
    program = localiser_program(source.graph, sparse_input and library is None, _pass_of(library))
    manifest = localiser_manifest(source, program, library)
    write_generated(output, localiser_text(source, program, manifest), manifest)
    return manifest


def updatable_localiser(source: Source, sparse_input: bool = True) -> tuple[dict[str, str], Manifest]:
    """The files of a localiser whose model is data, and its manifest.

    Raises:
        CompileError: the model has an operator without such a form, or is outside the bounds of its own program.
    """
    bundle, capacity = source.bundle, capacity_of(source.bundle)
    with numbers_are_data():
        program = localiser_program(filled_up(source.graph, capacity), sparse_input)
        manifest = localiser_manifest(source, program)
        values = localiser_values(source, manifest)
        around = filled_tables(localiser_tables(source), capacity, len(bundle.outputs.classes))
        around.append(class_names(bundle.outputs.classes, capacity.classes))
        inner = program_values(program, around)
        calls = check_calls(program)
        scalars, constants = scalar_fields(values, bundle), [*program.constants, *around]
    element = {"tl_input_t": values["input_type"]}
    size = struct_bytes(scalars, [dataclasses.replace(c, ctype=element.get(c.ctype, c.ctype)) for c in constants])
    text = {
        **values,
        **inner,
        "check_calls": calls,
        "check_count": check_count(program),
        "updatable": capacity,
        "scalars": scalars,
        "around": [{"name": table.name} for table in around],
        "struct_bytes": size,
    }
    files = render(_UPDATABLE, text)
    record = UpdatableRecord(
        program_id=program_id(files),
        access_points=capacity.access_points,
        classes=capacity.classes,
        bytes=size,
    )
    return files, manifest.model_copy(update={"updatable": record})


def compile_tflite(
    path: Path,
    output: Path,
    states: Sequence[tuple[str, str]] = (),
    *,
    step: bool = False,
    arena: ArenaOptions = DEFAULT_ARENA,
    library: CmsisNn | None = None,
    forms: FormOptions = ALL_FAST,
    most_constants: int | None = None,
) -> GraphManifest:
    """Compile a .tflite file without a bundle: the same files, with `tl_model_run(arena, inputs..., outputs...)`.

    `states` names (input tensor, output tensor) pairs that one run leaves for the next; with any, the functions take a
    `tl_model_state_t *` first. Float inputs and outputs that only a QUANTIZE or DEQUANTIZE touches become integers;
    their scales are in model.h and in the manifest. `step` makes one step of a network over a window of samples, see
    stepping.py. `arena` says what the arena may hold and whether it may be divided. A `library` takes the operators it
    has, `forms` says for what the other layers' kernels are chosen. Raises CompileError with every problem; nothing is
    written then.
    """
    graph, content_hash = _read_network(path, states, step)
    return compile_graph(graph, output, content_hash, library, arena, forms, most_constants)


def prepare_tflite(path: Path, states: Sequence[tuple[str, str]] = (), *, step: bool = False) -> "PreparedGraph":
    """The program of a .tflite file, and what is known of it; see compile_tflite."""
    return prepare_graph(*_read_network(path, states, step))


def _read_network(path: Path, states: Sequence[tuple[str, str]], step: bool) -> tuple[Graph, str]:
    """A checked graph, and the hash of its file."""
    graph = read_tflite(path, states)
    check_graph(graph, str(path))
    if step:
        graph = as_step(graph, str(path))
        check_graph(graph, str(path))
    return graph, hashlib.sha256(path.read_bytes()).hexdigest()


def _pass_of(library: CmsisNn | None) -> Pass | None:
    return None if library is None else functools.partial(use_library, library=library)


def compile_graph(
    graph: Graph,
    output: Path,
    content_hash: str = "",
    library: CmsisNn | None = None,
    arena: ArenaOptions = DEFAULT_ARENA,
    forms: FormOptions = ALL_FAST,
    most_constants: int | None = None,
) -> GraphManifest:
    """Compile a checked graph. `content_hash` identifies where it came from; it goes into the model's id.

    Raises ConstantsError, and writes nothing, when its constants take more than `most_constants` bytes.
    """
    made = prepare_graph(graph, content_hash, library, arena, forms)
    constants = made.manifest.constant_bytes
    if most_constants is not None and constants > most_constants:
        raise ConstantsError(f"{graph.name}: weights and tables take {constants:,} bytes; no code is generated")
    write_generated(output, graph_text(made), made.manifest)
    return made.manifest


@dataclass(frozen=True)
class PreparedGraph:
    """A plain network that is ready to be written."""

    program: Program
    manifest: GraphManifest


def prepare_graph(
    graph: Graph,
    content_hash: str = "",
    library: CmsisNn | None = None,
    arena: ArenaOptions = DEFAULT_ARENA,
    forms: FormOptions = ALL_FAST,
) -> PreparedGraph:
    """The program of a checked graph, and what is known of it; see compile_graph."""
    inputs = ["input"] if len(graph.inputs) == 1 else [f"input{i}" for i in range(len(graph.inputs))]
    outputs = ["output"] if len(graph.outputs) == 1 else [f"output{i}" for i in range(len(graph.outputs))]
    program = make_program(graph, inputs, outputs, use_library=_pass_of(library), arena=arena, forms=forms)
    elements = {graph.tensors[t].element for t in graph.sources}
    manifest = GraphManifest(
        model_id=hashlib.sha256(
            f"{GENERATOR}\n{content_hash}\n{graph.states}\n{_backend(library)}".encode()
        ).hexdigest()[:16],
        name=graph.name,
        arithmetic="int16x8" if "int16" in elements else "int8",
        backend=_backend(library),
        library=_library_record(library),
        inputs=[
            _argument(graph, t, name, program.storage.places[placed])
            for t, placed, name in zip(graph.inputs, program.graph.inputs, inputs, strict=True)
        ],
        outputs=[_argument(graph, t, name) for t, name in zip(graph.outputs, outputs, strict=True)],
        generator=GENERATOR,
        notes=list(graph.notes),
        **program.figures(),
    )
    return PreparedGraph(program, manifest)


def graph_text(made: PreparedGraph, for_library: Mapping[str, Any] | None = None) -> dict[str, str]:
    """File name -> C of a plain network. `for_library`: values that a library's model has otherwise."""
    manifest = made.manifest
    parameters = [f"const {a.element}_t {a.argument}[{a.size}]" for a in manifest.inputs if a.arena_offset is None]
    parameters += [f"{a.element}_t {a.argument}[{a.size}]" for a in manifest.outputs]
    common = program_values(made.program)
    words = set(re.findall(r"\w+", " ".join(common["calls"])))
    values = {
        "name": manifest.name,
        "model_id": manifest.model_id,
        "inputs": manifest.inputs,
        "outputs": manifest.outputs,
        "parameters": ", ".join(parameters),
        "unused": [a.argument for a in manifest.inputs if a.arena_offset is None and a.argument not in words],
        "selftest": False,
        **common,
        **(for_library or {}),
    }
    return render(_NETWORK, values)


def write_generated(output: Path, files: Mapping[str, str], manifest: ModelManifest) -> None:
    """The files and manifest.json, whole or not at all."""
    with whole_directory(output) as directory:
        for name, text in {**files, "manifest.json": manifest.model_dump_json(indent=2) + "\n"}.items():
            (directory / name).write_text(text, encoding="utf-8", newline="\n")


def _argument(graph: Graph, tensor: int, argument: str, place: Place | None = None) -> ArgumentRecord:
    t = graph.tensors[tensor]
    scaled = t.quantisation is not None and not t.quantisation.per_channel
    return ArgumentRecord(
        argument=argument,
        tensor=t.name,
        element=t.element,
        shape=list(t.shape),
        size=t.size,
        scale=t.scale if scaled else None,
        zero_point=t.zero_point if scaled else None,
        arena_offset=place.offset if place is not None and place.kind == "arena" else None,
    )


def _backend(library: CmsisNn | None) -> Backend:
    return "native" if library is None else "cmsis_nn"


def _library_record(library: CmsisNn | None) -> LibraryRecord | None:
    return None if library is None else LibraryRecord(core=library.archive.core, sha256=library.archive.sha256)


def localiser_manifest(source: Source, program: Program, library: CmsisNn | None = None) -> Manifest:
    """What is known of a localiser's program."""
    bundle, figures = source.bundle, program.figures()
    return Manifest(
        model_id=model_id(source.bundle, source.model, _backend(library), source.reference),
        name=bundle.name,
        arithmetic=source.model.arithmetic,
        backend=_backend(library),
        reference=source.reference,
        library=_library_record(library),
        inputs=len(bundle.preprocessing.access_points),
        classes=len(bundle.outputs.classes),
        window=bundle.window.steps,
        hop=bundle.window.hop,
        sparse=program.sparse,
        generator=GENERATOR,
        **{**figures, "decisions": [*source.decisions, *figures["decisions"], *_decoding(bundle)]},
    )


def _decoding(bundle: Bundle) -> list[str]:
    """What windows that overlap share, and what each decision computes anew."""
    window = bundle.window
    if window.steps == 1:
        return []
    if window.online:
        return [
            f"decisions lag {counted(window.steps - 1, 'sample')} behind: each sample extends the CRF's best paths by "
            "one step, nothing is computed twice"
        ]
    shared = counted(-(-window.steps // window.hop), "window")
    anew = "runs Viterbi over all of them anew" if bundle.crf is not None else "counts their best classes anew"
    return [
        f"windows of {window.steps} samples every {window.hop}: a sample's scores are computed once, for all of the up "
        f"to {shared} it lies in; a decision {anew}"
    ]


def model_id(
    bundle: Bundle, model_file: ModelFile, backend: Backend = "native", reference: Reference = "litert"
) -> str:
    """16 hex digits over everything that decides an answer: generated code and image of a bundle carry them.

    The back end is part of it, and whose arithmetic it is: an image of one is never taken for an image of another.
    """
    parts = [
        GENERATOR,
        model_file.sha256,
        bundle.preprocessing.model_dump_json(exclude={"combine"}),
        bundle.window.model_dump_json(exclude_defaults=True),
        bundle.crf.model_dump_json() if bundle.crf else "",
        backend,
        *([reference] if reference != "litert" else []),
        *([str(bundle.outputs.positions_m)] if bundle.outputs.position == "mean" else []),
        *([bundle.preprocessing.combine] if bundle.preprocessing.combine != "mean" else []),
        *([bundle.outputs.unknown.model_dump_json()] if bundle.outputs.unknown else []),
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def localiser_tables(source: Source) -> list[Constant]:
    """Arrays around the network: model input by dBm, the CRF in units of the scores, places of the classes."""
    bundle, graph = source.bundle, source.graph
    reading, scores = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    tables = [
        Constant("tl_rssi_table", "tl_input_t", rssi_table(bundle.preprocessing, reading), "model input by dBm + 128")
    ]
    if _has_crf(bundle) and bundle.crf is not None:
        integers = integer_crf(bundle.crf, scores)
        tables += [
            Constant("tl_crf_transitions", "int32_t", integers.transitions, "[from][to]"),
            Constant("tl_crf_start", "int32_t", integers.start, "score of starting in a class"),
            Constant("tl_crf_end", "int32_t", integers.end, "score of ending in a class"),
        ]
    positions = integer_positions(bundle.outputs, scores)
    if positions is not None:
        tables += [
            Constant("tl_position_weights", "uint16_t", positions.weights, "by distance from the best score"),
            Constant("tl_position_places", "int16_t", positions.places, "x, y of each class"),
        ]
    return tables


def _has_crf(bundle: Bundle) -> bool:
    return bundle.crf is not None and bundle.window.steps > 1


COMBINE: tuple[Combine, ...] = ("last", "max", "mean")
"""By TL_COMBINE."""


def localiser_values(source: Source, manifest: Manifest) -> dict[str, Any]:
    """What model.h says of every localiser, whatever runs its network."""
    bundle, graph = source.bundle, source.graph
    reading, scores = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    return {
        "name": bundle.name,
        "tflite": source.model.path,
        "backend": manifest.backend,
        "backend_number": BACKENDS.index(backend_named(manifest.backend)),
        "model_id": manifest.model_id,
        "inputs": manifest.inputs,
        "classes": manifest.classes,
        "window": manifest.window,
        "hop": manifest.hop,
        "hold": bundle.preprocessing.hold_samples,
        "crf": _has_crf(bundle),
        "online": bundle.window.online,
        "sparse": manifest.sparse,
        "scan": False,
        "selftest": False,
        "updatable": None,
        "combine": COMBINE.index(bundle.preprocessing.combine),
        "least_heard": bundle.outputs.unknown.least_heard if bundle.outputs.unknown else 1,
        "least_margin": margin_units(bundle, float(np.float32(scores.scale))),
        "input_type": f"{reading.element}_t",
        "input_scale": reading.scale,
        "input_zero": reading.zero_point,
        "score_type": f"{scores.element}_t",
        "score_scale": scores.scale,
        "score_zero": scores.zero_point,
        "position": integer_positions(bundle.outputs, scores),
    }


def localiser_text(
    source: Source, program: Program, manifest: Manifest, for_library: Mapping[str, Any] | None = None
) -> dict[str, str]:
    """File name -> C of a localiser's step. `for_library`: values that a library's model has otherwise."""
    values = {
        **localiser_values(source, manifest),
        "check_calls": check_calls(program),
        "check_count": check_count(program),
        **program_values(program, localiser_tables(source)),
        **(for_library or {}),
    }
    return render(_LOCALISER, values)
