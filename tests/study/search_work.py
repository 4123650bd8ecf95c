"""Work for the trials of a search in tests: costs and merits follow from the recipe, and each call leaves a line."""

from pathlib import Path

from tinyloc.study.search.cost import Cost, TooLarge
from tinyloc.study.search.run import SearchWork
from tinyloc.study.search.trial import Measured
from tinyloc.study.tasks import Tell
from tinyloc.training.recipe import Recipe

BYTES_PER_UNIT = 1_000
LINKS = 13
"""Units up to which an image links."""


def units(recipe: Recipe) -> int:
    (size,) = recipe.model.hidden_sizes
    return size


def cost(recipe: Recipe, board: str, tell: Tell) -> Cost | TooLarge:
    size = units(recipe)
    return TooLarge(why=f"flash is exceeded by {size} bytes") if size > LINKS else cost_of(recipe)


def cost_of(recipe: Recipe) -> Cost:
    size = units(recipe)
    return Cost(flash=10_000 + BYTES_PER_UNIT * size, ram=1_000, cycles=100.0 * size, energy=size / 10)


def merit(recipe: Recipe) -> float:
    """Best at a learning rate of 0.01; better with more units."""
    return 0.9 - 0.3 / units(recipe) - 10 * abs(recipe.training.learning_rate - 0.01)


def rung(recipe: Recipe, run: Path, share: float, tell: Tell) -> float:
    note(run, f"rung {share}")
    return merit(recipe)


def finish(recipe: Recipe, run: Path, board: str, tell: Tell) -> Measured:
    note(run, "finish")
    if units(recipe) == 7:
        raise ValueError("seven units make it fail")
    return Measured(quality=merit(recipe), cost=cost_of(recipe), seconds=1.0)


def note(run: Path, line: str) -> None:
    run.mkdir(parents=True, exist_ok=True)
    with (run / "log.txt").open("a") as file:
        file.write(f"{line}\n")


QUICK = SearchWork(cost, rung, finish)
