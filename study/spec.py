"""STUDY.toml: axes of a grid (data, model, H, L, training, seed), and the cells that they multiply out to.

A cell is one training; its forms (float, dynamic, static, int8, int16x8) are the compressions that need no training of
their own. Each entry of an axis is recipe tables that are put over the recipe the data names
(docs/reference/study.md).
"""

import itertools
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import tomli_w
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from tinyloc.boards import part_names
from tinyloc.bundle.schema import Arithmetic
from tinyloc.errors import UserError
from tinyloc.names import FileName
from tinyloc.training.errors import RecipeError
from tinyloc.training.recipe import Recipe, find_recipe, parse_recipe

Form = Literal["float", "dynamic", "static", "static-outliers", "int8", "int16x8", "mixed"]
FORMS: tuple[Form, ...] = get_args(Form)
STANDARD: tuple[Form, ...] = ("float", "dynamic", "static", "int8", "int16x8")
"""Those of a study that names none."""
DEPLOYED: tuple[Arithmetic, ...] = ("int8", "int16x8", "mixed")
"""Forms that the compiler takes."""
NAME = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"


class StudyError(UserError):
    """A study that is not well formed, or whose results cannot be read; the message lists every problem."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Data(_Strict):
    """[data.NAME]: a recipe by name or file, and recipe tables that are put over it."""

    recipe: str
    over: dict[str, Any] = {}
    leave_out: list[str] = []
    """Tables of the recipe that do not count, as "compression": a cell has what the study puts there, or nothing."""
    boards: list[str] | None = None
    """Boards for this data; without it those of the study."""
    seed_option: str | None = None
    """Option of the loader that gets the cell's seed, so that each run has an environment of its own."""


class Model(_Strict):
    """[model.NAME]: the recipe's [model], as a whole, and other tables that go with it."""

    model: dict[str, Any] = {}
    """Without it the recipe's own."""
    over: dict[str, Any] = {}
    forms: list[Form] | None = Field(default=None, min_length=1)
    """Without it those of the study. A teacher that no board holds has none that is deployed."""


class Training(_Strict):
    """[training.NAME]: recipe tables, and for distillation the cell that teaches."""

    over: dict[str, Any] = {}
    teacher: str | list[str] | None = None
    """Model of the same grid, trained on the same data with the same seed, that teaches this one. Of several the one
    of the best validation teaches."""
    teacher_training: str = "plain"


class Grid(_Strict):
    """[[grid]]: names of entries, multiplied out. `hidden` and `layers` multiply each model further."""

    data: list[str] = Field(min_length=1)
    model: list[str] = Field(min_length=1)
    training: list[str] = Field(default=["plain"], min_length=1)
    hidden: list[int | list[int]] = []
    layers: list[int] = []
    seeds: list[int] = Field(min_length=1)


class Study(_Strict):
    """A whole study."""

    name: str = Field(pattern=NAME)
    title: str = ""
    boards: list[str] = Field(default=["stm32l4"], min_length=1)
    """Images are built for each; cycles and energy are modelled there."""
    measured_seeds: list[int] | None = None
    """Seeds of which images are built, without it all. The others are scored in C on this machine: weights change
    quality and hardly sizes or cycles."""
    forms: list[Form] = Field(default=list(STANDARD), min_length=1)
    comment: str = ""
    """Stands above the tables."""
    positions: bool = False
    """The page has a table of position errors, beside published ones."""
    compare: list[tuple[str, str]] = []
    """Pairs of "MODEL, TRAINING, FORM" that the page puts against each other on every data set."""
    over: dict[str, Any] = {}
    """Recipe tables put over every cell, before those of the axes."""
    data: dict[FileName, Data]
    model: dict[FileName, Model]
    training: dict[FileName, Training] = {"plain": Training()}
    grid: list[Grid] = Field(min_length=1)


@dataclass(frozen=True)
class Cell:
    """One training of the grid. `recipe` is None, and `problems` say why, when it makes none."""

    data: str
    model: str
    training: str
    seed: int
    boards: tuple[str, ...]
    """Where its deployed forms are built and measured."""
    recipe: Recipe | None
    teachers: tuple[str, ...] = ()
    """Ids of the cells that must be finished first."""
    problems: tuple[str, ...] = ()
    forms: tuple[Form, ...] = STANDARD

    @property
    def id(self) -> str:
        """Names the cell in files and messages."""
        return cell_id(self.data, self.model, self.training, self.seed)


def cell_id(data: str, model: str, training: str, seed: int) -> str:
    """DATA--MODEL--TRAINING--sSEED."""
    return f"{data}--{model}--{training}--s{seed}"


def load_study(path: Path) -> Study:
    """Read and validate a study. StudyError lists every problem."""
    try:
        study = Study.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise StudyError(f"{path}: no such file; name a STUDY.toml (docs/reference/study.md has an example)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StudyError(f"{path}: not valid TOML: {error}") from error
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, one['loc'])) or 'study'}: {one['msg']}" for one in error.errors()]
        raise StudyError(f"{path}: {'; '.join(problems)}") from error
    problems = list(_name_problems(study))
    if problems:
        raise StudyError(f"{path}: {'; '.join(problems)}")
    return study


