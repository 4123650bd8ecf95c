"""`tinyloc bundle`: bundles from networks of your own."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.api.run_layout import RunLayout, new_run
from tinyloc.cli.console import say
from tinyloc.cli.options import RUNS_DIR, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json

app = typer.Typer(help="Make a bundle from any network.", no_args_is_help=True)


@app.command()
def new(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Network: module:Class of PyTorch, an exported program (.pt2), an .onnx or a .tflite file.",
        ),
    ],
    data: Annotated[
        Path,
        typer.Option("--data", metavar="FILE.toml", help="Description of inputs, outputs and samples, or a radio map."),
    ],
    run: Annotated[
        str | None, typer.Option("--run", help="Name of the run that gets the bundle. Default: the description's.")
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Make a bundle from a network; it then runs through codegen, build, emulate and all that follows."""
    from tinyloc.api.bundle import new_bundle
    from tinyloc.bundle.schema import load_bundle
    from tinyloc.export.network.description import read_description

    about = read_description(data)
    layout = RunLayout(new_run(run or about.name, runs_dir))
    new_bundle(model, about, data.parent, layout.bundle, say)
    bundle = load_bundle(layout.bundle)
    forms = [{"arithmetic": m.arithmetic, "bytes": (layout.bundle / m.path).stat().st_size} for m in bundle.models]
    write_json(
        json, {"name": bundle.name, "models": forms, "float": bundle.float_metrics, "parity": bundle.settings["parity"]}
    )
    sizes = ", ".join(f"{form['arithmetic']} {form['bytes']:,} bytes" for form in forms)
    say(f"{layout.bundle}: {sizes}; continue with `tinyloc codegen {layout.path}`")
