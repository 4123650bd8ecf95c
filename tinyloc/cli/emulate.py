"""`tinyloc emulate`: the image on the emulated board, over the whole test set."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli.choices import BackendChoice
from tinyloc.cli.complete import ALL_BOARDS
from tinyloc.cli.every_board import on_every_board
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    AllMeasuredOption,
    ArithmeticOption,
    BackendOption,
    BoardOrAllOption,
    BudgetOption,
    DebugLayersOption,
    RequireOption,
    RunArgument,
    RunsDirOption,
    board_within,
)
from tinyloc.cli.outputs import JsonOption
from tinyloc.cli.runs import find_run

if TYPE_CHECKING:
    from tinyloc.api.run_layout import RunLayout
    from tinyloc.boards import Board


def emulate(
    run: RunArgument,
    board: BoardOrAllOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    all_measured: AllMeasuredOption = False,
    wait_states: Annotated[
        int | None,
        typer.Option("--wait-states", min=0, max=15, help="Wait states of a flash read; by default the board's own."),
    ] = None,
    flash_cache: Annotated[
        bool,
        typer.Option("--flash-cache/--no-flash-cache", help="Model the board's flash cache as switched on."),
    ] = True,
    budget: BudgetOption = None,
    require: RequireOption = None,
    backend: BackendOption = BackendChoice.NATIVE,
    debug_layers: DebugLayersOption = False,
    checked: Annotated[
        bool,
        typer.Option("--checked", help="Fence arena and state with red zones; a write there is a crash. No report."),
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the firmware in the emulator on the whole test set. Exit code 1: over budget, answers differ, or a crash.

    With --debug-layers: compare every layer with the host's, and name the first that differs. With --board all: every
    board that the run was built for.
    """
    from tinyloc.cli.progress import samples_shown
    from tinyloc.cli.publish import FAILED, publish, publish_layers
    from tinyloc.codegen.backend_names import backend_named
    from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
    from tinyloc.device.emulator.flash_reads import timing_of
    from tinyloc.device.evaluation.evaluate import MEASURED_SAMPLES, evaluate
    from tinyloc.device.image.build import load_build

    kernels = backend_named(backend)
    if board == ALL_BOARDS:
        options = {
            "--arithmetic": arithmetic, "--all-measured": all_measured, "--wait-states": wait_states or None,
            "--no-flash-cache": not flash_cache, "--budget": budget, "--require": require, "--backend": backend,
            "--debug-layers": debug_layers, "--checked": checked, "--runs-dir": runs_dir,
        }  # fmt: skip
        on_every_board("emulate", run, options, find_run(run, runs_dir).built_boards(kernels), json)
        return
    found, asked = board_within(board, budget, require)
    layout = find_run(run, runs_dir)
    if checked:
        _checked(layout, found, arithmetic, kernels)
        return
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


def _checked(layout: "RunLayout", board: "Board", arithmetic: str | None, kernels: str) -> None:
    """Run the test set on an image with red zones, made for this run only."""
    from dataclasses import replace

    from tinyloc.cli.publish import FAILED
    from tinyloc.codegen.manifest import read_manifest
    from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
    from tinyloc.device.evaluation.evaluate import evaluate
    from tinyloc.device.image.backends import extras_of
    from tinyloc.device.image.build import Extras, build_firmware
    from tinyloc.device.image.red_zones import BUFFERS, ZONE_BYTES

    generated = layout.need_generated(arithmetic, kernels)
    extras = replace(extras_of(read_manifest(generated), board) or Extras(), red_zones=True)
    with TemporaryDirectory(prefix="tinyloc-checked-") as place:
        image = build_firmware(generated, board, Path(place) / "image", layout.optimise(None), extras=extras)
        try:
            found = evaluate(layout.bundle, generated, image, board, EmulatedDevice(image.elf, board), measured=1)
        except EmulatorCrash as crash:
            typer.echo(str(crash), err=True)
            raise typer.Exit(FAILED) from crash
    equal = found.samples - found.mismatches
    typer.echo(
        f"{equal:,} of {found.samples:,} answers equal the host's; nothing was written in the red zones of "
        f"{ZONE_BYTES} bytes around {' and '.join(BUFFERS)}"
    )
    if found.mismatches:
        raise typer.Exit(FAILED)
