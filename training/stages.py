"""The trainings of one run, one after the other: input selection, teachers, assistant, the model, its compression.

Each finished stage is kept in resume.pt, so that an interrupted run goes on in the middle of any of them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training import preprocess, resume
from tinyloc.training.calibration import calibration_stream, calibration_windows
from tinyloc.training.compress import prune, select
from tinyloc.training.compress.integer_tuner import IntegerTuner
from tinyloc.training.compress.level import level_scores
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.distil.external import check_same
from tinyloc.training.distil.guide import Guide
from tinyloc.training.distil.hidden import check_watched
from tinyloc.training.distil.settings import Distillation, Teacher
from tinyloc.training.finished_teachers import Find, Known, finished_teachers
from tinyloc.training.inputs import fitted, narrowed
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.mlp import MlpLocaliser
from tinyloc.training.models.own import check_causal
from tinyloc.training.models.recurrent import RecurrentLocaliser
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe
from tinyloc.training.train import Fit, Progress, validate

SEEDS_APART = 1000
"""From the seed of one model's initial weights to the next one's."""
READINGS = 4096
"""Samples that pruning looks at."""


@dataclass(frozen=True)
class TeacherScore:
    """What metrics.json says of a teacher."""

    name: str
    macro_f1: float
    """On the validation split."""
    teaches: bool


@dataclass(frozen=True)
class Tried:
    """A candidate beside the recipe as written, on the validation split."""

    name: str
    figure: str
    """Name of the figure that chooses: macro F1, or the mean error where decisions are positions."""
    difference: float
    """Candidate minus recipe."""
    low: float
    """Ends of the 95 % interval of the paired bootstrap."""
    high: float
    chosen: bool
    """The best of those that are clearly better."""


@dataclass(frozen=True)
class Outcome:
    """What a run is written from."""

    model: Localiser
    data_set: DataSet
    preprocessing: Preprocessing
    fits: list[Fit]
    """The training of the model, and those that compression adds."""
    teachers: list[TeacherScore]
    tried: Sequence[Tried] = ()
    """Candidates of the recipe."""


class Stages:
    """Runs stages in order; those that an earlier, interrupted process finished are only loaded."""

    def __init__(
        self, recipe: Recipe, described: str, resume_path: Path, saved: dict[str, Any] | None, progress: Progress
    ) -> None:
        """described: of the data, see `resume.describe`; saved: what `resume.find` found."""
        self.recipe, self.progress = recipe, progress
        self._described, self._path = described, resume_path
        self._finished: list[dict[str, Any]] = list(saved["finished"]) if saved else []
        self._partial = saved["fit"] if saved else None
        self._done = 0

    def run(self, fit: Fit) -> Fit:
        """Train, or load the result of, the next stage; its model has the best weights then."""
        if self._done < len(self._finished):
            with resume.taking_up(self._path):
                fit.take_result(self._finished[self._done])
        else:
            if self._partial is not None:
                with resume.taking_up(self._path):
                    fit.load_state_dict(self._partial)
                self._partial = None
            fit.run(self.progress, lambda: self._save(fit))
            self._finished.append(fit.result())
        self._done += 1
        return fit

    def _save(self, fit: Fit) -> None:
        resume.save(self._path, self.recipe, self._described, self._finished, fit.state_dict())


def fit_model(
    recipe: Recipe, data_set: DataSet, stages: Stages, find: Find, tuner: IntegerTuner | None = None
) -> Outcome:
    """Select inputs, train the teachers, if any, then the model, and compress it, as the recipe says.

    tuner: for recipes that train with integers.
    """
    compression, distillation = recipe.compression, recipe.distillation
    if distillation is not None and (distillation.hidden_weight or distillation.relation_weight):
        trained = [one.model for one in (*distillation.teachers, distillation.assistant) if one and one.model]
        for settings in (recipe.model, *trained):  # before anything trains
            own = compression.quantisation_aware is not None and settings is recipe.model
            check_watched(build_model(settings, len(data_set.access_points), len(data_set.classes)), integers=own)
    finished = finished_teachers(recipe, data_set, find)
    if compression.access_points is not None:
        data_set = _selected(recipe, data_set, compression.access_points, stages)
    preprocessing = fitted(recipe.input, data_set)
    known: list[TeacherScore] = []
    taught_by: list[Localiser] = []
    if distillation is not None:
        taught_by, known = _teachers(recipe, distillation, data_set, preprocessing, stages, finished)
        if distillation.assistant is not None:
            named = _candidates(
                recipe, [distillation.assistant], "assistant", data_set, preprocessing, stages, finished,
                (distillation, taught_by),
            )  # fmt: skip
            taught_by = [model for _, model in named]
    model = new_model(recipe.model, data_set, recipe.seed)
    guide = _guide(distillation, taught_by, model, recipe)
    fit = stages.run(Fit("model", model, data_set, preprocessing, recipe, guide=guide))
    outcome = Outcome(model, data_set, preprocessing, [fit], known)
    return _compressed(recipe, outcome, taught_by, stages, tuner)


def _selected(recipe: Recipe, data_set: DataSet, most: int, stages: Stages) -> DataSet:
    """The data set with the access points that a first model needs most."""
    preprocessing = fitted(recipe.input, data_set)
    fit = Fit("selection", new_model(recipe.model, data_set, recipe.seed), data_set, preprocessing, recipe)
    gain = select.gains(stages.run(fit).model, data_set.validation, preprocessing)
    return narrowed(data_set, select.best(gain, most))


def _compressed(
    recipe: Recipe, outcome: Outcome, taught_by: Sequence[Localiser], stages: Stages, tuner: IntegerTuner | None
) -> Outcome:
    """Prune and train on; train on with integers in the loop; round."""
    settings, model = recipe.compression, outcome.model
    data_set, preprocessing, fits = outcome.data_set, outcome.preprocessing, list(outcome.fits)

    def further(stage: str, student: Localiser, epochs: int, learning_rate: float) -> None:
        guide = _guide(recipe.distillation, taught_by, student, recipe)
        fit = Fit(stage, student, data_set, preprocessing, recipe, epochs, learning_rate, guide=guide)
        fits.append(stages.run(fit))

    if settings.hidden is not None:
        model = _pruned(model, settings.hidden_sizes, recipe, data_set, preprocessing)
        further("pruned", model, settings.fine_tune_epochs, recipe.training.learning_rate)
    aware = settings.quantisation_aware
    if aware is None and not settings.adaptive_rounding:
        return replace(outcome, model=model, fits=fits)
    assert tuner is not None  # as `train` checks
    windows, _ = calibration_windows(data_set, preprocessing, recipe.training.chunk, recipe.seed)
    stream = calibration_stream(windows)
    if aware is not None and isinstance(model, MlpLocaliser) and not model.settings.standardise:
        level_scores(model, torch.from_numpy(stream))
    twin = tuner.twin(
        model, stream, not data_set.sequential and bool(model.state_names), recipe.export.default, recipe.export.widths
    )
    if aware is not None:
        further("quantisation aware", twin, aware.epochs, aware.learning_rate)
    else:
        tuner.round_adaptively(twin, windows, torch.Generator().manual_seed(recipe.seed))
    return replace(outcome, model=twin.finished(), fits=fits)


def _pruned(
    model: Localiser, sizes: list[int], recipe: Recipe, data_set: DataSet, preprocessing: Preprocessing
) -> Localiser:
    if isinstance(model, MlpLocaliser):
        return prune.pruned(model, sizes, _readings(data_set, preprocessing, recipe.seed))
    assert isinstance(model, RecurrentLocaliser)  # as the settings check
    windows, _ = calibration_windows(data_set, preprocessing, recipe.training.chunk, recipe.seed)
    return prune.pruned_recurrent(model, sizes[0], torch.from_numpy(windows))


def _readings(data_set: DataSet, preprocessing: Preprocessing, seed: int) -> Tensor:
    """(N, P) at most READINGS training samples at random, as model input, not augmented."""
    x = [preprocess.model_input(recording.rssi_dbm, preprocessing) for recording in data_set.train]
    rows = np.concatenate(x)
    return torch.from_numpy(rows[np.random.default_rng(seed).permutation(len(rows))[:READINGS]])


def _guide(
    settings: Distillation | None, teachers: Sequence[Localiser], student: Localiser, recipe: Recipe
) -> Guide | None:
    return Guide(settings, teachers, student, recipe.window.steps) if settings is not None else None


def _teachers(
    recipe: Recipe,
    settings: Distillation,
    data_set: DataSet,
    preprocessing: Preprocessing,
    stages: Stages,
    finished: Mapping[str, Known],
) -> tuple[list[Localiser], list[TeacherScore]]:
    """Those that teach, and what is to be told of all."""
    named = _candidates(recipe, settings.teachers, "teacher", data_set, preprocessing, stages, finished)
    window = recipe.window.decisions(data_set.rate_hz)
    scores = [validate(model, data_set.validation, preprocessing, window).macro_f1 for _, model in named]
    best = max(range(len(scores)), key=lambda at: scores[at])
    chosen = [settings.choose == "mean" or at == best for at in range(len(scores))]
    told = [TeacherScore(name, f1, teaches) for (name, _), f1, teaches in zip(named, scores, chosen, strict=True)]
    return [model for (_, model), teaches in zip(named, chosen, strict=True) if teaches], told


def _candidates(
    recipe: Recipe,
    teachers: Sequence[Teacher],
    stage: str,
    data_set: DataSet,
    preprocessing: Preprocessing,
    stages: Stages,
    finished: Mapping[str, Known],
    taught_by: tuple[Distillation, list[Localiser]] | None = None,
) -> list[tuple[str, Localiser]]:
    """Train or read every model of the list: name and model of each."""
    found: list[tuple[str, Localiser]] = []
    for teacher in teachers:
        if teacher.run is not None:
            known = finished[teacher.run]
            check_same(known.name, known.preprocessing, known.classes, preprocessing, data_set.classes)
            found.append((known.name, known.model))
            continue
        assert teacher.model is not None  # the settings ask for one of the two
        for _ in range(teacher.count):
            number = len(found) + 1
            name = f"{stage} {number}" if stage == "teacher" else stage
            model = new_model(teacher.model, data_set, recipe.seed + SEEDS_APART * number)
            guide = _guide(taught_by[0], taught_by[1], model, recipe) if taught_by else None
            fit = Fit(
                name, model, data_set, preprocessing, recipe, epochs=teacher.epochs,
                learning_rate=teacher.learning_rate, seed=recipe.seed + number, guide=guide,
            )  # fmt: skip
            found.append((f"{name}: {_short(teacher.model)}", stages.run(fit).model))
    return found


def _short(settings: ModelSettings) -> str:
    sizes = "-".join(map(str, settings.hidden_sizes))
    return f"{settings.kind} {sizes}".strip() + (f" L{settings.layers}" if settings.layers > 1 else "")


def new_model(settings: ModelSettings, data_set: DataSet, seed: int) -> Localiser:
    """Make a model with the first weights of a seed."""
    torch.manual_seed(seed)
    model = build_model(settings, len(data_set.access_points), len(data_set.classes))
    check_causal(model)
    return model
