"""`tinyloc emulate`: the image on the emulated board, over the whole test set."""

from typing import Annotated

import typer

from tinyloc.cli.layout import (
    DEFAULT_BOARD,
    NATIVE,
    RUNS_DIR,
    ArithmeticOption,
    BackendOption,
    BoardOption,
    BudgetOption,
    DebugLayersOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    board_within,
    find_run,
)


def emulate(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    all_measured: Annotated[
        bool, typer.Option("--all-measured", help="Model the cycles of every sample, not of 200 of them.")
    ] = False,
    wait_states: Annotated[
        int, typer.Option("--wait-states", min=0, max=15, help="Core cycles that a read of the flash waits.")
    ] = 0,
    flash_cache: Annotated[
        bool, typer.Option("--flash-cache/--no-flash-cache", help="With --wait-states: the board's flash cache is on.")
    ] = True,
    budget: BudgetOption = None,
    backend: BackendOption = NATIVE,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the firmware in the emulator on the whole test set. Exit code 1: over budget, answers differ, or a crash.

    With --debug-layers: compare every layer with the host's, and name the first that differs.
    """
    from tinyloc.cli.progress import samples_shown
    from tinyloc.cli.publish import publish, tell_layers
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
    from tinyloc.device.emulator.flash_reads import timing_of
    from tinyloc.device.evaluation.evaluate import MEASURED_SAMPLES, evaluate
    from tinyloc.device.image.build import load_build

    found = board_within(board, budget)
    kernels = backend_named(backend)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, arithmetic, kernels, debug_layers))
    generated = layout.need_generated(arithmetic, kernels)
    measured = 0 if all_measured else MEASURED_SAMPLES
    device = EmulatedDevice(image.elf, found, timing=timing_of(found, wait_states, flash_cache))
    try:
        if debug_layers:
            tell_layers(layout, generated, found, device, json)
            return
        with samples_shown("emulated samples") as progress:
            outcome = evaluate(layout.bundle, generated, image, found, device, measured=measured, progress=progress)
    except EmulatorCrash as crash:  # what the firmware did is the result
        typer.echo(str(crash), err=True)
        raise typer.Exit(1) from crash
    publish(outcome, layout, json)
