"""`tinyloc emulate`: the image on the emulated board, over the whole test set."""

from typing import Annotated

import typer

from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    AllMeasuredOption,
    ArithmeticOption,
    BackendOption,
    BoardOption,
    BudgetOption,
    DebugLayersOption,
    RequireOption,
    RunArgument,
    RunsDirOption,
    board_within,
)
from tinyloc.cli.outputs import JsonOption
from tinyloc.cli.runs import find_run


def emulate(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    all_measured: AllMeasuredOption = False,
    wait_states: Annotated[
        int, typer.Option("--wait-states", min=0, max=15, help="Wait states of a flash read, in core cycles.")
    ] = 0,
    flash_cache: Annotated[
        bool,
        typer.Option("--flash-cache/--no-flash-cache", help="With --wait-states: switch the board's flash cache on."),
    ] = True,
    budget: BudgetOption = None,
    require: RequireOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the firmware in the emulator on the whole test set. Exit code 1: over budget, answers differ, or a crash.

    With --debug-layers: compare every layer with the host's, and name the first that differs.
    """
    from tinyloc.cli.progress import samples_shown
    from tinyloc.cli.publish import FAILED, publish, publish_layers
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
    from tinyloc.device.emulator.flash_reads import timing_of
    from tinyloc.device.evaluation.evaluate import MEASURED_SAMPLES, evaluate
    from tinyloc.device.image.build import load_build

    found, asked = board_within(board, budget, require)
    kernels = backend_named(backend)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, arithmetic, kernels, debug_layers))
    generated = layout.need_generated(arithmetic, kernels)
    measured = 0 if all_measured else MEASURED_SAMPLES
    device = EmulatedDevice(image.elf, found, timing=timing_of(found, wait_states, flash_cache))
    try:
        if debug_layers:
            publish_layers(layout, generated, found, device, json)
            return
        with samples_shown("emulated samples") as progress:
            outcome = evaluate(
                layout.bundle, generated, image, found, device, measured=measured, progress=progress, require=asked
            )
    except EmulatorCrash as crash:  # what the firmware did is the result
        typer.echo(str(crash), err=True)
        raise typer.Exit(FAILED) from crash
    publish(outcome, layout, json)
