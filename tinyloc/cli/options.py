"""Arguments and options that several commands share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tinyloc.cli import complete
from tinyloc.cli.choices import (
    ArithmeticChoice,
    BackendChoice,
    LevelChoice,
    ReferenceChoice,
)
from tinyloc.cli.complete import ZOO_PREFIX

if TYPE_CHECKING:
    from tinyloc.boards import Board
    from tinyloc.bundle.schema import Budget

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
BoardOrAllOption = Annotated[
    str,
    typer.Option(
        "--board",
        help=f"{BOARD_HELP} A model of the zoo chooses its own. {complete.ALL_BOARDS}: every board, beside each other.",
        callback=_board_of_zoo,
        autocompletion=complete.boards_or_all,
    ),
]
ArithmeticOption = Annotated[
    ArithmeticChoice | None,
    typer.Option("--arithmetic", help="Integers to compute in. Default: the default of the bundle."),
]
BudgetOption = Annotated[
    str | None,
    typer.Option(
        "--budget",
        metavar="BUDGET",
        help=f"Check against this budget instead of the board's: {', '.join(complete.BUDGETS)}, or figures such as "
        "ram=16K,flash=64K,macro_f1=0.75.",
        autocompletion=complete.budgets,
    ),
]
RequireOption = Annotated[
    str | None,
    typer.Option(
        "--require",
        metavar="NAME=VALUE,...",
        help="Gates of quality and energy: macro_f1, accuracy, floor_hit (at least), mean_error, p90_error (m), energy "
        "(uJ), current (uA) and flash, ram, latency (at most). Exit code 1 if one is missed.",
    ),
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
LinkKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--link-key",
        envvar="TINYLOC_LINK_KEY",
        help="File with the key of the link: requests that change the device need a tag. Default: no tags.",
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


def board_within(name: str, budget: str | None, require: str | None = None) -> "tuple[Board, Budget]":
    """Load a board, and read what the command line asks for.

    Args:
        name: Of the board.
        budget: Name of a profile, which becomes the board's budget; or figures.
        require: Figures.

    Returns:
        The board, and the figures of both options.

    Raises:
        UserError: An unknown profile, or figures that cannot be read.
    """
    from tinyloc.boards import load_board
    from tinyloc.boards.profiles import with_profile
    from tinyloc.bundle.schema import Budget
    from tinyloc.device.evaluation.budget import joined, parse_requirements

    board = load_board(name)
    asked = Budget()
    if budget is not None and "=" not in budget:
        board = with_profile(board, budget)
    elif budget is not None:
        asked = parse_requirements(budget)
    return board, joined(asked, parse_requirements(require)) if require is not None else asked
