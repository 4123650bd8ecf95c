"""`tinyloc compile`: a user's own .tflite to C, and what it takes of a board."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.layout import JsonOption, write_json
from tinyloc.cli.network_options import (
    BoardName,
    FlashBudgetOption,
    KeepInputsOption,
    KernelsOption,
    ModelArgument,
    OptimiseOption,
    StateOption,
    StepOption,
    network_of,
    sizes_lines,
)


def compile_model(
    model: ModelArgument,
    board: BoardName,
    out: Annotated[Path, typer.Option("--out", help="Directory for the C files; replaced as a whole.")],
    state: StateOption = None,
    step: StepOption = False,
    keep_inputs: KeepInputsOption = False,
    optimise: OptimiseOption = "budget",
    flash_budget: FlashBudgetOption = None,
    backend: KernelsOption = "native",
    json: JsonOption = None,
) -> None:
    """Compile a quantised .tflite to C and say what it takes of a board. Exit code 1: it does not fit."""
    from tinyloc.device.network.run_network import check_directory, save_network

    check_directory(out)
    with network_of(
        model, board, state=state, step=step, keep_inputs=keep_inputs, optimise=optimise, flash_budget=flash_budget,
        backend=backend,
    ) as network:  # fmt: skip
        save_network(network, out)
        write_json(json, network.figures())
        typer.echo(f"{out}: model.h, model.c, weights.c, manifest.json; harness.h, harness.c and kernels/ to link it")
        for line in sizes_lines(network):
            typer.echo(line)
        if not network.image.fits:
            raise typer.Exit(1)
