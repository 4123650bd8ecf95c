"""The trainings of one run, one after the other: teachers, assistant, then the model.

Each finished stage is kept in resume.pt, so that an interrupted run goes on in the middle of any of them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tinyloc.export.bundle import Preprocessing, Window
from tinyloc.training import resume
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.distil.external import check_same
from tinyloc.training.distil.guide import Guide
from tinyloc.training.distil.settings import Distillation, Teacher
from tinyloc.training.models.build import build_model
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.models.settings import ModelSettings
from tinyloc.training.recipe import Recipe
from tinyloc.training.train import Fit, Progress, validate

SEEDS_APART = 1000
"""From the seed of one model's initial weights to the next one's."""


@dataclass(frozen=True)
class Known:
    """A finished model of another run, and what it was trained on."""

    name: str
    model: Localiser
    preprocessing: Preprocessing
    classes: Sequence[str]


Find = Callable[[Path], Known]


@dataclass(frozen=True)
class TeacherScore:
    """What metrics.json says of a teacher."""

    name: str
    macro_f1: float
    """On the validation split."""
    teaches: bool


@dataclass(frozen=True)
class Outcome:
    """What a run is written from."""

    model: Localiser
    data_set: DataSet
    preprocessing: Preprocessing
    fit: Fit
    teachers: list[TeacherScore]


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
    recipe: Recipe, data_set: DataSet, preprocessing: Preprocessing, stages: Stages, find: Find
) -> Outcome:
    """Train the teachers, if any, then the model."""
    known: list[TeacherScore] = []
    taught_by: list[Localiser] = []
    distillation = recipe.distillation
    if distillation is not None:
        taught_by, known = _teachers(recipe, distillation, data_set, preprocessing, stages, find)
        if distillation.assistant is not None:
            named = _candidates(recipe, [distillation.assistant], "assistant", data_set, preprocessing, stages, find,
                                (distillation, taught_by))  # fmt: skip
            taught_by = [model for _, model in named]
    torch.manual_seed(recipe.seed)
    model = build_model(recipe.model, len(data_set.access_points), len(data_set.classes))
    guide = _guide(distillation, taught_by, model, recipe)
    fit = stages.run(Fit("model", model, data_set, preprocessing, recipe, guide=guide))
    return Outcome(model, data_set, preprocessing, fit, known)


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
    find: Find,
) -> tuple[list[Localiser], list[TeacherScore]]:
    """Those that teach, and what is to be told of all."""
    named = _candidates(recipe, settings.teachers, "teacher", data_set, preprocessing, stages, find)
    window = Window(steps=recipe.window.steps, hop=recipe.window.hop, rate_hz=data_set.rate_hz)
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
    find: Find,
    taught_by: tuple[Distillation, list[Localiser]] | None = None,
) -> list[tuple[str, Localiser]]:
    """Train or read every model of the list: name and model of each."""
    found: list[tuple[str, Localiser]] = []
    for teacher in teachers:
        if teacher.run is not None:
            known = find(Path(teacher.run))
            check_same(known.name, known.preprocessing, known.classes, preprocessing, data_set.classes)
            found.append((known.name, known.model))
            continue
        assert teacher.model is not None  # the settings ask for one of the two
        for _ in range(teacher.count):
            number = len(found) + 1
            name = f"{stage} {number}" if stage == "teacher" else stage
            model = _new(teacher.model, data_set, recipe.seed + SEEDS_APART * number)
            guide = _guide(taught_by[0], taught_by[1], model, recipe) if taught_by else None
            fit = Fit(
                name, model, data_set, preprocessing, recipe, epochs=teacher.epochs,
                learning_rate=teacher.learning_rate, seed=recipe.seed + number, guide=guide,
            )  # fmt: skip
            found.append((f"{name}: {_short(teacher.model)}", stages.run(fit).model))
    return found


def _short(settings: ModelSettings) -> str:
    sizes = "-".join(map(str, settings.hidden_sizes))
    return f"{settings.architecture} {sizes}" + (f" L{settings.layers}" if settings.layers > 1 else "")


def _new(settings: ModelSettings, data_set: DataSet, seed: int) -> Localiser:
    torch.manual_seed(seed)
    return build_model(settings, len(data_set.access_points), len(data_set.classes))
