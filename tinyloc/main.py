"""Entry point of the `tinyloc` command.

Exit codes: 0 done; 1 measured and found wanting (over budget, or the device answers otherwise than the host);
2 the user can mend it (one message on stderr); 3 a fault of ours, with its traceback; 130 interrupted.
"""

import errno
import sys
import traceback
from collections.abc import Sequence

import typer

from tinyloc.cli import (
    board,
    build,
    codegen,
    compare,
    data,
    duty,
    emulate,
    evaluate,
    export,
    flash,
    fusion,
    recipes,
    renode,
    report,
    study,
    train,
    zoo,
)
from tinyloc.cli.compile import compile_model
from tinyloc.cli.library import library
from tinyloc.cli.run import run as run_model
from tinyloc.errors import UserError

OUR_FAULT = 3
INTERRUPTED = 130
GO_ON = ("train", "evaluate")
"""Commands that go on where they were interrupted."""
OUTSIDE = frozenset(
    {
        errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EISDIR, errno.ENAMETOOLONG, errno.ENOSPC,
        errno.ENOTDIR, errno.EPERM, errno.EROFS,
    }
)  # fmt: skip
"""Errors of files that are no fault of ours: permissions, full disks, names that cannot be."""
EXTRA_OF_MODULE = {
    "torch": "train",
    "torchcrf": "train",
    "matplotlib": "train",
    "onnx": "export",
    "onnx2tf": "export",
    "onnxscript": "export",
    "tensorflow": "export",
    "ai_edge_litert": "export",
}
"""Modules that only an extra of pyproject.toml installs."""

app = typer.Typer(
    name="tinyloc",
    help="From an indoor-localisation model in PyTorch to a verified image on a small microcontroller.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.add_typer(data.app, name="data")
app.command("recipes")(recipes.recipes)
app.command("train")(train.train)
app.command("export")(export.export)
app.command("codegen")(codegen.codegen)
app.command("build")(build.build)
app.command("compare")(compare.compare)
app.command("emulate")(emulate.emulate)
app.command("evaluate")(evaluate.evaluate)
app.command("duty")(duty.duty)
app.command("flash")(flash.flash)
app.command("renode")(renode.renode)
app.command("report")(report.report)
app.command("compile")(compile_model)
app.command("run")(run_model)
app.command("library")(library)
app.add_typer(board.app, name="board")
app.add_typer(fusion.app, name="fusion")
app.add_typer(study.app, name="study")
app.add_typer(zoo.app, name="zoo")


def main(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit code."""
    try:
        app(list(arguments), prog_name="tinyloc")
    except SystemExit as stop:  # typer ends every command with one
        if stop.code == INTERRUPTED:
            return _interrupted(arguments)
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except KeyboardInterrupt:
        return _interrupted(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        if error.errno not in OUTSIDE:
            raise
        print(f"error: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        extra = EXTRA_OF_MODULE.get((error.name or "").split(".")[0])
        if extra is None:
            raise
        print(
            f"error: this command needs {error.name}, which is not installed; pip install 'tinyloc[{extra}]'",
            file=sys.stderr,
        )
        return 2
    return 0


def _interrupted(arguments: Sequence[str]) -> int:
    goes_on = bool(arguments) and arguments[0] in GO_ON and "--fresh" not in arguments
    end = "; the same command goes on where it stopped" if goes_on else ""
    line_end = "\n" if sys.stderr.isatty() else ""  # of the line on which the terminal shows ^C
    print(f"{line_end}interrupted{end}", file=sys.stderr)
    return INTERRUPTED


def run() -> None:
    """The console script."""
    try:
        code = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        code = OUR_FAULT
    sys.exit(code)
