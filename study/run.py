"""Running a study: what is still to do, in which order, and the records that come of it."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.study import record
from tinyloc.study.check import impossible
from tinyloc.study.needs import needs_of
from tinyloc.study.record import CellRecord
from tinyloc.study.spec import DEPLOYED, Cell, Study
from tinyloc.study.tasks import Engine, Event, Work
from tinyloc.training.recipe import Recipe


@dataclass(frozen=True)
class CellTask:
    """A cell as a task gets it."""

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


@dataclass(frozen=True)
class CellWork:
    """The three kinds of tasks that make a cell."""

    train: Work
    """(CellTask, Tell) -> CellRecord without deployed forms."""
    form: Work
    """(CellTask, Arithmetic, Tell) -> FormRecord."""
    board: Work
    """(CellTask, Arithmetic, board, Tell) -> OnBoard, or why there is no image."""


@dataclass(frozen=True)
class Plan:
    """What a study run will do."""

    todo: list[Cell]
    finished: list[str]
    """Ids of cells with a result from an earlier run of the same settings."""
    impossible: Mapping[str, str]
    """Id -> why."""
    outdated: list[str] = field(default_factory=list)
    """Ids among `todo` that have a result of another recipe; it is replaced."""


def plan(cells: list[Cell], results: Path, again: bool = False) -> Plan:
    """Which cells there are to run: those without a finished record of the same recipe and forms; all if `again`."""
    cannot = impossible(cells)
    finished: list[Cell] = []
    todo: list[Cell] = []
    outdated: list[str] = []
    for cell in cells:
        if cell.id in cannot:
            continue
        path = results / f"{cell.id}.json"
        found = record.load(path) if path.is_file() else None
        same = not again and found is not None and _is_same(found, cell)
        (finished if same else todo).append(cell)
        if found is not None and record.is_of_another_recipe(found, cell):
            outdated.append(cell.id)
    return Plan(todo, [cell.id for cell in finished], cannot, outdated)


def _is_same(found: CellRecord, cell: Cell) -> bool:
    assert cell.recipe is not None
    built = {board for form in found.forms.values() for board in (*form.boards, *form.not_built)}
    return (
        found.status == "done"
        and record.recipe_of(found) == cell.recipe
        and set(found.forms) >= set(cell.forms)  # what is missing may have been the machine's fault: try again
        and built >= set(cell.boards)
    )


def run_study(
    study: Study, cells: list[Cell], planned: Plan, results: Path, runs: Path, work: CellWork, engine: Engine
) -> Iterator[Progress]:
    """Run what is planned; every cell that ends, well or not, leaves a record in `results`.

    runs: where the cells' run directories are kept, for resuming and for teachers; all machines see it. A cell whose
    teacher failed fails.
    """
    by_id = {cell.id: cell for cell in cells}
    for name, why in planned.impossible.items():
        record.save(_failed(study, by_id[name], "impossible", why), results)
    waiting = list(planned.todo)
    trained = set(planned.finished)
    at_work: dict[str, _AtWork] = {}
    total, ended = len(waiting), 0

    def end(name: str, result: CellRecord) -> Progress:
        nonlocal ended
        ended += 1
        record.save(result, results)
        return Progress(name, result.error or "done", result, ended, total)

    def begin() -> None:
        for cell in [cell for cell in waiting if set(cell.teachers) <= trained]:
            waiting.remove(cell)
            at_work[cell.id] = state = _AtWork(_task(study, cell, by_id, runs))
            engine.submit(state.key("train"), work.train, state.task, needs=needs_of(state.task.recipe))

    begin()
    for event in engine.events():
        name, _, what = event.key.partition(SEPARATOR)
        state = at_work[name]
        if not event.ended:
            yield Progress(name, event.text, None, ended, total)
            continue
        if what == "train":
            if event.error is not None:
                yield end(name, _failed(study, by_id[name], "failed", event.error))
                continue
            trained.add(name)  # its students need no image of it
            state.record = event.result
            for key, kind, arguments in state.measurements():
                task_work = work.form if kind == "form" else work.board
                engine.submit(key, task_work, state.task, *arguments, urgency=1)
            begin()
        else:
            state.take(what, event)
        if state.finished:
            yield end(name, state.result())
    for cell in waiting:  # what is left waits for a teacher that failed
        missing = [teacher for teacher in cell.teachers if teacher not in trained]
        yield end(cell.id, _failed(study, cell, "failed", f"its teacher {', '.join(missing)} failed"))


SEPARATOR = " / "
"""Between the parts of a task's key: cell, then what is done, form and board."""


@dataclass
class _AtWork:
    """A cell whose tasks run: the record of its training, and what the measurements have brought."""

    task: CellTask
    record: CellRecord | None = None
    left: set[str] = field(default_factory=set)
    forms: dict[str, FormRecord] = field(default_factory=dict)
    boards: dict[str, dict[str, OnBoard]] = field(default_factory=dict)
    not_built: dict[str, dict[str, str]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def key(self, *what: str) -> str:
        return SEPARATOR.join((self.task.id, *what))

    def measurements(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """Tasks that follow the training: key, kind, arguments. From then on they are `left`."""
        assert self.record is not None
        forms = [form for form in DEPLOYED if form in self.task.forms and form not in self.record.missing]
        found: list[tuple[str, str, tuple[str, ...]]] = [(self.key("form", form), "form", (form,)) for form in forms]
        found += [(self.key("board", form, name), "board", (form, name)) for form in forms for name in self.task.boards]
        self.left = {key.partition(SEPARATOR)[2] for key, _, _ in found}
        return found

    def take(self, what: str, event: Event) -> None:
        """The end of one measurement. A form that fails costs neither the others nor the training."""
        self.left.discard(what)
        kind, form, *board = what.split(SEPARATOR)
        if kind == "form":
            if event.error is not None:
                self.missing[form] = event.error
            else:
                self.forms[form] = event.result
        elif event.error is not None or isinstance(event.result, str):
            self.not_built.setdefault(form, {})[board[0]] = event.error or event.result
        else:
            self.boards.setdefault(form, {})[board[0]] = event.result

    @property
    def finished(self) -> bool:
        return self.record is not None and not self.left

    def result(self) -> CellRecord:
        """The whole record, forms and boards in the order that was asked for."""
        assert self.record is not None
        forms = dict(self.record.forms)
        for form, found in self.forms.items():
            boards, not_built = self.boards.get(form, {}), self.not_built.get(form, {})
            forms[form] = found.model_copy(
                update={
                    "boards": {name: boards[name] for name in self.task.boards if name in boards},
                    "not_built": {name: not_built[name] for name in self.task.boards if name in not_built},
                }
            )
        ordered = {form: forms[form] for form in self.task.forms if form in forms}
        return self.record.model_copy(update={"forms": ordered, "missing": {**self.record.missing, **self.missing}})


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
    if cell.teachers and recipe.distillation is not None:
        places = [str(run_directory(by_id[name], runs)) for name in cell.teachers]
        named = zip(recipe.distillation.teachers, places, strict=True)
        teachers = [teacher.model_copy(update={"run": place}) for teacher, place in named]
        distillation = recipe.distillation.model_copy(update={"teachers": teachers})
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
