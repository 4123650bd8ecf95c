"""One model of a library: its C under its own name, its golden samples, and what is known of it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from tinyloc.bundle.schema import Arithmetic, Bundle
from tinyloc.codegen.compile import (
    PreparedGraph,
    graph_text,
    localiser_manifest,
    localiser_text,
    prepare_tflite,
)
from tinyloc.codegen.frontend.source import read_source
from tinyloc.codegen.library.c_names import enumerators
from tinyloc.codegen.library.golden import DRAWS, NETWORK_SAMPLES, Golden, golden_network, golden_scans
from tinyloc.codegen.library.header import (
    body_of,
    guarded,
    rewrite_includes,
    split,
    without_unused_macros,
)
from tinyloc.codegen.library.kernels import versioned
from tinyloc.codegen.library.namespace import Namespace
from tinyloc.codegen.library.specialise import constants_of, specialise
from tinyloc.codegen.lowering.layer_checks import check_calls, checked_layers
from tinyloc.codegen.lowering.lower import localiser_program
from tinyloc.codegen.lowering.render import render
from tinyloc.codegen.manifest import GraphManifest, Manifest
from tinyloc.errors import UserError
from tinyloc.paths import FIRMWARE_DIR

PACKAGE = "tinyloc.codegen.library"
LICENCE = f"/* SPDX-License-Identifier: Apache-2.0\n * tinyloc {version('tinyloc')} */"
Kind = Literal["localiser", "network", "fusion"]
_ADDRESS = re.compile(r"[0-9A-Fa-f]{2}(?:[:-][0-9A-Fa-f]{2}){5}")
_LOCALISE = ("localiser.c", "viterbi.c", "position.c", "margin.c", "scan.c")
_LOCALISE_HEADERS = ("counts.h", "viterbi.h", "position.h", "localiser.h", "margin.h", "scan.h")
_PUBLIC_CALLS = re.compile(r"\btl_(?:init|begin_scan|hear|end_scan|sample|sample_dense|run)\(")


class LibraryError(UserError):
    """A model that cannot become a library; the message says why."""


@dataclass(frozen=True)
class LibraryModel:
    """`header` goes into include/, the rest into src/; both carry the model's name."""

    name: str
    title: str  # the model's own name
    kind: Kind
    header: str
    internal: str
    sources: Mapping[str, str]  # file name -> C
    facts: Mapping[str, Any]  # for the JSON file and the README
    golden: Golden
    context: str = "t"  # ends of names of a network's context and calls
    start: str = "init"
    run: str = "run"


