"""Progress on standard error: a live bar on a terminal, a few lines in a log, nothing with --quiet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from tinyloc.cli.console import note, quiet

if TYPE_CHECKING:
    from tinyloc.training.train import EpochDone

LOG_LINES = 10
"""Lines per stage when the output is a file."""


def _with_figures(console: Console) -> Progress:
    """Make a bar whose tasks show their own figures; it shows nothing when the output is a file."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[figures]}"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet() or not console.is_terminal,
    )


@contextmanager
def epochs_shown() -> Iterator[Callable[["EpochDone"], None]]:
    """Give the callback of `training.run.train` that shows each epoch."""
    console = Console(stderr=True)
    bar = _with_figures(console)
    tasks: dict[str, TaskID] = {}

    def show(done: "EpochDone") -> None:
        merit = f"macro F1 {done.macro_f1:.3f}" if done.error_m is None else f"mean error {done.error_m:.2f} m"
        figures = f"loss {done.loss:.3f}, {merit}, best in epoch {done.best_epoch}"
        if done.stage not in tasks:
            tasks[done.stage] = bar.add_task(done.stage, total=done.epochs, figures="")
            if done.epoch > 1:
                note(f"{done.stage}: continuing at epoch {done.epoch} of {done.epochs}")
        bar.update(tasks[done.stage], completed=done.epoch, figures=figures)
        if not console.is_terminal and done.epoch % max(1, done.epochs // LOG_LINES) == 0:
            note(f"{done.stage}, epoch {done.epoch} of {done.epochs}: {figures}")

    with bar:
        yield show


class _Rate(ProgressColumn):
    """Samples per second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:.0f}/s")


@contextmanager
def samples_shown(total_label: str = "samples") -> Iterator[Callable[[int, int], None]]:
    """Give a callback of (done, total) that shows how many samples are answered."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn(total_label),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=quiet() or not console.is_terminal,
    )
    task = bar.add_task(total_label, total=None)

    def show(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    with bar:
        yield show


@contextmanager
def work_shown(total: int, unit: str) -> Iterator[Callable[[str, str, bool, int], None]]:
    """Give the callback that shows cells of a study or trials of a search: a bar for all, a line per running one.

    It takes the name, what is to be said of it, whether it has ended, and how many have. Shows the rate and the time
    that is left, in a log too.
    """
    console = Console(stderr=True)
    bar = _with_figures(console)
    began = monotonic()
    whole = bar.add_task(unit, total=total, figures="")
    lines: dict[str, TaskID] = {}

    def show(name: str, text: str, ended: bool, done: int) -> None:
        if not ended:
            if name not in lines:
                lines[name] = bar.add_task(name, total=None, figures="")
            bar.update(lines[name], figures=text)
            return
        if name in lines:
            bar.remove_task(lines.pop(name))
        rate = done / max((monotonic() - began) / 3600, 1e-9)
        pace = f"{rate:.1f} {unit} per hour, {(total - done) / rate:.1f} h left"
        bar.update(whole, completed=done, figures=pace)
        line = f"{done} of {total}: {name}: {text} ({pace})"
        if console.is_terminal and not quiet():
            bar.console.print(line, markup=False)
        else:
            note(line)

    with bar:
        yield show
