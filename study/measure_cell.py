"""The tasks of one cell: train and export it, score a form of it in C, build and emulate a form on a board."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tinyloc.bundle.schema import (
    Arithmetic,
    BundleError,
    TestSet,
    load_bundle,
)
from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.device.evaluation.measure_bundle import NotOnBoard, measure_on_board, measure_quality, score_form
from tinyloc.study.record import CellRecord
from tinyloc.study.run import CellTask, CellWork
from tinyloc.study.spec import DEPLOYED
from tinyloc.study.tasks import Tell
from tinyloc.training.data.dataset import Recording
from tinyloc.training.errors import one_line
from tinyloc.training.metrics import due_decisions
from tinyloc.training.packed import pack
from tinyloc.training.places import mean_position
from tinyloc.training.preprocess import readings_dbm

if TYPE_CHECKING:
    from tinyloc.training.models.localiser import Localiser
    from tinyloc.training.run import TrainedRun


def train_cell(task: CellTask, tell: Tell) -> CellRecord:
    """Train and export a cell. A cell that was trained already is only exported, where that is missing.

    Returns:
        Its record with the forms that PyTorch runs. Deployed forms are in the run's bundle, or in `missing`.
    """
    run = _trained(task, tell)
    forms, missing = _torch_forms(run, task.forms, tell)
    wanted: list[Arithmetic] = [form for form in DEPLOYED if form in task.forms]
    if not _is_exported(run, wanted):
        missing |= _export(task.run, wanted, tell)
    record = run.record
    label, unit = _truth(run)
    return CellRecord(
        study=task.study,
        data=task.data,
        model=task.model,
        training=task.training,
        seed=task.seed,
        status="done",
        data_title=record.data_title,
        licence=record.licence,
        classes=len(record.outputs.classes),
        inputs=len(record.preprocessing.access_points),
        parameters=record.parameters,
        parameters_published=record.parameters_published,
        epochs=record.epochs,
        best_epoch=record.best_epoch,
        seconds=record.seconds,
        validation_macro_f1=record.validation["macro_f1"],
        forms=forms,
        missing=missing,
        label=label,
        unit=unit,
        comparison=record.comparison,
        settings=task.settings,
        versions=record.versions,
    )


def measure_form(task: CellTask, arithmetic: Arithmetic, tell: Tell) -> FormRecord:
    """Score the generated C of one form over the whole test set."""
    tell(f"{arithmetic}: score")
    return measure_quality(task.run / "bundle", arithmetic)


def measure_board(task: CellTask, arithmetic: Arithmetic, board: str, tell: Tell) -> OnBoard | str:
    """Build and emulate one form on one board. Returns why there is no image where there is none."""
    tell(f"{arithmetic}: build and emulate on {board}")
    try:
        return measure_on_board(task.run / "bundle", arithmetic, board, task.recipe.build.optimise)
    except NotOnBoard as error:
        return str(error)


CELL_WORK = CellWork(train_cell, measure_form, measure_board)


def _trained(task: CellTask, tell: Tell) -> "TrainedRun":
    from tinyloc.integer_training.tuner import INTEGERS
    from tinyloc.training.run import load_run, train
    from tinyloc.training.train import EpochDone

    if (task.run / "run.json").is_file():
        run = load_run(task.run)
        if run.recipe == task.recipe:
            return run

    def epoch(done: EpochDone) -> None:
        tell(f"{done.stage}, epoch {done.epoch} of {done.epochs}, macro F1 {done.macro_f1:.3f}")

    tell("data")
    return train(task.recipe, task.run, epoch, fresh=(task.run / "run.json").is_file(), tuner=INTEGERS)


def _torch_forms(
    run: "TrainedRun", wanted: tuple[str, ...], tell: Tell
) -> tuple[dict[str, FormRecord], dict[str, str]]:
    """The float model, and the study's forms of it."""
    import torch

    from tinyloc.training.compress.forms import FORMS, static_outliers

    x = torch.from_numpy(run.calibration)
    makers: dict[str, Callable[[Localiser], Localiser]] = {
        "float": lambda model: model, **FORMS, "static-outliers": lambda model: static_outliers(model, x),
    }  # fmt: skip
    forms, missing = {}, {}
    for name, make in makers.items():
        if name not in wanted:
            continue
        tell(name)
        try:
            model = make(run.model)
            forms[name] = _scored(name, model, run)
        except RuntimeError as error:  # torch has no integer kernels on this machine, or not for this layer
            missing[name] = one_line(error)
            continue
    return forms, missing


def _scored(name: str, model: "Localiser", run: "TrainedRun") -> FormRecord:
    from tinyloc.training.compress.forms import outlier_columns, serialised_bytes
    from tinyloc.training.decide import decide_all

    scores, decisions = decide_all(model, recordings_of(run.test_set), run.preprocessing, run.window)
    decided_m = None
    if run.outputs.position == "mean":
        decided_m = mean_position(scores, np.asarray(run.outputs.positions_m))
    constants = 4 * run.record.parameters if name == "float" else None
    form = score_form(
        run.test_set, decisions, decided_m, run.window, run.outputs, run.record.site, serialised_bytes(model), constants
    )
    found = outlier_columns(model)
    told = {} if found is None else dict(zip(("threshold", "columns", "of"), map(float, found), strict=True))
    return form.model_copy(update={"outliers": told})


def _truth(run: "TrainedRun") -> tuple[str, str]:
    """Labels and units of the decisions that are due, packed."""
    due = due_decisions(run.test_set, run.window)
    assert run.test_set.unit is not None  # runs of older versions have none; they are trained again
    unit = np.unique(run.test_set.unit[due.sample], return_inverse=True)[1]
    return pack(due.label), pack(unit)


def recordings_of(test_set: TestSet) -> list[Recording]:
    """The test set's samples as recordings in dBm; times are not kept in it and count samples here."""
    found = []
    for number, part in enumerate([slice(None)] if test_set.apart else test_set.recordings()):
        dbm = readings_dbm(test_set.rssi_dbm[part])
        label, position = test_set.label[part], test_set.position_m[part]
        time_s = np.arange(len(dbm), dtype=np.float64)
        found.append(Recording(f"test {number + 1}", dbm, position, label, time_s, apart=test_set.apart))
    return found


def _is_exported(run: "TrainedRun", wanted: list[Arithmetic]) -> bool:
    """Whether an earlier process got as far as the bundle (or nothing is to be exported)."""
    try:
        bundle = load_bundle(run.directory / "bundle")
    except BundleError:
        return not wanted
    forms = {entry.arithmetic for entry in bundle.models}
    return forms >= set(wanted) and bundle.settings.get("recipe") == run.record.settings


def _export(run: Path, wanted: list[Arithmetic], tell: Tell) -> dict[str, str]:
    """Export what can be; returns why the other arithmetics are not in the bundle."""
    from tinyloc.export.pipeline import export_run

    tell("export")
    try:
        export_run(run, wanted)
        return {}
    except Exception as error:  # the converters raise almost anything
        problem = one_line(error)
    for single in reversed(wanted) if len(wanted) > 1 else []:
        try:
            export_run(run, [single])
        except Exception as error:
            problem = one_line(error)
            continue
        return {form: problem for form in wanted if form != single}
    return dict.fromkeys(wanted, problem)
