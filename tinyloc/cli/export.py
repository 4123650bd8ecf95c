"""`tinyloc export`: from the checkpoint to the bundle."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, RunArgument, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
    from tinyloc.export.rank_widths import Need
    from tinyloc.export.step_names import StepNames


def export(
    run: RunArgument,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Compare the stages layer by layer, rank layers by width, propose widths."),
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Export a trained run as ONNX and quantised TFLite, check both, and write the bundle."""
    layout = find_run(run, runs_dir)

    from tinyloc.bundle.schema import load_bundle
    from tinyloc.export.pipeline import export_run

    bundle = load_bundle(export_run(layout.path, explain=explain, tell=say, need=_need))
    forms = [{"arithmetic": m.arithmetic, "bytes": (layout.bundle / m.path).stat().st_size} for m in bundle.models]
    write_json(json, {"name": bundle.name, "models": forms, "parity": bundle.settings.get("parity")})
    sizes = ", ".join(f"{form['arithmetic']} {form['bytes']:,} bytes" for form in forms)
    say(f"{layout.bundle}: {sizes}; default {bundle.default_arithmetic}")


def _need(content: bytes, names: "StepNames") -> "Need":
    """What the compiler says that a file takes."""
    from tinyloc.codegen.compile import compile_graph
    from tinyloc.codegen.frontend.reader import read_tflite
    from tinyloc.codegen.passes.selective_scan import fuse_selective_scan
    from tinyloc.export.rank_widths import Need

    with tempfile.TemporaryDirectory(prefix="tinyloc-need-") as place:
        path = Path(place) / "model.tflite"
        path.write_bytes(content)
        states = list(zip(names.state_inputs, names.state_outputs, strict=True))
        graph, _ = fuse_selective_scan(read_tflite(path, states))
        made = compile_graph(graph, Path(place) / "generated")
    return Need(made.constant_bytes, made.arena_bytes + made.state_bytes)
