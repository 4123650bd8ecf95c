"""One cell of a study: trained, exported, compiled, built and measured. The work that `training.study` hands out."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board, load_board
from tinyloc.boards.errors import UserError
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.host import HostLocaliser
from tinyloc.codegen.position import AXES, MM
from tinyloc.device.build import BuildError, BuildResult, Optimise, build_firmware
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.evaluate import evaluate
from tinyloc.device.results import Evaluation
from tinyloc.export.bundle import (
    TEST_SET,
    Arithmetic,
    BundleError,
    Outputs,
    TestSet,
    load_bundle,
    load_test_set,
    sha256,
)
from tinyloc.training.data.dataset import Recording
from tinyloc.training.errors import one_line
from tinyloc.training.metrics import Scores, score_test_set
from tinyloc.training.places import mean_position
from tinyloc.training.preprocess import readings_dbm
from tinyloc.training.study.record import CellRecord, FormRecord, OnBoard
from tinyloc.training.study.run import CellTask
from tinyloc.training.study.spec import DEPLOYED

if TYPE_CHECKING:
    from tinyloc.training.models.localiser import Localiser
    from tinyloc.training.run import TrainedRun

Tell = Callable[[str], None]
EMULATED_SAMPLES = 60
"""Of the test set, on each board: compared with the host, and measured. The same C decides all of it on the host."""


def run_cell(task: CellTask, tell: Tell) -> CellRecord:
    """Train and measure. A cell that was trained already is only measured."""
    run = _trained(task, tell)
    forms, missing = _torch_forms(run, task.forms, tell)
    wanted: list[Arithmetic] = [form for form in DEPLOYED if form in task.forms]
    exported, refused = (wanted, {}) if _is_exported(run, wanted) else _export(task.run, wanted, tell)
    missing |= refused
    for arithmetic in exported:
        tell(f"{arithmetic}: build and measure")
        try:
            forms[arithmetic] = measure(task.run / "bundle", arithmetic, task.boards, run.recipe.build.optimise)
        except UserError as error:  # a form that cannot be compiled or run costs neither the others nor the training
            missing[arithmetic] = one_line(error)
    record = run.record
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
        forms={form: forms[form] for form in task.forms if form in forms},
        missing=missing,
        settings=task.settings,
        versions=record.versions,
    )


def _trained(task: CellTask, tell: Tell) -> "TrainedRun":
    from tinyloc.training.run import load_run, train
    from tinyloc.training.train import EpochDone

    if (task.run / "run.json").is_file():
        run = load_run(task.run)
        if run.recipe == task.recipe:
            return run

    def epoch(done: EpochDone) -> None:
        tell(f"{done.stage}, epoch {done.epoch} of {done.epochs}, macro F1 {done.macro_f1:.3f}")

    tell("data")
    return train(task.recipe, task.run, epoch, fresh=(task.run / "run.json").is_file())


def _torch_forms(
    run: "TrainedRun", wanted: tuple[str, ...], tell: Tell
) -> tuple[dict[str, FormRecord], dict[str, str]]:
    """The float model, and the study's two forms of it."""
    from tinyloc.training.compress.forms import FORMS, serialised_bytes

    makers: dict[str, Callable[[Localiser], Localiser]] = {"float": lambda model: model, **FORMS}
    forms, missing = {}, {}
    for name, make in makers.items():
        if name not in wanted:
            continue
        tell(name)
        try:
            model = make(run.model)
            scores = _scores(model, run)
        except RuntimeError as error:  # torch has no integer kernels on this machine, or not for this layer
            missing[name] = one_line(error)
            continue
        constants = 4 * run.record.parameters if name == "float" else None
        forms[name] = _form(scores, serialised_bytes(model), constants)
    return forms, missing


def _scores(model: "Localiser", run: "TrainedRun") -> Scores:
    from tinyloc.training.decide import decide_all

    scores, decisions = decide_all(model, recordings_of(run.test_set), run.preprocessing, run.window)
    decided_m = None
    if run.outputs.position == "mean":
        decided_m = mean_position(scores, np.asarray(run.outputs.positions_m))
    return score_test_set(run.test_set, decisions, run.window, run.outputs, decided_m)


def recordings_of(test_set: TestSet) -> list[Recording]:
    """The test set's samples as recordings in dBm; times are not kept in it and count samples here."""
    found = []
    for number, part in enumerate([slice(None)] if test_set.apart else test_set.recordings()):
        dbm = readings_dbm(test_set.rssi_dbm[part])
        label, position = test_set.label[part], test_set.position_m[part]
        time_s = np.arange(len(dbm), dtype=np.float64)
        found.append(Recording(f"test {number + 1}", dbm, position, label, time_s, apart=test_set.apart))
    return found


