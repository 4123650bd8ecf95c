"""Cells that cannot be, found before the long work: recipe, data, classes, teacher, board."""

from collections.abc import Iterable
from pathlib import Path

from tinyloc.boards import load_board
from tinyloc.boards.errors import UserError
from tinyloc.training.data import catalogue
from tinyloc.training.data.dataset import DataSet, lone_classes
from tinyloc.training.inputs import fitted, without_silent
from tinyloc.training.recipe import Recipe
from tinyloc.training.study.spec import Cell


def impossible(cells: Iterable[Cell]) -> dict[str, str]:
    """Cell id -> why it cannot be, all reasons of a cell in one text. Loads each data set once."""
    data_sets: dict[str, DataSet | str] = {}
    found: dict[str, str] = {}
    for cell in cells:
        problems = list(cell.problems)
        if cell.recipe is not None:
            key = cell.recipe.data.model_dump_json()
            if key not in data_sets:
                data_sets[key] = _loaded(cell.recipe)
            data_set = data_sets[key]
            problems += [data_set] if isinstance(data_set, str) else _problems(cell, cell.recipe, data_set)
        if cell.teacher in found:
            problems.append(f"its teacher {cell.teacher} cannot be")
        if problems:
            found[cell.id] = "; ".join(problems)
    return found


def _loaded(recipe: Recipe) -> DataSet | str:
    try:
        path = Path(recipe.data.path) if recipe.data.path else None
        return catalogue.load(recipe.data.name, recipe.data.options, path)
    except UserError as error:
        return str(error)


def _problems(cell: Cell, recipe: Recipe, data_set: DataSet) -> list[str]:
    problems = lone_classes(data_set)
    if recipe.input.drop_silent:
        data_set = without_silent(data_set)
    most = len(data_set.access_points)
    inputs = min(most, recipe.compression.access_points or most)
    problems += _too_large(recipe, cell.boards, inputs, len(data_set.classes))
    if recipe.distillation is not None and cell.teacher is None:
        for teacher in recipe.distillation.teachers:
            if teacher.run is not None:
                problems += teacher_problems(Path(teacher.run), recipe, data_set)
    return problems


def _too_large(recipe: Recipe, boards: Iterable[str], inputs: int, classes: int) -> list[str]:
    """Boards that cannot hold the weights at a byte each, whatever the program around them."""
    import torch

    from tinyloc.training.models.build import build_model
    from tinyloc.training.models.count import live_parameters

    with torch.device("meta"):
        model = build_model(recipe.deployed_model, inputs, classes)
    least = live_parameters(model, recipe.window.steps)
    problems = []
    for name in boards:
        flash = load_board(name).region("flash").size
        limit = min(flash, recipe.budget.flash_bytes or flash)
        if least > limit:
            problems.append(f"cannot fit {name}: {least:,} parameters are more than {limit:,} bytes of flash")
    return problems


def teacher_problems(run: Path, recipe: Recipe, data_set: DataSet) -> list[str]:
    """How a finished run differs from the data that it should teach: classes, access points, scaling."""
    from tinyloc.training.distil.external import check_same
    from tinyloc.training.run import RunRecord

    path = run / "run.json"
    if not path.is_file():
        return [f"teacher {run}: no finished run there; train it first"]
    try:
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
        own = fitted(recipe.input, data_set)
        check_same(str(run), record.preprocessing, record.outputs.classes, own, data_set.classes)
    except UserError as error:
        return [str(error)]
    except ValueError as error:
        return [f"teacher {run}: run.json cannot be read ({error}); train it again"]
    return []
