"""Arguments and options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.choices import (
    ArithmeticChoice,
    BackendChoice,
    LevelChoice,
    ProfileChoice,
    ReferenceChoice,
)
from tinyloc.cli.complete import ZOO_PREFIX

if TYPE_CHECKING:
    from tinyloc.boards import Board

RUNS_DIR = Path("runs")
DEFAULT_BOARD = "stm32l4"
TABLE_WIDTH = 112
"""Least width of a wide table in columns; a narrower terminal wraps it."""

RunArgument = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Run directory, its name below --runs-dir, or zoo:NAME for a model of the zoo (`tinyloc zoo list`).",
        autocompletion=complete.runs,
    ),
]
RunsDirOption = Annotated[Path, typer.Option("--runs-dir", help="Directory that holds the runs.")]


def _board_of_zoo(context: typer.Context, board: str) -> str:
    """Choose the board of zoo:NAME where --board is not given (a callback of --board)."""
    run = str(context.params.get("run") or "")
    source = context.get_parameter_source("board")
    if not run.startswith(ZOO_PREFIX) or source is None or source.name != "DEFAULT":
        return board
    from tinyloc.device.zoo.models import resolve

    return resolve(run.removeprefix(ZOO_PREFIX))[1]


BOARD_HELP = f"Board: {', '.join(complete.board_names())}."
BoardOption = Annotated[
    str,
    typer.Option(
        "--board",
        help=f"{BOARD_HELP} A model of the zoo chooses its own.",
        callback=_board_of_zoo,
        autocompletion=complete.boards,
    ),
]
ArithmeticOption = Annotated[
    ArithmeticChoice | None,
    typer.Option("--arithmetic", help="Integers to compute in. Default: the default of the bundle."),
]
BudgetOption = Annotated[
    ProfileChoice | None,
    typer.Option("--budget", help="Check against this budget instead of the board's."),
]
BackendOption = Annotated[
    BackendChoice,
    typer.Option("--backend", help="Kernels to run: native (tinyloc's own), cmsis_nn or tflm."),
]
ReferenceOption = Annotated[
    ReferenceChoice | None,
    typer.Option(
        "--reference",
        help="Reference that the code equals bit for bit. tinyloc computes the scan of a Mamba as one operator; litert "
        "equals LiteRT in every operator. Default: the reference of the recipe.",
    ),
]
UpdatableOption = Annotated[
    bool,
    typer.Option(
        "--updatable",
        help="Keep the model as data, so that a device can take another one over the link. Costs about 10 % cycles.",
    ),
]
KeyFileOption = Annotated[
    Path | None,
    typer.Option(
        "--key", help="File with the key of updates: 32 bytes, or 64 hexadecimal digits. Default: no updates."
    ),
]
LevelOption = Annotated[
    LevelChoice | None,
    typer.Option("--optimise", help="Optimise for size (Os) or speed (O2). Default: the level of the recipe."),
]
DebugLayersOption = Annotated[
    bool, typer.Option("--debug-layers", help="Use the image that sends a checksum of every layer.")
]
AllMeasuredOption = Annotated[
    bool, typer.Option("--all-measured", help="Model the cycles of every sample. Default: of 200 samples.")
]


def board_within(name: str, budget: str | None) -> "Board":
    """Load a board, with the budget of a profile if one is given."""
    from tinyloc.boards import load_board
    from tinyloc.boards.profiles import with_profile

    board = load_board(name)
    return board if budget is None else with_profile(board, budget)
