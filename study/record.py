"""What a finished cell leaves: one JSON file, from which tables and plots are made."""

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from tinyloc.bundle.comparison import Comparison
from tinyloc.device.evaluation.form_record import FormRecord
from tinyloc.files import write_whole
from tinyloc.study.spec import Cell, StudyError
from tinyloc.training.recipe import Recipe


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CellRecord(_Strict):
    """A cell's result. Figures are there when status is "done"."""

    format: Literal["tinyloc-study-cell"] = "tinyloc-study-cell"
    study: str
    data: str
    model: str
    training: str
    seed: int
    status: Literal["done", "failed", "impossible"]
    error: str | None = None
    """Why it failed or cannot be."""
    data_title: str = ""
    licence: str = ""
    classes: int = 0
    inputs: int = 0
    parameters: int = 0
    """Live: what a decision depends on."""
    parameters_published: int = 0
    """As arXiv 2412.09289 counts."""
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    """Of training, for information."""
    validation_macro_f1: float = 0.0
    forms: dict[str, FormRecord] = {}
    missing: dict[str, str] = {}
    """Form -> why there is none of this cell."""
    label: str = ""
    """True classes of the test set's decisions, packed; empty in older records."""
    unit: str = ""
    """What the bootstrap draws as a whole, of each, packed."""
    comparison: Comparison | None = None
    """The simple methods on the same split, and the versions of the rules; None in older records."""
    settings: dict[str, Any] = {}
    """The recipe."""
    versions: dict[str, str] = {}

    @property
    def id(self) -> str:
        """As Cell.id."""
        return f"{self.data}--{self.model}--{self.training}--s{self.seed}"


def cells_directory(results: Path, study: str) -> Path:
    """Where the cells of a study lie."""
    return results / study / "cells"


def studies(results: Path) -> list[str]:
    """Names of the studies with results, sorted. StudyError when there is none."""
    found = sorted(path.parent.name for path in results.glob("*/cells"))
    if not found:
        raise StudyError(f"{results}: no results of studies here; make some with `tinyloc study run`")
    return found


def save(record: CellRecord, directory: Path) -> None:
    """Write DIRECTORY/ID.json whole."""
    write_whole(directory / f"{record.id}.json", record.model_dump_json(indent=1, exclude_defaults=True) + "\n")


def load(path: Path) -> CellRecord:
    """Read one cell. StudyError when it is not one."""
    try:
        return CellRecord.model_validate_json(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError) as error:
        raise StudyError(f"{path}: not a cell of a study ({error}); delete it and run the study again") from error


def load_all(directory: Path) -> list[CellRecord]:
    """All cells in the order of their names. StudyError when there is none."""
    records = [load(path) for path in sorted(directory.glob("*.json"))]
    if not records:
        raise StudyError(f"{directory}: no cells here; make them with `tinyloc study run`")
    return records


def recipe_of(found: CellRecord) -> Recipe | None:
    """As trained; keys that recipes have got since have their defaults. None when they have lost one."""
    try:
        return Recipe.model_validate(found.settings)
    except ValidationError:
        return None


def is_of_another_recipe(found: CellRecord, cell: Cell) -> bool:
    """Whether a finished result is not of the recipe that the cell has now."""
    return found.status == "done" and recipe_of(found) != cell.recipe
