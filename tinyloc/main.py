"""Entry point of the `tinyloc` command.

Exit codes:
    0    done
    1    the result fails: over budget, or the device's answers differ from the host's
    2    user error; the message on standard error says how to fix it
    3    a bug of tinyloc, with its traceback
    130  interrupted
"""

import errno
import io
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from tinyloc.cli import (
    board,
    build,
    bundle,
    codegen,
    compare,
    data,
    deploy,
    duty,
    emulate,
    evaluate,
    export,
    flash,
    fusion,
    init,
    live,
    quantise,
    recipes,
    renode,
    report,
    sbom,
    search,
    study,
    survey,
    train,
    update,
    zoo,
)
from tinyloc.cli.compile import compile_model
from tinyloc.cli.console import QuietOption, VerboseOption, set_verbosity, take_verbosity
from tinyloc.cli.library import library
from tinyloc.cli.run import run as run_model
from tinyloc.environment import missing_module
from tinyloc.environment import version as tinyloc_version
from tinyloc.errors import UserError

OUR_FAULT = 3
INTERRUPTED = 130
GO_ON = ("train", "deploy", "evaluate", "study", "search")
"""Commands that continue an interrupted run."""
OUTSIDE = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOSPC,
        errno.ENOTDIR, errno.EPERM, errno.EROFS,
    }
)  # fmt: skip
"""File errors that a user can fix: permissions, full disks, impossible names."""
TRAIN, DEPLOY, NETWORK, MORE = (
    "From a recipe to a model",
    "From a model to a verified image",
    "Your own network",
    "Collections and studies",
)
"""Groups of the commands in `tinyloc --help`."""

app = typer.Typer(
    name="tinyloc",
    help="Compile indoor localisers and other quantised networks to C for small microcontrollers, and verify them.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"tinyloc {tinyloc_version()}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
    verbose: VerboseOption = False,
    quiet: QuietOption = False,
) -> None:
    pass


app.command("init", rich_help_panel=TRAIN)(init.init)
app.command("survey", rich_help_panel=TRAIN)(survey.survey)
app.command("recipes", rich_help_panel=TRAIN)(recipes.recipes)
app.add_typer(data.app, name="data", rich_help_panel=TRAIN)
app.command("train", rich_help_panel=TRAIN)(train.train)
app.command("deploy", rich_help_panel=TRAIN)(deploy.deploy)
app.command("export", rich_help_panel=TRAIN)(export.export)
app.command("codegen", rich_help_panel=DEPLOY)(codegen.codegen)
app.command("build", rich_help_panel=DEPLOY)(build.build)
app.command("emulate", rich_help_panel=DEPLOY)(emulate.emulate)
app.command("flash", rich_help_panel=DEPLOY)(flash.flash)
app.command("live", rich_help_panel=DEPLOY)(live.live)
app.command("library", rich_help_panel=DEPLOY)(library)
app.command("update", rich_help_panel=DEPLOY)(update.update)
app.command("evaluate", rich_help_panel=DEPLOY)(evaluate.evaluate)
app.command("report", rich_help_panel=DEPLOY)(report.report)
app.command("compare", rich_help_panel=DEPLOY)(compare.compare)
app.command("duty", rich_help_panel=DEPLOY)(duty.duty)
app.command("renode", rich_help_panel=DEPLOY)(renode.renode)
app.command("sbom", rich_help_panel=DEPLOY)(sbom.sbom)
app.add_typer(bundle.app, name="bundle", rich_help_panel=NETWORK)
app.command("quantise", rich_help_panel=NETWORK)(quantise.quantise)
app.command("compile", rich_help_panel=NETWORK)(compile_model)
app.command("run", rich_help_panel=NETWORK)(run_model)
app.add_typer(zoo.app, name="zoo", rich_help_panel=MORE)
app.add_typer(board.app, name="board", rich_help_panel=MORE)
app.add_typer(study.app, name="study", rich_help_panel=MORE)
app.command("search", rich_help_panel=MORE)(search.search)
app.add_typer(fusion.app, name="fusion", rich_help_panel=MORE)
take_verbosity(app)


def main(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit code."""
    set_verbosity()
    try:
        app(list(arguments), prog_name="tinyloc")
    except SystemExit as stop:  # typer ends every command with one
        if stop.code == INTERRUPTED:
            return _interrupted(arguments)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except UserError as error:
        print(f"error: {_shown(str(error))}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        missing = missing_module(error.name or "")
        if missing is None:
            raise
        print(f"error: {missing}", file=sys.stderr)
        return 2
    return 0


def _shown(message: str) -> str:
    """The message without what would steer the terminal: names from files stand in it."""
    return "".join(c if c.isprintable() or c in "\n\t" else f"<U+{ord(c):04X}>" for c in message)


def _interrupted(arguments: Sequence[str]) -> int:
    goes_on = bool(arguments) and arguments[0] in GO_ON and "--fresh" not in arguments
    end = "; run the same command again to continue" if goes_on else ""
    line_end = "\n" if sys.stderr.isatty() else ""  # of the line on which the terminal shows ^C
    print(f"{line_end}interrupted{end}", file=sys.stderr)
    return INTERRUPTED


def run() -> None:
    """Run the command line of this process and exit with its code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal's code page may lack a character, such as µ
            stream.reconfigure(errors="replace")
    try:
        code = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        code = OUR_FAULT
    sys.exit(code)
