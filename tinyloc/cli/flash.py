"""`tinyloc flash`: write a firmware image to a real board."""

from typing import Annotated

import typer

from tinyloc.cli.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    BoardOption,
    DebugLayersOption,
    RunArgument,
    RunsDirOption,
    find_run,
)


def flash(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print the command instead of running it.")] = False,
    tool: Annotated[
        str | None, typer.Option("--tool", help="Another of the board's tools; `tinyloc board show` lists them.")
    ] = None,
    debug_layers: DebugLayersOption = False,
    runs_dir: RunsDirOption = RUNS_DIR,
) -> None:
    """Flash the firmware of a run with the board's own tool, and verify it."""
    from tinyloc.boards import load_board
    from tinyloc.device.flashing import flash as flashing
    from tinyloc.device.image.build import load_build

    found = load_board(board)
    layout = find_run(run, runs_dir)
    image = load_build(layout.need_firmware(board, debug_layers=debug_layers))
    flashing.flash(image, found, dry_run=dry_run, report=typer.echo, tool=tool)
