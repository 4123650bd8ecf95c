"""`tinyloc evaluate`: the same evaluation on a real board."""

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


def evaluate(
    run: RunArgument,
    port: Annotated[str, typer.Option("--port", help="Serial port of the board, such as /dev/ttyACM0.")],
    board: BoardOption = DEFAULT_BOARD,
    arithmetic: ArithmeticOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Run the test set on a board at a serial port. Exit code 1: over budget, or answers differ."""
