"""Work for the processes of a study in tests: quick, and bad in the ways that happen."""

import os

from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.study.record import CellRecord
from tinyloc.study.run import CellTask
from tinyloc.study.workers import Tell


def record(task: CellTask) -> CellRecord:
    """Figures that follow from the seed."""
    image = OnBoard(
        flash_bytes=20_000, ram_bytes=2_000, cycles=1e4, energy_uj=2.0, fits=True, samples=120, mismatches=0
    )
    quality = {"macro_f1": 0.8 + 0.01 * task.seed, "accuracy": 0.9}
    return CellRecord(
        study=task.study, data=task.data, model=task.model, training=task.training, seed=task.seed, status="done",
        settings=task.settings, parameters=100, parameters_published=120, inputs=8, classes=4,
        forms={form: FormRecord(**quality, serialised_bytes=9_000, boards=dict.fromkeys(task.boards, image))
               for form in task.forms},
    )  # fmt: skip


def good(task: CellTask, tell: Tell) -> CellRecord:
    tell(f"at work on {task.id}")
    return record(task)


def bad(task: CellTask, tell: Tell) -> CellRecord:
    """Seed 1 diverges, seed 2 takes its process with it, the others are done."""
    if task.seed == 1 and task.training == "plain":
        raise ValueError("model: the loss became nan\nin epoch 3")
    if task.seed == 2:
        os._exit(7)
    return record(task)
