"""Work for the tasks of a study in tests: quick, and bad in the ways that happen."""

import os
import time
from pathlib import Path

from tinyloc.device.evaluation.form_record import FormRecord, OnBoard
from tinyloc.study.record import CellRecord
from tinyloc.study.run import CellTask, CellWork
from tinyloc.study.spec import DEPLOYED
from tinyloc.study.tasks import Tell

IMAGE = OnBoard(
    flash_bytes=20_000, ram_bytes=2_000, cycles=1e4, energy_uj=2.0, fits=True, samples=120, mismatches=0
)  # fmt: skip


def form_of(task: CellTask) -> FormRecord:
    """Figures that follow from the seed."""
    return FormRecord(macro_f1=0.8 + 0.01 * task.seed, accuracy=0.9, serialised_bytes=9_000)


def record(task: CellTask) -> CellRecord:
    return CellRecord(
        study=task.study, data=task.data, model=task.model, training=task.training, seed=task.seed, status="done",
        settings=task.settings, parameters=100, parameters_published=120, inputs=8, classes=4,
        forms={form: form_of(task) for form in task.forms if form not in DEPLOYED},
    )  # fmt: skip


def train(task: CellTask, tell: Tell) -> CellRecord:
    tell(f"at work on {task.id}")
    return record(task)


def score(task: CellTask, form: str, tell: Tell) -> FormRecord:
    return form_of(task)


def build(task: CellTask, form: str, board: str, tell: Tell) -> OnBoard:
    return IMAGE


def train_badly(task: CellTask, tell: Tell) -> CellRecord:
    """Seed 1 diverges, seed 2 takes its process with it, the others are done."""
    if task.seed == 1 and task.training == "plain":
        raise ValueError("model: the loss became nan\nin epoch 3")
    if task.seed == 2:
        os._exit(7)
    return record(task)


def build_badly(task: CellTask, form: str, board: str, tell: Tell) -> OnBoard | str:
    return "too large" if task.seed == 3 else IMAGE


def wait_for(folder: str, number: int, seconds: float, tell: Tell) -> int:
    """Leave a line at the beginning and one at the end, and tell on the way."""
    note(folder, f"begin {number}")
    tell(f"{number} is at work")
    time.sleep(seconds)
    note(folder, f"end {number}")
    return number


def wait_to_be_seen(folder: str, number: int, tell: Tell) -> int:
    """Work until the file "seen" is there, for a minute at most."""
    note(folder, f"begin {number}")
    tell(f"{number} is at work")
    until = time.monotonic() + 60
    while not (Path(folder) / "seen").exists() and time.monotonic() < until:
        time.sleep(0.05)
    return number


def note(folder: str, line: str) -> None:
    with (Path(folder) / "log.txt").open("a") as file:
        file.write(f"{line}\n")


GOOD = CellWork(train, score, build)
BAD = CellWork(train_badly, score, build_badly)


def own_parameters(name: str, tell: Tell) -> int:
    """Parameters of a class in the folder of the command."""
    from tinyloc.training.models.own_class import build_own

    return sum(p.numel() for p in build_own(name, {"inputs": 3, "classes": 2}).parameters())
