"""`tinyloc duty`: the loop of a wearable that sleeps between samples, and the current it draws on average."""

from typing import Annotated

import typer

from tinyloc.cli.console import say
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BoardOption,
    RunArgument,
    RunsDirOption,
)
from tinyloc.cli.outputs import JsonOption, write_json
from tinyloc.cli.runs import find_run


def duty(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    rate: Annotated[float, typer.Option("--rate", help="Samples per second.")] = 5.0,
    samples: Annotated[
        int, typer.Option("--samples", min=1, max=1000, help="Number of samples, from the first test recording.")
    ] = 100,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Estimate the average current of a sleep-scan-localise loop. Exit code 1: an answer differs, or no wake-up."""
    from dataclasses import asdict

    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FAILED
    from tinyloc.device.emulator import EmulatorCrash
    from tinyloc.device.evaluation.sleep_cycle import run_duty

    found, layout = load_board(board), find_run(run, runs_dir)
    generated = layout.need_generated(arithmetic)
    try:
        cost = run_duty(layout.bundle, generated, found, rate, samples, layout.optimise(None))
    except EmulatorCrash as crash:  # what the firmware did is the result
        typer.echo(str(crash), err=True)
        raise typer.Exit(FAILED) from crash
    say(
        f"{cost.samples} samples at {cost.rate_hz:g} Hz on {board}, {cost.mode} between them: "
        f"{cost.awake_cycles:,.0f} cycles awake per sample, {cost.inference_cycles:,.0f} of them the localiser "
        "(modelled)"
    )
    typer.echo(
        f"average current {cost.average_microamp:.2f} µA (estimate): sleep {cost.sleep_microamp:g} µA, inference "
        f"{cost.inference_microamp:.2f} µA, everything else {100 * cost.overhead:.1f} % of these"
    )
    differ = f"{cost.mismatches} ANSWERS DIFFER from the host's" if cost.mismatches else "all answers equal the host's"
    typer.echo(f"{differ}; image {cost.flash_bytes:,} bytes of flash")
    write_json(json, {**asdict(cost), "overhead": cost.overhead, "board": board})
    if cost.mismatches:
        raise typer.Exit(FAILED)
