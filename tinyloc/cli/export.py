"""`tinyloc export`: from the checkpoint to the bundle."""

from typing import Annotated

import typer

from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, RunArgument, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run


def export(
    run: RunArgument,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Compare the stages layer by layer, to find the layer that costs accuracy."),
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Export a trained run as ONNX and quantised TFLite, check both, and write the bundle."""
    layout = find_run(run, runs_dir)

    from tinyloc.bundle.schema import load_bundle
    from tinyloc.export.pipeline import export_run

    bundle = load_bundle(export_run(layout.path, explain=explain, tell=say))
    forms = [{"arithmetic": m.arithmetic, "bytes": (layout.bundle / m.path).stat().st_size} for m in bundle.models]
    write_json(json, {"name": bundle.name, "models": forms, "parity": bundle.settings.get("parity")})
    sizes = ", ".join(f"{form['arithmetic']} {form['bytes']:,} bytes" for form in forms)
    say(f"{layout.bundle}: {sizes}; default {bundle.default_arithmetic}")
