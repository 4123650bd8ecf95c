"""`tinyloc codegen`: from the bundle to C."""

from typing import Annotated

import typer

from tinyloc.cli.layout import (
    NATIVE,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    find_run,
    write_json,
)
from tinyloc.errors import counted


def codegen(
    run: RunArgument,
    arithmetic: ArithmeticOption = None,
    backend: BackendOption = NATIVE,
    reference: Annotated[
        str | None,
        typer.Option(
            "--reference",
            help="Whose integers the code equals: tinyloc (a Mamba's scan is one operator), or litert in every part. "
            "Without it what the recipe says.",
        ),
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Compile the model of a run to C: model.h, model.c, weights.c and manifest.json."""
    layout = find_run(run, runs_dir)
    form = layout.arithmetic(arithmetic)

    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.codegen.backends.compile import compile_for
    from tinyloc.codegen.frontend.source import reference_named

    out = layout.generated(form, backend_named(backend))
    manifest = compile_for(backend_named(backend), layout.bundle, out, form, reference_named(reference))
    write_json(json, manifest.model_dump(mode="json"))
    macs = sum(layer.macs for layer in manifest.layers)
    typer.echo(
        f"{out}: {counted(len(manifest.layers), 'layer')}, {macs:,} MACs; {manifest.constant_bytes:,} bytes "
        f"of constants, {manifest.arena_bytes:,} of arena, {manifest.state_bytes:,} of state"
    )
