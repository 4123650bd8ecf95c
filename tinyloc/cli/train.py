"""`tinyloc train`: from a recipe to a run directory."""

from pathlib import Path
from typing import Annotated

import typer

from tinyloc.api.run_layout import new_run
from tinyloc.cli import complete
from tinyloc.cli.console import note, say
from tinyloc.cli.options import RUNS_DIR, RunsDirOption
from tinyloc.cli.outputs import JsonOption, write_json


def train(
    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="Name of a recipe (`tinyloc recipes`), or a TOML file.",
            autocompletion=complete.recipes,
        ),
    ],
    run: Annotated[str | None, typer.Option("--run", help="Name of the run. Default: the recipe's name.")] = None,
    data: Annotated[
        Path | None, typer.Option("--data", help="File or folder of the data set. Default: the usual places.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Replace the seed of the recipe.")] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh/--resume", help="Start again, or continue an interrupted training.")
    ] = False,
    runs_dir: RunsDirOption = RUNS_DIR,
    json: JsonOption = None,
) -> None:
    """Train the model of a recipe and keep the result in runs/NAME."""
    from tinyloc.cli.progress import epochs_shown
    from tinyloc.device.report.baselines import standing
    from tinyloc.training.recipe import load_recipe

    chosen = load_recipe(recipe)
    if seed is not None:
        chosen = chosen.model_copy(update={"seed": seed})
    directory = new_run(run or chosen.name, runs_dir)

    from tinyloc.integer_training.tuner import INTEGERS
    from tinyloc.training import run as training  # torch: only once the recipe is known to be right

    if chosen.training.refit:
        note("training.refit: validation scans train, too; figures while training are of scans trained on")
    with epochs_shown() as progress:
        trained = training.train(chosen, directory, progress, data_path=data, fresh=fresh, tuner=INTEGERS)
    record = trained.record
    test = record.test
    figures = f"test macro F1 {test['macro_f1']:.3f}, accuracy {test['accuracy']:.3f}"
    if record.outputs.position == "mean" and "error_mean_m" in test:
        percentiles = ", ".join(f"P{percent} {test[f'error_p{percent}_m']:.2f} m" for percent in (50, 75, 90))
        figures = f"test mean error {test['error_mean_m']:.2f} m, {percentiles}"
    write_json(json, record.model_dump(mode="json"))
    say(
        f"{directory}: {record.parameters:,} parameters, best epoch {record.best_epoch} of {record.epochs}; "
        f"{figures} (float)"
    )
    for line in standing(record.comparison) if record.comparison else []:
        say(line)
