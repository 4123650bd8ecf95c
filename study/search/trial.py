"""One trial: its record in Optuna's store, and the tasks that train and measure it, without the test recordings."""

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from tinyloc.device.evaluation.measure_bundle import measure_quality
from tinyloc.study.search.cost import Cost, TooLarge, on_board
from tinyloc.study.tasks import Tell
from tinyloc.training.recipe import Recipe

Status = Literal["running", "done", "too large", "behind", "failed"]
STAGE = "model"
"""Stage of the training whose epochs count for rungs; teachers and selections come before it."""


class TrialRecord(BaseModel):
    """What is known of a trial; the user attribute RECORD of Optuna's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Status = "running"
    why: str = ""
    """Why it was dropped."""
    untrained: Cost | None = None
    """With first weights, before any training."""
    rungs: list[float] = Field(default_factory=list)
    """Merit on validation at each rung that it reached."""
    quality: float | None = None
    """Of the generated C on the validation split: macro F1, or the negative mean error in m."""
    cost: Cost | None = None
    """Of the trained model."""
    seconds: float = 0.0
    """Of training, for information."""


class Measured(BaseModel):
    """What a finished trial brings."""

    quality: float
    cost: Cost
    seconds: float


class _RungReached(Exception):
    def __init__(self, merit: float) -> None:
        super().__init__(merit)
        self.merit = merit


def train_to_rung(recipe: Recipe, run: Path, share: float, tell: Tell) -> float:
    """Train until a `share` of the model's own epochs is done; the rest goes on from the checkpoint.

    Returns:
        The best merit on validation so far.
    """
    from tinyloc.training.train import EpochDone

    best = [float("-inf")]

    def progress(done: EpochDone) -> None:
        tell(f"{done.stage}, epoch {done.epoch} of {done.epochs}")
        if done.stage != STAGE:
            return
        best[0] = max(best[0], done.macro_f1 if done.error_m is None else -done.error_m)
        if done.epoch >= max(1, round(share * done.epochs)):
            raise _RungReached(best[0])

    from tinyloc.integer_training.tuner import INTEGERS
    from tinyloc.training.run import load_run, train

    if (run / "run.json").is_file():
        return _merit(load_run(run).record.validation)
    try:
        trained = train(recipe, run, progress, blind=True, tuner=INTEGERS)
    except _RungReached as reached:
        return reached.merit
    return _merit(trained.record.validation)  # patience ended it before


def _merit(validation: dict[str, float]) -> float:
    error = validation.get("error_mean_m", validation.get("mean_m"))
    return validation["macro_f1"] if error is None else -error


def finish(recipe: Recipe, run: Path, board: str, tell: Tell) -> Measured | TooLarge:
    """Train to the end, export, and measure the generated C: quality on the validation split, costs on the board."""
    from tinyloc.export.pipeline import export_run
    from tinyloc.integer_training.tuner import INTEGERS
    from tinyloc.training.run import load_run, train
    from tinyloc.training.train import EpochDone

    if (run / "run.json").is_file():
        trained = load_run(run)
    else:

        def progress(done: EpochDone) -> None:
            tell(f"{done.stage}, epoch {done.epoch} of {done.epochs}")

        trained = train(recipe, run, progress, blind=True, tuner=INTEGERS)
    form = recipe.export.default
    tell("export")
    export_run(run, [form])
    tell("validation by the generated C")
    found = measure_quality(run / "bundle", form)
    quality = found.macro_f1 if found.errors_m is None or recipe.output.position != "mean" else -found.errors_m["mean"]
    tell(f"build and emulate on {board}")
    cost = on_board(run / "bundle", form, board, recipe.build.optimise)
    if isinstance(cost, TooLarge):
        return cost
    return Measured(quality=quality, cost=cost, seconds=trained.record.seconds)