def _name_problems(study: Study) -> Iterator[str]:
    """Names that are used and not there."""
    axes: dict[str, Mapping[str, Any]] = {"data": study.data, "model": study.model, "training": study.training}
    for number, grid in enumerate(study.grid, start=1):
        for axis, known in axes.items():
            for name in getattr(grid, axis):
                if name not in known:
                    yield f"grid {number}: no [{axis}.{name}] (there are {', '.join(known)})"
    for label in itertools.chain.from_iterable(study.compare):
        parts = label.split(", ")
        if len(parts) != 3 or parts[1] not in study.training or parts[2] not in FORMS:
            yield f"compare: {label!r} is not MODEL, TRAINING, FORM with a training and a form of this study"
    boards = part_names()
    for data in ("study", *study.data):
        wanted = study.boards if data == "study" else study.data[data].boards or []
        for board in wanted:
            if board not in boards:
                yield f"{data}: unknown board {board!r} (there are {', '.join(boards)})"


def cells(study: Study, place: Path) -> list[Cell]:
    """All cells, each once: the first seed of every grid first, teachers before those that they teach.

    So a study that is stopped early has a little of everything. `place`: where file names of recipes begin.
    """
    found: dict[str, Cell] = {}
    turns = list(dict.fromkeys(seed for grid in study.grid for seed in grid.seeds))
    for grid in study.grid:
        hiddens: Sequence[int | list[int] | None] = grid.hidden or [None]
        depths: Sequence[int | None] = grid.layers or [None]
        for (hidden, layers), data, model, training, seed in itertools.product(
            itertools.product(hiddens, depths), grid.data, grid.model, grid.training, grid.seeds
        ):
            cell = _cell(study, place, data, model, training, seed, hidden, layers)
            found.setdefault(cell.id, cell)
    checked = [_with_teacher_problem(cell, found) for cell in found.values()]
    return sorted(checked, key=lambda cell: (turns.index(cell.seed), _depth(cell, found)))


def _depth(cell: Cell, found: Mapping[str, Cell], above: tuple[str, ...] = ()) -> int:
    """Levels of teachers above a cell; of a circle more than there are cells."""
    if cell.id in above:
        return len(found) + 1
    known = [found[name] for name in cell.teachers if name in found]
    return max((1 + _depth(teacher, found, (*above, cell.id)) for teacher in known), default=0)


def _with_teacher_problem(cell: Cell, found: Mapping[str, Cell]) -> Cell:
    problems = list(cell.problems)
    for teacher in cell.teachers:
        if teacher not in found:
            problems.append(f"its teacher {teacher} is not in the grid")
        elif _depth(cell, found) > len(found):
            problems.append(f"its teacher {teacher} waits for this cell; the teachers form a circle")
    return replace(cell, problems=tuple(problems))


def _cell(
    study: Study,
    place: Path,
    data: str,
    model: str,
    training: str,
    seed: int,
    hidden: int | list[int] | None,
    layers: int | None,
) -> Cell:
    axis, shape, how = study.data[data], study.model[model], study.training[training]
    name = model
    sizes: dict[str, Any] = {}
    if hidden is not None:
        sizes["hidden"] = hidden
        name += "-h" + "x".join(map(str, hidden if isinstance(hidden, list) else [hidden]))
    if layers is not None:
        sizes["layers"] = layers
        name += f"-l{layers}"
    names = [how.teacher] if isinstance(how.teacher, str) else how.teacher or []
    teachers = tuple(cell_id(data, one, how.teacher_training, seed) for one in names)
    forms = tuple(shape.forms or study.forms)
    wanted = [form for form in DEPLOYED if form in forms]
    measured = bool(wanted) and (study.measured_seeds is None or seed in study.measured_seeds)
    boards = tuple(axis.boards or study.boards) if measured else ()
    ident = cell_id(data, name, training, seed)
    try:
        base = tomllib.loads(find_recipe(_placed(axis.recipe, place)).read_text(encoding="utf-8"))
        missing = [name for name in axis.leave_out if name not in base]
        if missing:
            raise RecipeError(f"{ident}: leave_out names {', '.join(missing)}, which {axis.recipe} does not have")
        without = {"budget", *axis.leave_out}  # boards set the limits of a study
        table = {key: value for key, value in base.items() if key not in without}
        if "name" in axis.over.get("data", {}):
            table.pop("data", None)  # another data set has other options
        for over in (study.over, axis.over, shape.over, how.over):
            table = put_over(table, over)
        settings = {**(shape.model or table["model"]), **sizes}
        table |= {"model": settings, "seed": seed, "name": ident, "title": f"{study.title or study.name}: {ident}"}
        if axis.seed_option is not None:
            table = put_over(table, {"data": {"options": {axis.seed_option: seed}}})
        if teachers:
            table["distillation"] = {**table.get("distillation", {}), "teachers": [{"run": name} for name in teachers]}
        if wanted:
            finest = "int16x8" if "int16x8" in wanted else wanted[-1]
            widths = table.get("export", {}).get("widths") if "mixed" in wanted else None
            table["export"] = {"arithmetics": wanted, "default": finest} | ({"widths": widths} if widths else {})
        recipe: Recipe | None = parse_recipe(tomli_w.dumps(table), ident)
        problems: tuple[str, ...] = ()
    except (RecipeError, TypeError, tomllib.TOMLDecodeError) as error:
        recipe, problems = None, (str(error).removeprefix(f"{ident}: "),)
    return Cell(data, name, training, seed, boards, recipe, teachers, problems, forms)


def _placed(recipe: str, place: Path) -> str:
    """A recipe file is named as seen from the study's file."""
    return str(place / recipe) if (place / recipe).is_file() else recipe


def put_over(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with the keys of `over`, tables within tables joined, everything else replaced."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = put_over(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
