"""`tinyloc deploy`: from a recipe to the verdict, all steps in a row."""

from typing import Annotated

import typer

from tinyloc.cli import build as build_step
from tinyloc.cli import codegen, complete, emulate, export, train
from tinyloc.cli.options import BOARD_HELP, DEFAULT_BOARD, RUNS_DIR, BudgetOption, RequireOption, RunsDirOption
from tinyloc.cli.outputs import JsonOption


def deploy(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a recipe (`tinyloc recipes`), or a TOML file.",
            autocompletion=complete.recipes,
        ),
    ],
    board: Annotated[str, typer.Option("--board", help=BOARD_HELP, autocompletion=complete.boards)] = DEFAULT_BOARD,
    run: Annotated[str | None, typer.Option("--run", help="Name of the run. Default: the recipe's name.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Start again, or continue an interrupted training.")
    ] = False,
    budget: BudgetOption = None,
    require: RequireOption = None,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Train, export, generate code, build and emulate in one command. Exit code 1: over budget, or answers differ."""
    from tinyloc.boards import load_board
    from tinyloc.training.recipe import load_recipe

    load_board(board)
    name = run or load_recipe(recipe).name
    train.train(recipe, run=name, fresh=fresh, runs_dir=runs_dir)
    export.export(name, runs_dir=runs_dir)
    codegen.codegen(name, runs_dir=runs_dir)
    build_step.build(name, board=board, runs_dir=runs_dir)
    emulate.emulate(name, board=board, budget=budget, require=require, runs_dir=runs_dir, json=json)
