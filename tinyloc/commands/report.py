"""`tinyloc report`: the pages and figures of an evaluation, made again from its record."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.commands.layout import (
    DEFAULT_BOARD,
    RUNS_DIR,
    BoardOption,
    JsonOption,
    RunArgument,
    RunsDirOption,
    checked_output,
    find_run,
    write_json,
)


def report(
    run: RunArgument,
    board: BoardOption = DEFAULT_BOARD,
    output: Annotated[
        Path | None, typer.Option("--output", help="Where to write the HTML page.", callback=checked_output)
    ] = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Show the verdict of the last evaluation and write its HTML report."""
    from rich.console import Console

    from tinyloc.boards.files import write_whole
    from tinyloc.device.report.html import render_html
    from tinyloc.device.report.record import load_evaluation
    from tinyloc.device.report.summary import summary
    from tinyloc.device.report.text import verdict

    layout = find_run(run, runs_dir)
    evaluation = load_evaluation(layout.need(layout.evaluation(board), "emulate", f"--board {board}"))
    page = output or layout.report(board)
    write_whole(page, render_html(evaluation))
    write_json(json, summary(evaluation))
    Console().print(verdict(evaluation, page), soft_wrap=True)
