"""`tinyloc export`: from the checkpoint to the bundle."""

from typing import Annotated

import typer

from tinyloc.commands.layout import RUNS_DIR, JsonOption, RunArgument, RunsDirOption, find_run, write_json


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

    from tinyloc.export.pipeline import export_run

    export_run(layout.path, explain=explain)
    write_json(json, {})
    typer.echo(str(layout.bundle))
