"""`tinyloc compile`: a user's own .tflite to C, and what it takes of a board."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.commands.layout import JsonOption, write_json
from tinyloc.commands.network_options import (
    BoardName,
    KeepInputsOption,
    KernelsOption,
    ModelArgument,
    OptimiseOption,
    StateOption,
    StepOption,
    network_backend,
    optimise_level,
    sizes_lines,
    state_pairs,
)


def compile_model(
    model: ModelArgument,
    board: BoardName,
    out: Annotated[Path, typer.Option("--out", help="Directory for the C files; replaced as a whole.")],
    state: StateOption = None,
    step: StepOption = False,
    keep_inputs: KeepInputsOption = False,
    optimise: OptimiseOption = "O2",
    backend: KernelsOption = "native",
    json: JsonOption = None,
) -> None:
    """Compile a quantised .tflite to C and say what it takes of a board. Exit code 1: it does not fit."""
    from tinyloc.boards import load_board
    from tinyloc.device.network import check_directory, compiled_network, save_network

    check_directory(out)
    found = load_board(board)
    kernels, level = network_backend(backend), optimise_level(optimise)
    with compiled_network(model, found, state_pairs(state), level, step, keep_inputs, kernels) as network:
        save_network(network, out)
        write_json(json, network.figures())
        typer.echo(f"{out}: model.h, model.c, weights.c, manifest.json; harness.h, harness.c and kernels/ to link it")
        for line in sizes_lines(network):
            typer.echo(line)
        if not network.image.fits:
            raise typer.Exit(1)
