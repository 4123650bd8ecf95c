"""`tinyloc compile`: a user's own .tflite to C, and its footprint on a board."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.choices import AimChoice, NetworkBackendChoice
from tinyloc.cli.console import say
from tinyloc.cli.network_options import (
    AimOption,
    BoardName,
    FlashBudgetOption,
    KeepInputsOption,
    KernelsOption,
    ModelArgument,
    SignatureOption,
    StateOption,
    StepOption,
    network_of,
    print_sizes,
)
from tinyloc.cli.outputs import JsonOption, write_json


def compile_model(
    model: ModelArgument,
    board: BoardName,
    out: Annotated[Path, typer.Option("--out", help="Directory for the C files; an earlier one is replaced.")],
    state: StateOption = None,
    step: StepOption = False,
    signature: SignatureOption = None,
    keep_inputs: KeepInputsOption = False,
    optimise: AimOption = AimChoice.BUDGET,
    flash_budget: FlashBudgetOption = None,
    backend: KernelsOption = NetworkBackendChoice.NATIVE,
    json: JsonOption = None,
) -> None:
    """Compile a quantised .tflite to C and show its footprint on a board. Exit code 1: it does not fit."""
    from tinyloc.device.network.run_network import check_directory, save_network

    check_directory(out)
    with network_of(
        model, board, state=state, step=step, keep_inputs=keep_inputs, optimise=optimise, flash_budget=flash_budget,
        backend=backend, signature=signature,
    ) as network:  # fmt: skip
        save_network(network, out)
        write_json(json, network.figures())
        say(f"{out}: model.h, model.c, weights.c, manifest.json; harness.h, harness.c and kernels/ to link it")
        print_sizes(network)
        if not network.image.fits:
            raise typer.Exit(1)
