"""`tinyloc survey`: a page that records a radio map while a person walks."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.console import say
from tinyloc.cli.options import BOARD_HELP

SourceOption = Annotated[
    list[str] | None,
    typer.Option("--source", help="Serial port of a scanner, or bluetooth for this computer's radio. Repeatable."),
]
ReplayOption = Annotated[
    Path | None, typer.Option("--replay", metavar="FILE.csv", help="Replay a recorded file, or a session's directory.")
]
SpeedOption = Annotated[
    float, typer.Option("--speed", min=0.0, help="Speed of the replay; 1 is real time, 0 as fast as possible.")
]
BaudOption = Annotated[int, typer.Option("--baud", help="Baud rate of the serial ports.")]
HttpPortOption = Annotated[
    int, typer.Option("--http-port", min=0, max=65535, help="Port of the page on 127.0.0.1; 0 takes a free one.")
]
BrowserOption = Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in the browser.")]


def survey(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder of the survey; it is made if needed.")],
    source: SourceOption = None,
    replay: ReplayOption = None,
    speed: SpeedOption = 1.0,
    baud: BaudOption = 115200,
    scan_s: Annotated[
        float | None,
        typer.Option("--scan-s", min=0.05, max=60.0, help="Seconds of readings that make one scan. Default: 1."),
    ] = None,
    board: Annotated[str, typer.Option("--board", help=BOARD_HELP, autocompletion=complete.boards)] = "cc2650",
    http_port: HttpPortOption = 0,
    browser: BrowserOption = True,
) -> None:
    """Record a radio map in the browser: plan, sources, sessions, guidance, and a first training."""
    from tinyloc.boards import load_board
    from tinyloc.survey.project import Project
    from tinyloc.survey.recorder import Recorder
    from tinyloc.survey.serve import serve
    from tinyloc.survey.sources.names import make_source
    from tinyloc.survey.state import Desk

    load_board(board)
    sources = [make_source(text, baud) for text in source or []]
    sources += [make_source(str(replay), speed=speed)] if replay is not None else []
    project = Project(folder, scan_s)
    desk = Desk(project, Recorder(project), board)
    for one in sources:
        desk.recorder.add_source(one)
    try:
        serve(desk, http_port, lambda address: opened(address, browser))
    finally:
        desk.close()


def opened(address: str, browser: bool) -> None:
    """Print the address, and open it in the browser."""
    import webbrowser

    say(f"Open {address}  (only this computer can; stop with Ctrl+C)")
    if browser:
        webbrowser.open(address)
