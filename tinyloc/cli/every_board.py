"""`--board all`: one command for every board, boards beside each other, each in a process of its own."""

import json as json_format
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typer

from tinyloc.cli.complete import ALL_BOARDS
from tinyloc.cli.console import say
from tinyloc.cli.outputs import write_json
from tinyloc.errors import UserError

Values = Mapping[str, str | int | Path | None]
"""Options with what the user gave: None or False where they gave nothing."""


def words(options: Values) -> list[str]:
    """Options as words of a command line."""
    given = {option: value for option, value in options.items() if value is not None and value is not False}
    return [
        word
        for option, value in given.items()
        for word in ([option] if value is True else [option, str(getattr(value, "value", value))])
    ]


def on_every_board(command: str, run: str, options: Values, boards: Sequence[str], json: Path | None) -> None:
    """Run a command for each board and print what each says as it ends.

    Args:
        command: Of tinyloc, with a RUN.
        run: Its argument.
        options: Its other options.
        boards: Names of the boards.
        json: File for {board: what the command writes for it}.

    Raises:
        UserError: There is no board.
        typer.Exit: The greatest exit code of all, if it is not 0.
    """
    if not boards:
        raise UserError(
            f"no board for --board {ALL_BOARDS}: build the run first (`tinyloc build RUN --board {ALL_BOARDS}`)"
        )
    line = [command, run, *words(options)]
    codes, found = [], dict[str, Any]()
    with TemporaryDirectory(prefix="tinyloc-boards-") as place, ThreadPoolExecutor(os.cpu_count()) as pool:
        running = {pool.submit(_run, line, board, Path(place) / f"{board}.json", json): board for board in boards}
        for done in as_completed(running):
            board, (code, text) = running[done], done.result()
            codes.append(code)
            say(f"== {board}\n{text}")
            if json is not None and (part := Path(place) / f"{board}.json").is_file():
                found[board] = json_format.loads(part.read_text(encoding="utf-8"))
    write_json(json, {board: found[board] for board in boards if board in found})
    failed = sum(code != 0 for code in codes)
    say(f"{len(codes) - failed} of {len(codes)} boards without a complaint")
    if failed:
        raise typer.Exit(max(codes))


def _run(line: Sequence[str], board: str, part: Path, json: Path | None) -> tuple[int, str]:
    command = [sys.executable, "-m", "tinyloc", *line, "--board", board]
    command += ["--json", str(part)] if json is not None else []
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout.strip()
