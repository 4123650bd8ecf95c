"""Cells that cannot be, found before the long work: recipe, data, classes, teacher, board."""

from collections.abc import Iterable
from pathlib import Path

from tinyloc.boards import load_board
from tinyloc.errors import UserError
from tinyloc.study.spec import Cell
from tinyloc.training.data import catalogue
from tinyloc.training.data.dataset import DataSet, lone_classes
from tinyloc.training.finished_teachers import crf_problem, misfits, selection_problem
from tinyloc.training.independent_samples import unrelated_problems
from tinyloc.training.inputs import fitted, without_silent
from tinyloc.training.recipe import Recipe


def impossible(cells: Iterable[Cell]) -> dict[str, str]:
    """Cell id -> why it cannot be, all reasons of a cell in one text. Loads each data set once."""
    data_sets: dict[str, DataSet | str] = {}
    found: dict[str, str] = {}
    trained: dict[str, tuple[Recipe, DataSet]] = {}
    for cell in cells:
        problems = list(cell.problems)
        if cell.recipe is not None:
            key = cell.recipe.data.model_dump_json()
            if key not in data_sets:
                data_sets[key] = _loaded(cell.recipe)
            data_set = data_sets[key]
            if isinstance(data_set, str):
                problems.append(data_set)
            else:
                kept = without_silent(data_set) if cell.recipe.input.drop_silent else data_set
                trained[cell.id] = cell.recipe, kept
                problems += _problems(cell, cell.recipe, data_set, kept)
                for teacher in cell.teachers:
                    if teacher in trained:
                        problems += _taught_by_cell(teacher, *trained[teacher], cell.recipe, kept)
        problems += [f"its teacher {teacher} is impossible" for teacher in cell.teachers if teacher in found]
        if problems:
            found[cell.id] = "; ".join(problems)
    return found


def _loaded(recipe: Recipe) -> DataSet | str:
    try:
        path = Path(recipe.data.path) if recipe.data.path else None
        return catalogue.load(recipe.data.name, recipe.data.options, path)
    except UserError as error:
        return str(error)


def _problems(cell: Cell, recipe: Recipe, whole: DataSet, data_set: DataSet) -> list[str]:
    """whole: as loaded; data_set: without what the recipe leaves out."""
    problems = [] if recipe.output.spread_m else lone_classes(whole)
    problems += unrelated_problems(recipe, whole)
    most = len(data_set.access_points)
    inputs = min(most, recipe.compression.access_points or most)
    problems += _too_large(recipe, cell.boards, inputs, len(data_set.classes))
    if recipe.distillation is not None and not cell.teachers:
        for teacher in recipe.distillation.teachers:
            if teacher.run is not None:
                problems += teacher_problems(Path(teacher.run), recipe, data_set)
    return problems


def _too_large(recipe: Recipe, boards: Iterable[str], inputs: int, classes: int) -> list[str]:
    """Boards that cannot hold the weights or the state at a byte each, whatever the program around them."""
    import torch

    from tinyloc.training.compress.footprint import least_state_bytes
    from tinyloc.training.models.build import build_model
    from tinyloc.training.models.count import live_parameters

    with torch.device("meta"):
        model = build_model(recipe.deployed_model, inputs, classes)
    least, state = live_parameters(model, recipe.window.steps), least_state_bytes(model)
    problems = []
    for name in boards:
        board = load_board(name)
        flash = board.region("flash").size
        ram = sum(memory.size for memory in board.ram)
        ram = min(ram, recipe.budget.ram_bytes or ram)
        limit = min(flash, recipe.budget.flash_bytes or flash)
        if least > limit:
            problems.append(f"cannot fit {name}: {least:,} parameters are more than {limit:,} bytes of flash")
        if state > ram:
            problems.append(f"cannot fit {name}: a state of {state:,} values is more than {ram:,} bytes of RAM")
    return problems


def _taught_by_cell(name: str, teacher: Recipe, taught_on: DataSet, recipe: Recipe, data_set: DataSet) -> list[str]:
    """How another cell's data differ from those that it should teach on; teachers come before their students."""
    if teacher.compression.access_points is None:
        try:
            taught = fitted(teacher.input, taught_on)
            return misfits(name, taught, taught_on.classes, teacher.model.crf, recipe, data_set)
        except UserError as error:
            return [str(error)]
    problems = crf_problem(name, teacher.model.crf, recipe)
    theirs, own = teacher.compression.access_points, len(data_set.access_points)
    if recipe.compression.access_points is None and theirs < own:
        problems.append(selection_problem(name, theirs, own))
    return problems


def teacher_problems(run: Path, recipe: Recipe, data_set: DataSet) -> list[str]:
    """How a finished run differs from the data that it should teach: classes, access points, scaling, CRF."""
    from tinyloc.training.run import RunRecord

    path = run / "run.json"
    if not path.is_file():
        return [f"teacher {run}: no finished run there; train it first"]
    try:
        record = RunRecord.model_validate_json(path.read_text(encoding="utf-8"))
        crf = bool(record.settings["model"]["crf"])
        return misfits(str(run), record.preprocessing, record.outputs.classes, crf, recipe, data_set)
    except UserError as error:
        return [str(error)]
    except (ValueError, LookupError) as error:
        return [f"teacher {run}: run.json cannot be read ({error}); train it again"]
