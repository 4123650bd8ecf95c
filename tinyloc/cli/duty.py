"""`tinyloc duty`: the loop of a wearable that sleeps between samples, and the current it draws on average."""

from typing import Annotated

import typer

from tinyloc.cli.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BoardOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    find_run,
    write_json,
)


def duty(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    rate: Annotated[float, typer.Option("--rate", help="Samples a second.")] = 5.0,
    samples: Annotated[int, typer.Option("--samples", min=1, max=1000, help="Of the first test recording.")] = 100,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the loop sleep, scan, localise in the emulator. Exit code 1: an answer differs, or the sleep does not end."""
    from dataclasses import asdict

    from tinyloc.boards import load_board
    from tinyloc.cli.publish import FOUND_WANTING
    from tinyloc.device.emulator import EmulatorCrash
    from tinyloc.device.evaluation.sleep_cycle import run_duty

    found, layout = load_board(board), find_run(run, runs_dir)
    generated = layout.need_generated(arithmetic)
    try:
        cost = run_duty(layout.bundle, generated, found, rate, samples, layout.optimise(None))
    except EmulatorCrash as crash:  # what the firmware did is the result
        typer.echo(str(crash), err=True)
        raise typer.Exit(FOUND_WANTING) from crash
    typer.echo(
        f"{cost.samples} samples at {cost.rate_hz:g} Hz on {board}, {cost.mode} between them: "
        f"{cost.awake_cycles:,.0f} cycles awake a sample, {cost.inference_cycles:,.0f} of them the localiser (modelled)"
    )
    typer.echo(
        f"average current {cost.average_microamp:.2f} µA (estimate): sleep {cost.sleep_microamp:g} µA, inference "
        f"{cost.inference_microamp:.2f} µA, all else {100 * cost.overhead:.1f} % of these"
    )
    differ = f"{cost.mismatches} ANSWERS DIFFER from the host's" if cost.mismatches else "all answers equal the host's"
    typer.echo(f"{differ}; image {cost.flash_bytes:,} bytes of flash")
    write_json(json, {**asdict(cost), "overhead": cost.overhead, "board": board})
    if cost.mismatches:
        raise typer.Exit(FOUND_WANTING)