def from_bundle(directory: Path, name: str, title: str, arithmetic: Arithmetic | None = None) -> LibraryModel:
    """A localiser from a bundle."""
    source = read_source(directory, arithmetic)
    bundle = source.bundle
    program = localiser_program(source.graph, True)
    manifest = localiser_manifest(source, program)
    golden = golden_scans(directory, bundle, source.model.arithmetic, manifest)
    texts = localiser_text(
        source,
        program,
        manifest,
        {"scan": True, "selftest": True, "check_calls": check_calls(program, "checks, ")},
    )
    headers = [
        texts["model.h"],
        *((FIRMWARE_DIR / "localise" / each).read_text(encoding="utf-8") for each in _LOCALISE_HEADERS),
    ]
    known = constants_of("\n".join(headers))
    own = Namespace(name)
    selftest = _render(
        {"h": "selftest.h.j2", "c": "selftest.c.j2", "checks": "checks.h.j2"},
        localiser=True,
        sparse=manifest.sparse,
        states=program.states,
        names=[own.apply(check) for check in golden.names],
        checks=[f"0x{value:08X}u" for row in golden.checks for value in row],
        checked=len(golden.checks),
        samples=[{"count": len(s.indices), "entries": s.entries, "decision": s.decision} for s in golden.scans],
        readings=[pair for scan in golden.scans for pair in zip(scan.indices, scan.dbm, strict=True)],
        checked_prototype=_prototype(texts["model.c"], "tl_model_step_checked"),
    )
    public, inside = split(specialise(body_of(text) + "\n", known) for text in headers)
    public += [part for part in inside if _PUBLIC_CALLS.search(part)]
    inside = [part for part in inside if not _PUBLIC_CALLS.search(part)]
    sources = {f"{name}_{file}": (FIRMWARE_DIR / "localise" / file).read_text(encoding="utf-8") for file in _LOCALISE}
    sources = {file: specialise(text, known) for file, text in sources.items()}
    sources = {file: text for file, text in sources.items() if re.search(r"^\{|\) ?\{$", text, re.M)}
    sources |= {f"{name}_model.c": texts["model.c"], f"{name}_weights.c": texts["weights.c"]}
    sources[f"{name}_selftest.c"] = selftest["c"]
    inside += [body_of(texts["weights.h"]), selftest["checks"]]
    classes = bundle.outputs.classes
    everything = own.apply("\n".join([*public, *inside, *sources.values()]))
    taken = set(re.findall(rf"\b{own.upper}_\w+", everything)) | {f"{own.upper}_H", f"{own.upper}_INTERNAL_H"}
    access_points = bundle.preprocessing.access_points
    named = _render(
        {"h": "names.h.j2", "c": "names.c.j2"},
        classes=list(zip(enumerators(classes, f"{own.upper}_", taken), classes, strict=True)),
        places=_places_mm(bundle),
        access_points=access_points,
        sorted=sorted(range(len(access_points)), key=lambda i: access_points[i].encode()),
        addresses=_addresses(access_points),
    )
    sources[f"{name}_names.c"] = named["c"]
    content = without_unused_macros(
        "\n\n".join([*public, named["h"], selftest["h"]]), "".join([*inside, *sources.values()])
    )
    return LibraryModel(
        name=name,
        title=title,
        kind="localiser",
        header=_finish(own, content),
        internal=_finish_internal(own, "\n\n".join(inside)),
        sources=_finish_sources(own, sources),
        facts={
            **_common_facts(own, manifest),
            "licence": bundle.data.licence,
            "data": bundle.data.name,
            "classes": classes,
            "class_names_in_c": enumerators(classes, f"{own.upper}_", taken),
            "places_mm": _places_mm(bundle),
            "access_points": access_points,
            "window": bundle.window.model_dump(),
            "combine": known["TL_COMBINE"],
            "hold_samples": bundle.preprocessing.hold_samples,
            "sparse": manifest.sparse,
            "position": bool(known["TL_POSITION"]),
            "score_type": _typedef(texts["model.h"], "tl_score_t"),
        },
        golden=golden,
    )


def from_tflite(path: Path, name: str, states: Sequence[tuple[str, str]] = (), step: bool = False) -> LibraryModel:
    """A plain network from a .tflite file."""
    return from_graph(prepare_tflite(path, states, step=step), name, path.stem)


@dataclass(frozen=True)
class Around:
    """C that a library has around a network, in the names of our firmware."""

    public: Sequence[str] = ()  # paragraphs of the header
    inside: Sequence[str] = ()  # of the internal one
    sources: Mapping[str, str] = field(default_factory=dict)  # file name -> C
    names: Mapping[str, str] = field(default_factory=dict)  # name in our firmware -> the end of its name in the library
    includes: Sequence[str] = ()  # of the header, beside stdint.h


def from_graph(
    made: PreparedGraph, name: str, title: str, kind: Kind = "network", around: Around | None = None
) -> LibraryModel:
    """A plain network, or one with C around it."""
    manifest, program, around = made.manifest, made.program, around or Around()
    own, golden = Namespace(name, around.names), golden_network(made)
    arguments = [*manifest.inputs, *manifest.outputs]
    parameters = [f"const {a.element}_t {a.argument}[{a.size}]" for a in manifest.inputs]
    parameters += [f"{a.element}_t {a.argument}[{a.size}]" for a in manifest.outputs]
    before = [f"tl_check(checks, {a.argument}, {a.size} * sizeof *{a.argument});" for a in manifest.inputs]
    after = [f"tl_check(checks, {a.argument}, {a.size} * sizeof *{a.argument});" for a in manifest.outputs]
    after += [f"tl_check(checks, state->{s['name']}, sizeof state->{s['name']});" for s in program.states]
    texts = graph_text(made, {"selftest": True, "check_calls": checked_layers(program, before, after, "checks, ")})
    values = {
        "localiser": False,
        "sparse": False,
        "states": program.states,
        "parameters": ", ".join(parameters),
        "arguments": ", ".join(a.argument for a in arguments),
        "buffers": ", ".join(f"{a.element}_t {a.argument}[{a.size}]" for a in arguments),
        "names": [own.apply(check) for check in golden.names],
        "checks": [f"0x{value:08X}u" for row in golden.checks for value in row],
        "checked": len(golden.checks),
        "samples": range(NETWORK_SAMPLES),
        "inputs": manifest.inputs,
        "outputs": manifest.outputs,
        "first_output": len(manifest.inputs) + len(program.layers),
        "draws": DRAWS,
        "checked_prototype": _prototype(texts["model.c"], "tl_model_run_checked"),
    }
    parts = _render(
        {
            "api": "network_api.h.j2",
            "c": "network_api.c.j2",
            "h": "selftest.h.j2",
            "s": "selftest.c.j2",
            "checks": "checks.h.j2",
        },
        **values,
    )  # fmt: skip
    known = constants_of(texts["model.h"])
    public, inside = split([specialise(body_of(texts["model.h"]) + "\n", known), parts["api"]])
    public += [part for part in inside if _PUBLIC_CALLS.search(part)]
    inside = [part for part in inside if not _PUBLIC_CALLS.search(part)]
    sources = {
        f"{name}_model.c": texts["model.c"],
        f"{name}_weights.c": texts["weights.c"],
        f"{name}_network.c": parts["c"],
        f"{name}_selftest.c": parts["s"],
        **around.sources,
    }
    inside += [*around.inside, body_of(texts["weights.h"]), parts["checks"]]
    content = without_unused_macros(
        "\n\n".join([*public, *around.public, parts["h"]]), "".join([*inside, *sources.values()])
    )
    return LibraryModel(
        name=name,
        title=title,
        kind=kind,
        header=_finish(own, content, around.includes),
        internal=_finish_internal(own, "\n\n".join(inside)),
        sources=_finish_sources(own, sources),
        facts={
            **_common_facts(own, manifest),
            "inputs": [a.model_dump() for a in manifest.inputs],
            "outputs": [a.model_dump() for a in manifest.outputs],
        },
        golden=golden,
        context=around.names.get("tl_context_t", "t"),
        start=around.names.get("tl_init", "init"),
        run=around.names.get("tl_run", "run"),
    )


