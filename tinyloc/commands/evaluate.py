"""`tinyloc evaluate`: the same evaluation on a real board."""

from typing import Annotated

import typer

from tinyloc.commands.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BoardOption,
    BudgetOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    board_within,
    find_run,
)


def evaluate(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    port: Annotated[
        str | None, typer.Option("--port", help="Serial port, as /dev/ttyACM0; without it found by the board's USB id.")
    ] = None,
    baud: Annotated[
        int | None, typer.Option("--baud", help="Raise the rate to this for the test set; without it the board's rate.")
    ] = None,
    arithmetic: ArithmeticOption = None,
    budget: BudgetOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the test set on a flashed board. Exit code 1: over budget, or answers differ.

    An evaluation that was interrupted goes on where it stopped.
    """
    from contextlib import closing

    from tinyloc.commands.outcome import publish
    from tinyloc.commands.progress import samples_shown
    from tinyloc.device import evaluate as evaluation
    from tinyloc.device.build import load_build
    from tinyloc.device.serial_port import SerialPort, find_port

    found = board_within(board, budget)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, arithmetic))
    generated = layout.need_generated(arithmetic)
    log = layout.path / f"exchange-{board}.jsonl"
    with closing(SerialPort(port or find_port(found), found.uart.baud)) as device, samples_shown("samples") as progress:
        outcome = evaluation.evaluate(
            layout.bundle, generated, image, found, device, baud=baud, progress=progress, log=log
        )
    publish(outcome, layout, json)
