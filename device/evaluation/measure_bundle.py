"""Measure one form of a bundle: quality of the generated C over the whole test set, and figures per board."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board, load_board
from tinyloc.bundle.schema import (
    TEST_SET,
    Arithmetic,
    Outputs,
    TestSet,
    load_bundle,
    load_test_set,
    read_bundle,
    sha256,
    write_bundle,
)
from tinyloc.codegen.arithmetic.position import AXES, MM
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.device.emulator import EmulatedDevice, EmulatorCrash
from tinyloc.device.evaluation.evaluate import evaluate
from tinyloc.device.evaluation.evaluation_record import Evaluation
from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.device.image.build import BuildError, BuildResult, Optimise, build_firmware
from tinyloc.training.metrics import Scores, score_test_set

EMULATED_SAMPLES = 60
"""Of the test set, on each board: compared with the host, and measured. The same C decides all of it on the host."""


def form_record(scores: Scores, serialised: int, constants: int | None) -> FormRecord:
    return FormRecord(
        macro_f1=round(scores.macro_f1, 6),
        accuracy=round(scores.accuracy, 6),
        errors_m={name: round(value, 4) for name, value in scores.errors_m.items()} if scores.errors_m else None,
        serialised_bytes=serialised,
        constant_bytes=constants,
    )


def measure(bundle: Path, arithmetic: Arithmetic, boards: tuple[str, ...], optimise: Optimise) -> FormRecord:
    """Quality of the generated C over the whole test set, and what it takes on each board.

    Raises CompileError and HostError; a board whose flash it does not fit is told in `not_built`.
    """
    with tempfile.TemporaryDirectory(prefix="tinyloc-study-") as name:
        work = Path(name)
        manifest = compile_bundle(bundle, work / "generated", arithmetic)
        about = load_bundle(bundle)
        test_set = load_test_set(bundle, about)
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
        form = form_record(scores, (bundle / about.model(arithmetic).path).stat().st_size, manifest.constant_bytes)
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
    TestSet(**{name: array[:samples] for name, array in whole.arrays().items()}).save(out / TEST_SET)
    write_bundle(read_bundle(out).model_copy(update={"test_sha256": sha256(out / TEST_SET)}), out)


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
