"""Entry point of the `tinyloc` command.

Exit codes: 0 done; 1 measured and found wanting (over budget, or the device answers otherwise than the host);
2 the user can mend it (one message on stderr); 3 a fault of ours, with its traceback.
"""

import sys
import traceback
from collections.abc import Sequence

import typer

from tinyloc.boards.errors import UserError
from tinyloc.commands import (
    board,
    build,
    codegen,
    data,
    emulate,
    evaluate,
    export,
    flash,
    fusion,
    recipes,
    renode,
    report,
    train,
)

OUR_FAULT = 3
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
app.command("emulate")(emulate.emulate)
app.command("evaluate")(evaluate.evaluate)
app.command("flash")(flash.flash)
app.command("renode")(renode.renode)
app.command("report")(report.report)
app.add_typer(board.app, name="board")
app.add_typer(fusion.app, name="fusion")


def main(arguments: Sequence[str]) -> int:
    """Run one command line (without the program's name) and return its exit code."""
    try:
        app(list(arguments), prog_name="tinyloc")
    except SystemExit as stop:  # typer ends every command with one
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
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


def run() -> None:
    """The console script."""
    try:
        code = main(sys.argv[1:])
    except Exception:
        traceback.print_exc()
        code = OUR_FAULT
    sys.exit(code)
