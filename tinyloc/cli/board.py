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
            board.flash.tool if board.flash else "- (virtual)",
        )
    Console().print(table)


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the board: small letters, digits, underscores.")],
    part: Annotated[str, typer.Option("--part", help="Name of the microcontroller, as nRF52832.")],
    core: Annotated[str, typer.Option("--core", help="cortex-m3 or cortex-m4f.")] = "cortex-m3",
    title: Annotated[str | None, typer.Option("--title", help="Name of the board in reports.")] = None,
) -> None:
    """Write the files of a new board, with a TODO for every fact."""
    from tinyloc.device.board_files import new_board

    for path in new_board(name, part, title, core):
        typer.echo(path)
    typer.echo(f"fill them in; `tinyloc board check {name}` says what is missing")


@app.command("check")
def check(name: Annotated[str, typer.Argument(help="Name of the board, as `tinyloc board list` gives it.")]) -> None:
    """Say what a board still lacks, and which facts are not verified. Exit code 1: something is missing."""
    from tinyloc.device.board_files import check_board

    findings = check_board(name)
    for finding in findings:
        typer.echo(f"{'missing' if finding.wrong else 'note   '}  {finding.where}: {finding.what}")
    wrong = sum(finding.wrong for finding in findings)
    typer.echo(f"{name}: {wrong} to do" if wrong else f"{name}: complete")
    if wrong:
        raise typer.Exit(1)


@app.command("show")
def show(name: Annotated[str, typer.Argument(help="Name of the board, as `tinyloc board list` gives it.")]) -> None:
    """Show everything known of one board, as JSON."""
    from tinyloc.boards import load_board

    typer.echo(load_board(name).model_dump_json(indent=2))
