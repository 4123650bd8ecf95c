"""Bundle -> C: read, check, optimise, plan, lower, render. Deterministic: the same bundle gives the same bytes."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import numpy as np

from tinyloc.boards.files import whole_directory
from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.reference import integer_crf, rssi_table
from tinyloc.codegen.loop_text import lower_loop
from tinyloc.codegen.manifest import LayerRecord, Manifest, PlannedBuffer, StateRecord
from tinyloc.codegen.operators import KernelRule, rule_of
from tinyloc.codegen.operators.base import Constant, Lowered
from tinyloc.codegen.operators.loop import Loop
from tinyloc.codegen.passes import optimise
from tinyloc.codegen.source import Source, read_source
from tinyloc.codegen.storage import Place, Storage, assign_storage, state_name
from tinyloc.export.bundle import Arithmetic

GENERATOR = "tinyloc codegen 1"
VALUES_A_LINE = 24


@dataclass(frozen=True)
class _Layer:
    """One function of model.c and its call."""

    name: str
    comment: str
    parameters: str
    lines: tuple[str, ...]
    call: str
    lowered: Lowered
    operators: tuple[str, ...]


def compile_bundle(bundle_directory: Path, output: Path, arithmetic: Arithmetic | None = None) -> Manifest:
    """Write model.h, model.c, weights.h, weights.c and manifest.json into `output`, replacing it as a whole.

    Raises BundleError, or CompileError with every problem of the model; nothing is written then.
    """
    source = read_source(bundle_directory, arithmetic)
    graph, decisions = optimise(source.graph)
    storage = assign_storage(graph)
    layers = [_layer(graph, storage, number, op) for number, op in enumerate(storage.layers)]
    manifest = _manifest(source, graph, storage, layers, [*decisions, *storage.decisions])
    files = _render(source, graph, storage, layers, manifest)
    with whole_directory(output) as directory:
        for name, text in files.items():
            (directory / name).write_text(text)
    return manifest


def _pointer(graph: Graph, tensor: int, place: Place) -> str:
    """C expression of a tensor's first element, of its element type."""
    element = f"{graph.tensors[tensor].element}_t"
    if place.kind == "arena":
        return f"({element} *)(arena->bytes + {place.offset})"
    base = f"state->{place.name}" if place.kind == "state" else place.name
    items = place.offset // BYTES[graph.tensors[tensor].element]
    return f"{base} + {items}" if items else base


def _layer(graph: Graph, storage: Storage, number: int, op: Operator) -> _Layer:
    rule = rule_of(graph, op)
    what = "loop" if op.kind == "LOOP" else op.kind.lower()
    prefix = f"layer_{number:02d}_{what}"
    sparse = bool(op.attributes.get("sparse"))
    operands = [t for t in dict.fromkeys(op.inputs) if t != -1 and not graph.is_constant(t)]
    names = {t: f"x{i}" for i, t in enumerate(operands)}
    outputs = {t: "y" if len(op.outputs) == 1 else f"y{i}" for i, t in enumerate(op.outputs)}
    if isinstance(rule, Loop):
        lowered = lower_loop(graph, op, rule, prefix, {**names, **outputs})
    else:
        assert isinstance(rule, KernelRule), op.kind
        lowered = rule.lower(graph, op, prefix)
    parameters = ["const tl_entry_t *entries, uint16_t count"] if sparse else []
    arguments = ["entries, count"] if sparse else []
    for tensor, name in [] if sparse else names.items():
        parameters.append(f"const {graph.tensors[tensor].element}_t *{name}")
        arguments.append(_pointer(graph, tensor, storage.places[tensor]))
    for tensor, name in outputs.items():
        parameters.append(f"{graph.tensors[tensor].element}_t *{name}")
        arguments.append(_pointer(graph, tensor, storage.places[tensor]))
    shapes = ", ".join(f"{graph.tensors[t].name} {list(graph.tensors[t].shape)}" for t in op.outputs)
    return _Layer(
        prefix,
        f"{', '.join(op.origin)} -> {shapes}".replace("*/", "* /"),
        ", ".join(parameters),
        lowered.statements,
        f"{prefix}({', '.join(arguments)});",
        lowered,
        op.origin,
    )


def _copies(graph: Graph, storage: Storage) -> list[str]:
    """Statements that keep states, and scores that a view left elsewhere, at the end of a step."""
    lines = []
    for source, target in storage.copies:
        tensor = graph.tensors[source]
        to = "scores" if target == -1 else f"state->{state_name(graph, target)}"
        lines.append(f"memcpy({to}, {_pointer(graph, source, storage.places[source])}, {tensor.bytes});")
    return lines


def _constants(layers: list[_Layer]) -> list[Constant]:
    found: dict[str, Constant] = {}
    for layer in layers:
        for constant in layer.lowered.constants:
            found.setdefault(constant.name, constant)
    return list(found.values())


def _states(graph: Graph) -> list[dict[str, Any]]:
    return [
        {
            "name": state_name(graph, before),
            "element": graph.tensors[before].element,
            "size": graph.tensors[before].size,
            "shape": list(graph.tensors[before].shape),
            "zero_point": graph.tensors[before].zero_point,
            "bytes": graph.tensors[before].bytes,
        }
        for before, _ in graph.states
    ]