def _common_facts(own: Namespace, manifest: Manifest | GraphManifest) -> dict[str, Any]:
    return {
        "model_id": manifest.model_id,
        "arithmetic": manifest.arithmetic,
        "macs": manifest.macs,
        "arena_bytes": manifest.arena_bytes,
        "state_bytes": manifest.state_bytes,
        "constant_bytes": manifest.constant_bytes,
        "layers": [{"name": own.apply(layer.name), "operators": layer.operators} for layer in manifest.layers],
        "decisions": manifest.decisions,
    }


def _render(templates: Mapping[str, str], **values: Any) -> dict[str, str]:
    return render(templates, values, PACKAGE)


def _prototype(source: str, function: str) -> str:
    found = re.search(rf"^void {function}\(.*?\)(?=\n\{{)", source, re.M | re.S)
    assert found, function
    return found[0] + ";"


def _typedef(header: str, name: str) -> str:
    found = re.search(rf"^typedef (\w+) {name};", header, re.M)
    assert found, name
    return found[1]


def _places_mm(bundle: Bundle) -> list[tuple[int, int, int]] | None:
    if bundle.outputs.positions_m is None:
        return None
    return [(round(1000 * x), round(1000 * y), round(1000 * z)) for x, y, z in bundle.outputs.positions_m]


def _addresses(access_points: Sequence[str]) -> list[list[str]] | None:
    """Rows of the table by address, where every id is one."""
    if not all(_ADDRESS.fullmatch(point) for point in access_points):
        return None
    rows = sorted((bytes.fromhex(re.sub("[:-]", "", point)), index) for index, point in enumerate(access_points))
    return [[f"0x{b:02X}" for b in (*address, index >> 8, index & 0xFF)] for address, index in rows]


def _finish(own: Namespace, content: str, includes: Sequence[str] = ()) -> str:
    return guarded(own.name, f"{LICENCE}\n{MARK}\n", [*includes, "<stdint.h>"], own.apply(content))


MARK = "/* @about */"
"""In a header, where layout.py puts what a caller must know."""


def _finish_internal(own: Namespace, content: str) -> str:
    top = f"{LICENCE}\n/* Inside of {own.name}: not for callers. */\n"
    return guarded(f"{own.name}_internal", top, ["<stddef.h>", "<stdint.h>", "", f'"{own.name}.h"'], own.apply(content))


def _finish_sources(own: Namespace, sources: Mapping[str, str]) -> dict[str, str]:
    done: Callable[[str], str] = lambda text: versioned(own.apply(rewrite_includes(text, f"{own.name}_internal.h")))  # noqa: E731
    return {file: f"{LICENCE}\n{_without_paths(done(text))}" for file, text in sources.items()}


def _without_paths(source: str) -> str:
    """What comments say of files that a library has not."""
    return re.sub(r"\bsee localise/\w+\.h\b", "see the header", source)
