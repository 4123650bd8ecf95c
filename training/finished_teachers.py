"""Finished runs that are to teach: read, and compared with what the student trains on, before anything is trained.

Needs no torch by itself."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.data.dataset import DataSet
from tinyloc.training.distil.external import check_same
from tinyloc.training.errors import TrainingError
from tinyloc.training.inputs import fitted
from tinyloc.training.recipe import Recipe

if TYPE_CHECKING:
    from tinyloc.training.models.localiser import Localiser


@dataclass(frozen=True)
class Known:
    """A finished model of another run, and what it was trained on."""

    name: str
    model: "Localiser"
    preprocessing: Preprocessing
    classes: Sequence[str]


Find = Callable[[Path], Known]


def finished_teachers(recipe: Recipe, data_set: DataSet, find: Find) -> dict[str, Known]:
    """Load the runs that a recipe's teachers and assistant name.

    Raises:
        TrainingError: every run that cannot be read or cannot teach.
    """
    found: dict[str, Known] = {}
    problems: list[str] = []
    for run in _named(recipe):
        try:
            known = find(Path(run))
            problems += misfits(
                known.name, known.preprocessing, known.classes, known.model.crf is not None, recipe, data_set
            )
            found[run] = known
        except TrainingError as error:
            problems.append(str(error))
    if problems:
        raise TrainingError("; ".join(problems))
    return found


def _named(recipe: Recipe) -> list[str]:
    """Directories of runs, each once."""
    settings = recipe.distillation
    teachers = [*settings.teachers, settings.assistant] if settings is not None else []
    return list(dict.fromkeys(teacher.run for teacher in teachers if teacher is not None and teacher.run is not None))


def misfits(
    name: str, taught: Preprocessing, classes: Sequence[str], crf: bool, recipe: Recipe, data_set: DataSet
) -> list[str]:
    """Why a trained model cannot teach the recipe's on this data, as far as that is known before any training.

    taught, classes, crf: of the teacher. Where the recipe selects access points, which ones is not known yet; they are
    compared again when it is. Raises DataError when the data set's training recordings hear nothing.
    """
    problems = crf_problem(name, crf, recipe)
    own = taught if recipe.compression.access_points else fitted(recipe.input, data_set)
    try:
        check_same(name, taught, classes, own, data_set.classes)
    except TrainingError as error:
        problems.append(str(error))
    most = recipe.compression.access_points
    if most is not None and len(taught.access_points) > most:
        problems.append(selection_problem(name, len(taught.access_points), most))
    return problems


def crf_problem(name: str, crf: bool, recipe: Recipe) -> list[str]:
    """A teacher without the CRF that the method asks for."""
    method = recipe.distillation.method if recipe.distillation else "logits"
    if crf or method == "logits":
        return []
    return [f"teacher {name} has no CRF, which distillation.method = {method!r} needs; train it with model.crf = true"]


def selection_problem(name: str, theirs: int, own: int) -> str:
    """The access points that are selected for the one and not for the other."""
    return (
        f"teacher {name} cannot teach this student: {theirs} access points there and at most {own} here "
        "(compression.access_points); train both with the same"
    )