def _manifest(
    source: Source, graph: Graph, storage: Storage, layers: list[_Layer], decisions: list[str]
) -> Manifest:
    states = _states(graph)
    bundle = source.bundle
    decided = [*decisions, *(f"{layer.name}: {layer.lowered.note}" for layer in layers if layer.lowered.note)]
    return Manifest(
        model_id=_model_id(source),
        name=bundle.name,
        arithmetic=source.model.arithmetic,
        backend="native",
        inputs=len(bundle.preprocessing.access_points),
        classes=len(bundle.outputs.classes),
        window=bundle.window.steps,
        hop=bundle.window.hop,
        sparse=_is_sparse(storage),
        arena_bytes=storage.plan.size,
        arena_lower_bound=storage.plan.lower_bound,
        state_bytes=sum(-(-int(s["bytes"]) // 4) * 4 for s in states),
        constant_bytes=sum(c.bytes for c in _constants(layers)),
        macs=sum(layer.lowered.macs for layer in layers),
        states=[StateRecord(name=s["name"], bytes=s["bytes"], element=s["element"], shape=s["shape"]) for s in states],
        layers=[
            LayerRecord(
                name=layer.name,
                operators=list(layer.operators),
                macs=layer.lowered.macs,
                constant_bytes=sum(c.bytes for c in layer.lowered.constants),
            )
            for layer in layers
        ],
        plan=[
            PlannedBuffer(name=b.name, offset=offset, size=b.size, first=b.first, last=b.last)
            for b, offset in zip(storage.plan.lifetimes, storage.plan.offsets, strict=True)
        ],
        plan_steps=[*(layer.name for layer in layers), "keep states"],
        decisions=decided,
        generator=GENERATOR,
    )


def _is_sparse(storage: Storage) -> bool:
    return any(op.attributes.get("sparse") for op in storage.layers)


def _model_id(source: Source) -> str:
    """16 hex digits over everything that decides an answer."""
    bundle = source.bundle
    parts = [
        GENERATOR,
        source.model.sha256,
        bundle.preprocessing.model_dump_json(),
        bundle.window.model_dump_json(),
        bundle.crf.model_dump_json() if bundle.crf else "",
    ]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _array_text(constant: Constant) -> str:
    values = [str(int(v)) for v in constant.values.ravel()]
    rows = (values[i : i + VALUES_A_LINE] for i in range(0, len(values), VALUES_A_LINE))
    return "\n".join("    " + ", ".join(row) + "," for row in rows)


def _render(
    source: Source, graph: Graph, storage: Storage, layers: list[_Layer], manifest: Manifest
) -> dict[str, str]:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tinyloc.codegen", "templates"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=jinja2.StrictUndefined,
    )
    bundle = source.bundle
    reading, scores = graph.tensors[graph.inputs[0]], graph.tensors[graph.outputs[0]]
    crf = bundle.crf is not None and bundle.window.steps > 1
    constants = _constants(layers)
    tables = [
        *constants,
        Constant("tl_rssi_table", "tl_input_t", rssi_table(bundle.preprocessing, reading), "model input by dBm + 128"),
    ]
    if crf and bundle.crf is not None:
        integers = integer_crf(bundle.crf, scores)
        tables += [
            Constant("tl_crf_transitions", "int32_t", integers.transitions, "[from][to]"),
            Constant("tl_crf_start", "int32_t", integers.start, "score of starting in a class"),
            Constant("tl_crf_end", "int32_t", integers.end, "score of ending in a class"),
        ]
    calls = [*(layer.call for layer in layers), *_copies(graph, storage)]
    text = " ".join(calls)
    values = {
        "name": bundle.name,
        "tflite": source.model.path,
        "model_id": manifest.model_id,
        "inputs": manifest.inputs,
        "classes": manifest.classes,
        "window": manifest.window,
        "hop": manifest.hop,
        "hold": bundle.preprocessing.hold_samples,
        "crf": crf,
        "sparse": manifest.sparse,
        "arena_bytes": manifest.arena_bytes,
        "constant_bytes": manifest.constant_bytes,
        "input_type": f"{reading.element}_t",
        "input_scale": reading.scale,
        "input_zero": reading.zero_point,
        "score_type": f"{scores.element}_t",
        "score_scale": scores.scale,
        "score_zero": scores.zero_point,
        "states": _states(graph),
        "headers": sorted({h for layer in layers for h in layer.lowered.headers} | {"tl_fixed.h"}),
        "layers": layers,
        "calls": calls,
        "uses_state": "state->" in text,
        "uses_arena": "arena->" in text,
        "constants": [_array(c) for c in constants],
        "tables": [_array(c) for c in tables],
    }
    files = {
        name: environment.get_template(f"{name}.j2").render(values)
        for name in ("model.h", "model.c", "weights.h", "weights.c")
    }
    files["manifest.json"] = manifest.model_dump_json(indent=2) + "\n"
    return files


def _array(constant: Constant) -> dict[str, Any]:
    return {
        "name": constant.name,
        "ctype": constant.ctype,
        "size": int(np.asarray(constant.values).size),
        "comment": constant.comment.replace("*/", "* /"),
        "text": _array_text(constant),
    }
