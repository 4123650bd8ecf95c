"""`tinyloc board`: list, show, check and add boards."""

from typing import Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.choices import CoreChoice
from tinyloc.cli.console import output, say
from tinyloc.cli.outputs import JsonOption, write_json

app = typer.Typer(help="List, show, check and add boards.", no_args_is_help=True)
NameArgument = Annotated[
    str,
    typer.Argument(
        metavar="BOARD", help="Name of the board, as in `tinyloc board list`.", autocompletion=complete.boards
    ),
]


@app.command("list")
def list_boards(json: JsonOption = None) -> None:
    """List the boards with memory, clock and flash tool."""
    from rich.table import Table

    from tinyloc.boards import board_names, broken_boards, load_board

    broken = broken_boards()
    table = Table("board", "part", "core", "clock", "flash", "RAM", "flash tool", box=None, header_style="bold")
    boards = [load_board(name) for name in board_names() if name not in broken]
    for board in boards:
        table.add_row(
            board.name,
            board.part,
            board.core,
            f"{board.clock.hz / 1e6:g} MHz",
            f"{board.region('flash').size // 1024} KB",
            f"{sum(memory.size for memory in board.memory if memory.access == 'rw') // 1024} KB",
            board.flash.tool if board.flash else "- (virtual)",
        )
    for name, why in broken.items():
        table.add_row(name, f"unfinished: {why}" if len(why) < 60 else "unfinished; `tinyloc board check` says what")
    output().print(table)
    write_json(json, [board.model_dump(mode="json") for board in boards])


@app.command("new")
def new(
    name: Annotated[str, typer.Argument(help="Name of the board: small letters, digits, underscores.")],
    part: Annotated[str, typer.Option("--part", help="Name of the microcontroller, such as STM32L476RG.")],
    family: Annotated[
        str | None, typer.Option("--family", help="Family of a part whose facts are not known; a new name adds one.")
    ] = None,
    core: Annotated[CoreChoice, typer.Option("--core", help="Core of such a part.")] = CoreChoice.CORTEX_M3,
    title: Annotated[
        str | None, typer.Option("--title", help="Name of the board in reports. Default: name and part.")
    ] = None,
) -> None:
    """Write the files of a new board into ./boards, with a TODO for every fact that is not known."""
    from tinyloc.device.board_new import new_board

    for path in new_board(name, part, title, family, core.value):
        say(str(path))
    say(f"fill them in; `tinyloc board check {name}` lists what is missing")


@app.command("check")
def check(name: NameArgument, json: JsonOption = None) -> None:
    """List what a board lacks, and which facts are not verified. Exit code 1: something is missing."""
    from dataclasses import asdict

    from tinyloc.device.board_check import check_board

    findings = check_board(name)
    for finding in findings:
        if finding.wrong:
            typer.echo(f"missing  {finding.where}: {finding.what}")
        else:
            say(f"note     {finding.where}: {finding.what}")
    wrong = sum(finding.wrong for finding in findings)
    typer.echo(f"{name}: {wrong} to do" if wrong else f"{name}: complete")
    write_json(json, {"board": name, "complete": not wrong, "findings": [asdict(finding) for finding in findings]})
    if wrong:
        raise typer.Exit(1)


@app.command("show")
def show(name: NameArgument, json: JsonOption = None) -> None:
    """Show all facts of one board as JSON."""
    from tinyloc.boards import load_board

    board = load_board(name)
    if json is None:
        typer.echo(board.model_dump_json(indent=2))
    write_json(json, board.model_dump(mode="json"))
