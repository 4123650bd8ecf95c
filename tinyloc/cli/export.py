"""`tinyloc export`: from the checkpoint to the bundle."""

from typing import Annotated

import typer

from tinyloc.cli.layout import RUNS_DIR, JsonOption, RunArgument, RunsDirOption, find_run, write_json


def export(
    run: RunArgument,
    explain: Annotated[
        bool, typer.Option("--explain", help="Compare every stage layer by layer: which layer costs the accuracy.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Export a trained run as ONNX and quantised TFLite, check them, and write the bundle."""
    layout = find_run(run, runs_dir)

    from tinyloc.bundle.schema import load_bundle
    from tinyloc.export.pipeline import export_run

    bundle = load_bundle(export_run(layout.path, explain=explain, tell=typer.echo))
    forms = [{"arithmetic": m.arithmetic, "bytes": (layout.bundle / m.path).stat().st_size} for m in bundle.models]
    write_json(json, {"name": bundle.name, "models": forms, "parity": bundle.settings.get("parity")})
    sizes = ", ".join(f"{form['arithmetic']} {form['bytes']:,} bytes" for form in forms)
    typer.echo(f"{layout.bundle}: {sizes}; default {bundle.default_arithmetic}")
