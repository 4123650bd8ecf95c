"""`tinyloc board`: what is known of the boards."""

from typing import Annotated

import typer

app = typer.Typer(help="Boards this tinyloc builds for.", no_args_is_help=True)


@app.command("list")
def list_boards() -> None:
    """List the boards with memory, clock and tools."""
    from rich.console import Console
    from rich.table import Table

    from tinyloc.boards import board_names, load_board

    table = Table("board", "part", "core", "clock", "flash", "RAM", "flash tool", box=None, header_style="bold")
    for name in board_names():
        board = load_board(name)
        table.add_row(
            name,
            board.part,
            board.core,
            f"{board.clock.hz / 1e6:g} MHz",
            f"{board.region('flash').size // 1024} KB",
            f"{sum(memory.size for memory in board.memory if memory.access == 'rw') // 1024} KB",
            board.flash.tool,
        )
    Console().print(table)


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="Name of the board, as `tinyloc board list` gives it.")]) -> None:
    """Show everything known of one board, as JSON."""
    from tinyloc.boards import load_board

    typer.echo(load_board(name).model_dump_json(indent=2))
