"""Measure one form of a bundle: quality of the generated C over the whole test set, and figures per board."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board, load_board
from tinyloc.bundle.schema import (
    TEST_SET,
    Arithmetic,
    Outputs,
    TestSet,
    Window,
    load_bundle,
    load_test_set,
    read_bundle,
    sha256,
    write_bundle,
)
from tinyloc.bundle.site import Site
from tinyloc.codegen.arithmetic.position import AXES, MM
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.emulator.flash_reads import timing_of
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.device.image.build import BuildError, BuildResult, Optimise, build_firmware
from tinyloc.errors import UserError
from tinyloc.training.metrics import due_decisions, score_test_set
from tinyloc.training.packed import pack
from tinyloc.training.protocol.figures import figures, judged

EMULATED_SAMPLES = 60
"""Of the test set, on each board: compared with the host, and measured. The same C decides all of it on the host."""


MOST_CM = 32_767
"""A larger error is kept as this one."""


def score_form(
    test_set: TestSet,
    decisions: npt.NDArray[np.int32],
    decided_m: npt.NDArray[np.floating[Any]] | None,
    window: Window,
    outputs: Outputs,
    site: Site,
    serialised: int,
    constants: int | None,
) -> FormRecord:
    """Quality of one form's decisions (N,), with positions (N, 3) where it decides such; no boards yet."""
    scores = score_test_set(test_set, decisions, window, outputs, decided_m)
    due = due_decisions(test_set, window)
    decided = decisions[due.sample]
    place = decided_m[due.sample] if decided_m is not None else None
    if place is None and outputs.positions_m is not None:
        place = np.asarray(outputs.positions_m)[np.maximum(decided, 0)]
    found = judged(due.label, decided, place, due.position_m, outputs.floors, site.floors)
    error_cm = ""
    if found.error_m is not None:
        error_cm = pack(
            np.where(np.isnan(found.error_m), -1, np.minimum(found.error_m * 100, MOST_CM)).round().astype(int)
        )
    return FormRecord(
        figures={name: round(value, 6) for name, value in figures(found).items()},
        decided=pack(decided),
        error_cm=error_cm,
        macro_f1=round(scores.macro_f1, 6),
        accuracy=round(scores.accuracy, 6),
        errors_m={name: round(value, 4) for name, value in scores.errors_m.items()} if scores.errors_m else None,
        serialised_bytes=serialised,
        constant_bytes=constants,
    )


def measure(bundle: Path, arithmetic: Arithmetic, boards: tuple[str, ...], optimise: Optimise) -> FormRecord:
    """Quality of the generated C over the whole test set, and what it takes on each board.

    Raises CompileError and HostError; `not_built` names each board whose flash it does not fit.
    """
    form, found, problems = measure_quality(bundle, arithmetic), {}, {}
    for board in boards:
        try:
            found[board] = measure_on_board(bundle, arithmetic, board, optimise)
        except NotOnBoard as error:
            problems[board] = str(error)
    return form.model_copy(update={"boards": found, "not_built": problems})


class NotOnBoard(UserError):
    """There is no image of a form for a board, or it crashed; the message says why, in one line."""


def measure_quality(bundle: Path, arithmetic: Arithmetic) -> FormRecord:
    """Quality of the generated C over the whole test set, on this machine. Raises CompileError and HostError."""
    with tempfile.TemporaryDirectory(prefix="tinyloc-study-") as name:
        generated = Path(name) / "generated"
        manifest = compile_bundle(bundle, generated, arithmetic)
        about = load_bundle(bundle)
        test_set = load_test_set(bundle, about)
        decisions, decided_m = decisions_of(HostLocaliser(generated), test_set, about.outputs)
        places = decided_m if about.outputs.position == "mean" else None
        size = (bundle / about.model(arithmetic).path).stat().st_size
        return score_form(
            test_set, decisions, places, about.window, about.outputs, about.site, size, manifest.constant_bytes
        )  # fmt: skip


def measure_on_board(bundle: Path, arithmetic: Arithmetic, board: str, optimise: Optimise) -> OnBoard:
    """Build the image for a board and emulate the first samples, every answer compared with the host's.

    Raises CompileError, HostError and NotOnBoard.
    """
    with tempfile.TemporaryDirectory(prefix="tinyloc-study-") as name:
        work = Path(name)
        compile_bundle(bundle, work / "generated", arithmetic)
        shorten(bundle, work / "bundle", max(EMULATED_SAMPLES, 2 * load_bundle(bundle).window.steps))
        try:
            image = build_firmware(work / "generated", load_board(board), work / board, optimise)
            return _on_board(work, image, load_board(board))
        except BuildError as error:
            raise NotOnBoard(" ".join(str(error).split())) from error
        except EmulatorCrash as crash:
            raise NotOnBoard(f"the image crashed in the emulator: {' '.join(str(crash).split())[:400]}") from crash


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
    TestSet(**{name: array[:samples] for name, array in whole.arrays().items()}).save(out / TEST_SET)
    write_bundle(read_bundle(out).model_copy(update={"test_sha256": sha256(out / TEST_SET)}), out)


def _on_board(work: Path, image: BuildResult, board: Board) -> OnBoard:
    found: Evaluation = evaluate(
        work / "bundle", work / "generated", image, board, EmulatedDevice(image.elf, board, timing=timing_of(board)),
        host=HostLocaliser(work / "generated"), measured=0,
    )  # fmt: skip
    assert found.cycles is not None and found.energy is not None
    return OnBoard(
        flash_bytes=found.flash.total,
        ram_bytes=found.ram.total,
        cycles=found.cycles.median,
        waited_cycles=None if found.waited is None else found.waited.cycles.median,
        energy_uj=round(found.energy.microjoule, 4),
        fits=found.within_budget,
        samples=found.samples,
        mismatches=found.mismatches,
    )