def _form(scores: Scores, serialised: int, constants: int | None) -> FormRecord:
    return FormRecord(
        macro_f1=round(scores.macro_f1, 6),
        accuracy=round(scores.accuracy, 6),
        errors_m={name: round(value, 4) for name, value in scores.errors_m.items()} if scores.errors_m else None,
        serialised_bytes=serialised,
        constant_bytes=constants,
    )


def _is_exported(run: "TrainedRun", wanted: list[Arithmetic]) -> bool:
    """Whether an earlier process got as far as the bundle (or nothing is to be exported)."""
    try:
        bundle = load_bundle(run.directory / "bundle")
    except BundleError:
        return not wanted
    forms = {entry.arithmetic for entry in bundle.models}
    return forms >= set(wanted) and bundle.settings.get("recipe") == run.record.settings


def _export(run: Path, wanted: list[Arithmetic], tell: Tell) -> tuple[list[Arithmetic], dict[str, str]]:
    """Arithmetics that are in the bundle now, and why the others are not."""
    from tinyloc.export.pipeline import export_run

    tell("export")
    try:
        export_run(run, wanted)
        return wanted, {}
    except Exception as error:  # the converters raise almost anything
        problem = one_line(error)
    for single in reversed(wanted) if len(wanted) > 1 else []:
        try:
            export_run(run, [single])
        except Exception as error:
            problem = one_line(error)
            continue
        return [single], {form: problem for form in wanted if form != single}
    return [], dict.fromkeys(wanted, problem)


def measure(bundle: Path, arithmetic: Arithmetic, boards: tuple[str, ...], optimise: Optimise) -> FormRecord:
    """Quality of the generated C over the whole test set, and what it takes on each board.

    Raises CompileError and HostError; a board whose flash it does not fit is told in `not_built`.
    """
    with tempfile.TemporaryDirectory(prefix="tinyloc-study-") as name:
        work = Path(name)
        manifest = compile_bundle(bundle, work / "generated", arithmetic)
        about, test_set = load_bundle(bundle), load_test_set(bundle)
        host = HostLocaliser(work / "generated")
        decisions, decided_m = decisions_of(host, test_set, about.outputs)
        by_mean = about.outputs.position == "mean"
        scores = score_test_set(test_set, decisions, about.window, about.outputs, decided_m if by_mean else None)
        least = 2 * about.window.steps
        shorten(bundle, work / "bundle", max(EMULATED_SAMPLES, least))
        found, problems = {}, {}
        for board in boards:
            try:
                image = build_firmware(work / "generated", load_board(board), work / board, optimise)
                found[board] = _on_board(work, image, load_board(board))
            except BuildError as error:
                problems[board] = " ".join(str(error).split())
            except EmulatorCrash as crash:
                problems[board] = f"the image crashed in the emulator: {' '.join(str(crash).split())[:400]}"
        form = _form(scores, (bundle / about.model(arithmetic).path).stat().st_size, manifest.constant_bytes)
        return form.model_copy(update={"boards": found, "not_built": problems})


def decisions_of(
    host: HostLocaliser, test_set: TestSet, outputs: Outputs
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.float64]]:
    """Classes (N,) of the generated C, -1 where none is due, and positions (N, 3) of a model that decides such.

    The device decides in the plane; heights are those of the classes decided.
    """
    decisions = np.full(len(test_set.label), -1, np.int32)
    decided_m = np.zeros((len(test_set.label), 3))
    for part in test_set.recordings():
        host.reset()
        for index in range(part.start, part.stop):
            decisions[index] = host.sample(*test_set.sparse(index)).class_index
            decided_m[index, :AXES] = np.array(host.position_mm) / MM
    if outputs.positions_m is not None:
        decided_m[:, AXES:] = np.asarray(outputs.positions_m)[np.maximum(decisions, 0), AXES:]
    return decisions, decided_m


def shorten(bundle: Path, out: Path, samples: int) -> None:
    """A copy of a bundle with the first samples of its test set."""
    shutil.copytree(bundle, out)
    whole = load_test_set(bundle)
    TestSet(**{field.name: getattr(whole, field.name)[:samples] for field in fields(TestSet)}).save(out / TEST_SET)
    content = json.loads((out / "bundle.json").read_text(encoding="utf-8"))
    content["test_sha256"] = sha256(out / TEST_SET)
    (out / "bundle.json").write_text(json.dumps(content), encoding="utf-8")


def _on_board(work: Path, image: BuildResult, board: Board) -> OnBoard:
    found: Evaluation = evaluate(
        work / "bundle", work / "generated", image, board, EmulatedDevice(image.elf, board),
        host=HostLocaliser(work / "generated"), measured=0,
    )  # fmt: skip
    assert found.cycles is not None and found.energy is not None
    return OnBoard(
        flash_bytes=found.flash.total,
        ram_bytes=found.ram.total,
        cycles=found.cycles.median,
        energy_uj=round(found.energy.microjoule, 4),
        fits=found.within_budget,
        samples=found.samples,
        mismatches=found.mismatches,
    )
