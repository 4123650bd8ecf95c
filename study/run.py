"""Running a study: what is still to do, in which order, and the records that come of it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tinyloc.study import record
from tinyloc.study.check import impossible
from tinyloc.study.record import CellRecord
from tinyloc.study.spec import Cell, Study
from tinyloc.study.workers import Work, run_tasks
from tinyloc.training.recipe import Recipe


@dataclass(frozen=True)
class CellTask:
    """A cell as a worker gets it."""

    study: str
    data: str
    model: str
    training: str
    seed: int
    id: str
    """As Cell.id."""
    recipe: Recipe
    """Teachers by the directory of their run."""
    settings: dict[str, Any]
    """The recipe for the record, teachers by the id of their cell."""
    forms: tuple[str, ...]
    boards: tuple[str, ...]
    run: Path
    """Directory of the cell's run."""


@dataclass(frozen=True)
class Progress:
    """What `run_study` tells: `text` of a cell at work, or the record of one that ended."""

    cell: str
    text: str
    record: CellRecord | None
    done: int
    total: int


CellWork = Work[CellTask, CellRecord]


@dataclass(frozen=True)
class Plan:
    """What a study run will do."""

    todo: list[Cell]
    finished: list[str]
    """Ids of cells with a result from an earlier run of the same settings."""
    impossible: Mapping[str, str]
    """Id -> why."""


def plan(cells: list[Cell], results: Path, again: bool = False) -> Plan:
    """Which cells there are to run: those without a finished record of the same recipe and forms; all if `again`."""
    cannot = impossible(cells)
    finished: list[Cell] = []
    todo: list[Cell] = []
    for cell in cells:
        if cell.id in cannot:
            continue
        path = results / f"{cell.id}.json"
        same = not again and path.is_file() and _is_same(record.load(path), cell)
        (finished if same else todo).append(cell)
    return Plan(todo, [cell.id for cell in finished], cannot)


def _is_same(found: CellRecord, cell: Cell) -> bool:
    assert cell.recipe is not None
    built = {board for form in found.forms.values() for board in (*form.boards, *form.not_built)}
    return (
        found.status == "done"
        and _recipe_of(found) == cell.recipe
        and set(found.forms) >= set(cell.forms)  # what is missing may have been the machine's fault: try again
        and built >= set(cell.boards)
    )


def _recipe_of(found: CellRecord) -> Recipe | None:
    """As trained; keys that recipes have got since have their defaults. None when they have lost one."""
    try:
        return Recipe.model_validate(found.settings)
    except ValidationError:
        return None


def run_study(
    study: Study, cells: list[Cell], planned: Plan, results: Path, runs: Path, work: CellWork, jobs: int
) -> Iterator[Progress]:
    """Run what is planned in `jobs` processes; every cell that ends, well or not, leaves a record in `results`.

    runs: where the cells' run directories are kept, for resuming and for teachers. A cell whose teacher failed fails.
    """
    by_id = {cell.id: cell for cell in cells}
    for name, why in planned.impossible.items():
        record.save(_failed(study, by_id[name], "impossible", why), results)
    waiting = list(planned.todo)
    done = set(planned.finished)
    total = len(waiting)
    ended = 0

    def next_task() -> CellTask | None:
        for cell in waiting:
            if cell.teacher is None or cell.teacher in done:
                waiting.remove(cell)
                return _task(study, cell, by_id, runs)
        return None

    for event in run_tasks(work, next_task, jobs):
        name = event.task.id
        if not event.ended:
            yield Progress(name, event.text, None, ended, total)
            continue
        result = event.result or _failed(study, by_id[name], "failed", event.error or "")
        ended += 1
        if result.status == "done":
            done.add(name)
        record.save(result, results)
        yield Progress(name, result.error or "done", result, ended, total)
    for cell in waiting:  # what is left waits for a teacher that failed
        ended += 1
        result = _failed(study, cell, "failed", f"its teacher {cell.teacher} failed")
        record.save(result, results)
        yield Progress(cell.id, result.error or "", result, ended, total)


def run_directory(cell: Cell, runs: Path) -> Path:
    """Of a cell's run: another recipe has another directory, so that nothing of it is taken for this one's.

    Only what differs from the defaults counts: a key that recipes get later changes nothing.
    """
    assert cell.recipe is not None
    digest = hashlib.sha256(cell.recipe.model_dump_json(exclude_defaults=True).encode()).hexdigest()
    return runs / f"{cell.id}-{digest[:8]}"


def _task(study: Study, cell: Cell, by_id: Mapping[str, Cell], runs: Path) -> CellTask:
    recipe = cell.recipe
    assert recipe is not None
    settings = recipe.model_dump(mode="json")
    if cell.teacher is not None and recipe.distillation is not None:
        taught_by = run_directory(by_id[cell.teacher], runs)
        teacher = recipe.distillation.teachers[0].model_copy(update={"run": str(taught_by)})
        distillation = recipe.distillation.model_copy(update={"teachers": [teacher]})
        recipe = recipe.model_copy(update={"distillation": distillation})
    return CellTask(
        study.name, cell.data, cell.model, cell.training, cell.seed, cell.id, recipe, settings, cell.forms,
        cell.boards, run_directory(cell, runs),
    )  # fmt: skip


def _failed(study: Study, cell: Cell, status: str, why: str) -> CellRecord:
    settings = cell.recipe.model_dump(mode="json") if cell.recipe else {}
    return CellRecord.model_validate(
        {
            "study": study.name,
            "data": cell.data,
            "model": cell.model,
            "training": cell.training,
            "seed": cell.seed,
            "status": status,
            "error": why,
            "settings": settings,
        }
    )
