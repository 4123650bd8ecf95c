"""`tinyloc train`: from a recipe to a run directory."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.cli.layout import RUNS_DIR, JsonOption, RunsDirOption, new_run, write_json


def train(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="Name (`tinyloc recipes`) or a TOML file.")],
    run: Annotated[str | None, typer.Option("--run", help="Name of the run; without it the recipe's name.")] = None,
    data: Annotated[Path | None, typer.Option("--data", help="Zip or folder of the data set, if elsewhere.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed in place of the recipe's.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Start anew, or go on with an interrupted training.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Train the model of a recipe and keep everything about it in runs/NAME."""
    from tinyloc.cli.progress import epochs_shown
    from tinyloc.training.recipe import load_recipe

    chosen = load_recipe(recipe)
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    directory = new_run(run or chosen.name, runs_dir)

    from tinyloc.training import run as training  # torch: only once the recipe is known to be right

    with epochs_shown() as progress:
        trained = training.train(chosen, directory, progress, data_path=data, fresh=fresh)
    record = trained.record
    write_json(json, record.model_dump(mode="json"))
    typer.echo(
        f"{directory}: {record.parameters:,} parameters, best epoch {record.best_epoch} of {record.epochs}; "
        f"test macro F1 {record.test['macro_f1']:.3f}, accuracy {record.test['accuracy']:.3f} (float)"
    )
