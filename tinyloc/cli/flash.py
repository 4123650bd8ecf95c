"""`tinyloc flash`: write a firmware image to a real board."""

from typing import Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.options import (
    DEFAULT_BOARD,
    RUNS_DIR,
    BoardOption,
    DebugLayersOption,
    RunArgument,
    RunsDirOption,
)
from tinyloc.cli.runs import find_run


def flash(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command instead of running it.")] = False,
    tool: Annotated[
        str | None,
        typer.Option(
            "--tool",
            help="Flash tool, such as openocd or pyocd (`tinyloc board show BOARD`). Default: the board's first.",
            autocompletion=complete.flash_tools,
        ),
    ] = None,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Write the image of a run to a connected board with the board's flash tool, and verify it."""
    from tinyloc.boards import load_board
    from tinyloc.device.flashing import flash as flashing
    from tinyloc.device.image.build import load_build

    found = load_board(board)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, debug_layers=debug_layers))
    flashing.flash(image, found, dry_run=dry_run, report=typer.echo if dry_run else say, tool=tool)
