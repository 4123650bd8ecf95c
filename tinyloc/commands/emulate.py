"""`tinyloc emulate`: the image on the emulated board, over the whole test set."""

from typing import Annotated

import typer

from tinyloc.commands.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    ArithmeticOption,
    BoardOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    find_run,
)


def emulate(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    all_measured: Annotated[
        bool, typer.Option("--all-measured", help="Model the cycles of every sample, not of a part of them.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the firmware in the emulator on the whole test set. Exit code 1: over budget, or answers differ."""
