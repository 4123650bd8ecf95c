"""Long-lived worker processes. One that dies takes its task with it and nothing else."""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any, Generic, TypeVar

from tinyloc.training.errors import one_line

Task = TypeVar("Task")
Result = TypeVar("Result")
Tell = Callable[[str], None]
Work = Callable[[Task, Tell], Result]
"""Importable by name; gets a task and a function that tells what is being done."""
MOST_TASKS = 20
"""After so many tasks a worker is replaced: the export's tools keep memory."""
ONE_THREAD = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")


@dataclass(frozen=True)
class Event(Generic[Task, Result]):
    """`text` while a task runs; at its end the result, or what killed the process or was raised."""

    task: Task
    text: str = ""
    result: Result | None = None
    error: str | None = None

    @property
    def ended(self) -> bool:
        """The task is over."""
        return self.result is not None or self.error is not None


def run_tasks(
    work: Work[Task, Result], next_task: Callable[[], Task | None], jobs: int
) -> Iterator[Event[Task, Result]]:
    """Run tasks in `jobs` processes and yield what happens.

    next_task: the next task that may begin, None when there is none now; it is asked again after each end.
    """
    for name in ONE_THREAD:
        os.environ.setdefault(name, "1")
    workers: list[_Worker[Task, Result]] = []
    try:
        while True:
            while len([worker for worker in workers if worker.task is not None]) < jobs:
                task = next_task()
                if task is None:
                    break
                _idle(workers, work).begin(task)
            busy = [worker for worker in workers if worker.task is not None]
            if not busy:
                return
            waiting: Sequence[Any] = [worker.pipe for worker in busy]
            ready = wait(waiting)
            for worker in busy:
                if worker.pipe in ready:
                    yield worker.event()
            workers = [worker for worker in workers if not worker.retired]
    finally:
        for worker in workers:
            worker.stop()


def _idle(workers: "list[_Worker[Task, Result]]", work: Work[Task, Result]) -> "_Worker[Task, Result]":
    for worker in workers:
        if worker.task is None:
            return worker
    workers.append(_Worker(work))
    return workers[-1]


@dataclass
class _Worker(Generic[Task, Result]):
    work: Work[Task, Result]
    task: Task | None = None
    done: int = 0
    retired: bool = False
    process: BaseProcess = field(init=False)
    pipe: Connection = field(init=False)

    def __post_init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=serve, args=(theirs, self.work), daemon=True)
        self.process.start()
        theirs.close()

    def begin(self, task: Task) -> None:
        self.task = task
        with suppress(BrokenPipeError):  # a process that died at once is told by `event`
            self.pipe.send(task)

    def event(self) -> Event[Task, Result]:
        """What the process says, or that it died."""
        task = self.task
        assert task is not None
        try:
            kind, value = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self.process.join()
            self.retired, self.task = True, None
            code = self.process.exitcode
            killed = code is not None and code < 0
            how = f"was killed by signal {-(code or 0)} (out of memory?)" if killed else f"ended with exit code {code}"
            return Event(task, error=f"its process {how}")
        if kind == "tell":
            return Event(task, text=value)
        self.task, self.done = None, self.done + 1
        if self.done >= MOST_TASKS:
            self.stop()
        return Event(task, result=value) if kind == "result" else Event(task, error=value)

    def stop(self) -> None:
        self.retired = True
        self.pipe.close()
        self.process.terminate()
        self.process.join()


def serve(pipe: Connection, work: Work[Task, Result]) -> None:
    """The process: one task after the other until the pipe is closed; when the other end is gone, also in between."""
    while True:
        try:
            task = pipe.recv()
        except (EOFError, ConnectionError, KeyboardInterrupt):
            return
        try:
            result = work(task, lambda text: pipe.send(("tell", text)))
            pipe.send(("result", result))
        except KeyboardInterrupt:
            return
        except Exception as error:
            with suppress(ConnectionError):
                pipe.send(("error", one_line(error)))
