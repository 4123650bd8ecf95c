"""Options that name an output file: links stay, pipes and devices are written to, `-` is standard output."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from tinyloc.errors import UserError
from tinyloc.files import write_whole, writes_through

STANDARD_OUTPUT = Path("-")
_reserved: ContextVar[TextIO] = ContextVar("_reserved")
"""Standard output, while an output option has it for itself."""


class OutputError(UserError):
    """A file that cannot be written; found before the work that would fill it begins."""


def checked_output(context: typer.Context, path: Path | None) -> Path | None:
    """Check the value of an option that names an output file, before the work begins (a callback).

    `-` is standard output. What the command prints goes to standard error then, so that a pipe gets the file alone.

    Raises:
        OutputError: The file could not be written.
    """
    if path == STANDARD_OUTPUT:
        if sys.stdout is not sys.stderr:
            context.with_resource(_output_alone())
    elif path is not None:
        _check_output(path)
    return path


@contextmanager
def _output_alone() -> Iterator[None]:
    token = _reserved.set(sys.stdout)
    with redirect_stdout(sys.stderr):
        yield
    _reserved.reset(token)


def checked_outputs(context: typer.Context, paths: list[Path]) -> list[Path]:
    """Check each value of an option that may be given more than once."""
    for path in paths:
        checked_output(context, path)
    return paths


def _check_output(path: Path) -> None:
    if path.is_dir():
        raise OutputError(f"{path} is a directory; name a file")
    if writes_through(path):
        if not os.access(path, os.W_OK):
            raise OutputError(f"{path} cannot be written: no permission; name another file")
        return
    parent = next(folder for folder in path.resolve().parents if folder.exists())
    if not parent.is_dir():
        raise OutputError(f"{path} cannot be written: {parent} is a file; name another place")
    if not os.access(parent, os.W_OK | os.X_OK):
        raise OutputError(f"{path} cannot be written: no permission to write in {parent}; name another place")


def write_output(path: Path, content: str | bytes) -> None:
    """Write the file that an option with `checked_output` names."""
    if path != STANDARD_OUTPUT:
        write_whole(path, content)
        return
    stream = _reserved.get()
    if isinstance(content, str):
        stream.write(content)
        stream.flush()
    else:
        stream.buffer.write(content)
        stream.buffer.flush()


JsonOption = Annotated[
    Path | None,
    typer.Option(
        "--json",
        metavar="FILE",
        help="Write the result as JSON to this file; - is standard output.",
        callback=checked_output,
    ),
]


def write_json(path: Path | None, content: Any) -> None:
    """Write the content of --json, if the option was given."""
    if path is not None:
        write_output(path, json.dumps(content, indent=2) + "\n")
