"""What a command prints besides its result: notes and progress on standard error, by Python's logging.

default     results on standard output; notes (logging.INFO) on standard error
--quiet     the verdict and errors only: no notes, no progress, no tables of an evaluation
--verbose   also details (logging.DEBUG): commands that run, passes of the compiler, each with its time
"""

import inspect
import logging
import sys
from collections.abc import Callable
from functools import wraps
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console

LOGGER = logging.getLogger("tinyloc")


class _ToStandardError(logging.Handler):
    """Prints records with rich, one a line; with the time since the start and the module when details are shown."""

    def __init__(self, details: bool) -> None:
        super().__init__()
        self.details, self.start = details, perf_counter()

    def emit(self, record: logging.LogRecord) -> None:
        from rich.console import Console
        from rich.text import Text

        style = "yellow" if record.levelno >= logging.WARNING else "dim" if record.levelno < logging.INFO else ""
        line = Text(record.getMessage(), style=style)
        if self.details:
            line = Text(f"{perf_counter() - self.start:7.2f} s  {record.name}: ", style="dim") + line
        Console(file=sys.stderr).print(line, soft_wrap=True)


def set_verbosity(quiet: bool = False, verbose: bool = False) -> None:
    """Show what the options ask for; replaces an earlier setting."""
    for handler in LOGGER.handlers[:]:
        if isinstance(handler, _ToStandardError):
            LOGGER.removeHandler(handler)
    LOGGER.addHandler(_ToStandardError(verbose))
    LOGGER.setLevel(logging.WARNING if quiet else logging.DEBUG if verbose else logging.INFO)
    LOGGER.propagate = False


def quiet() -> bool:
    """Whether only the verdict and errors are wanted."""
    return LOGGER.level > logging.INFO


def note(text: str) -> None:
    """Print a note about the work on standard error."""
    LOGGER.info("%s", text)


def say(text: str) -> None:
    """Print a line about what was made on standard output, unless --quiet."""
    if not quiet():
        print(text, flush=True)


def output(width: int = 0) -> "Console":
    """Give the console of standard output, at least `width` columns wide."""
    from rich.console import Console

    console = Console()
    return Console(width=max(console.width, width)) if width else console


def _want_details(wanted: bool) -> None:
    if wanted:
        set_verbosity(verbose=True)


def _want_quiet(wanted: bool) -> None:
    if wanted:
        set_verbosity(quiet=True)


VerboseOption = Annotated[
    bool, typer.Option("--verbose", "-v", callback=_want_details, help="Print details of the work.")
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", callback=_want_quiet, help="Print only the verdict and errors.")
]


def take_verbosity(app: typer.Typer) -> None:
    """Give --verbose and --quiet to every command of an application, also in its groups."""
    for command in app.registered_commands:
        if command.callback is not None:
            command.callback = _with_verbosity(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            take_verbosity(group.typer_instance)


def _with_verbosity(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the two options to the signature that typer reads; the function itself does not get them."""

    @wraps(function)
    def command(*args: Any, verbose: bool = False, quiet: bool = False, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    options = {"verbose": VerboseOption, "quiet": QuietOption}
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=kind)
        for name, kind in options.items()
    ]
    signature = inspect.signature(function)
    command.__signature__ = signature.replace(parameters=[*signature.parameters.values(), *added])  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, **options}
    return command
