"""Tasks on Ray: as many at a time as the cluster has CPUs, retried when a worker or a node dies, with reports."""

import heapq
import itertools
import os
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ray
from ray.exceptions import (
    NodeDiedError,
    OutOfMemoryError,
    RayActorError,
    RayError,
    RayTaskError,
    TaskCancelledError,
    WorkerCrashedError,
)

from tinyloc.study import cluster
from tinyloc.training.errors import one_line

Tell = Callable[[str], None]
Work = Callable[..., Any]
"""Importable by name on every machine. Gets the task's arguments, and as the last one a function that reports."""
RETRIES = 3
"""How often a task begins anew after its worker died. What a task raises is not retried: it would raise again."""
MOST_TASKS = 20
"""After so many tasks a worker is replaced: the export's tools keep memory."""
REPORT_SECONDS = 0.5
CANCEL_SECONDS = 3.0


@dataclass(frozen=True)
class Needs:
    """What one task takes."""

    cpus: float = 1.0
    memory_bytes: int = 0


@dataclass(frozen=True)
class Event:
    """`text` while a task runs. At its end the result, or why there is none."""

    key: str
    text: str = ""
    result: Any = None
    error: str | None = None
    ended: bool = False


@dataclass(frozen=True)
class _Outcome:
    result: Any = None
    error: str | None = None


@ray.remote(num_cpus=0, max_restarts=-1)
class _Reports:
    """Collects what tasks report, wherever they run."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def tell(self, key: str, text: str) -> None:
        self.texts[key] = text

    def take(self) -> dict[str, str]:
        texts, self.texts = self.texts, {}
        return texts


def _run(work: Work, arguments: tuple[Any, ...], key: str, reports: Any, folder: str) -> _Outcome:
    """Run on a worker, in the folder of the command where the machine has it: classes of the user's are found there.

    Exceptions return as text: not all can be sent.
    """
    last = [0.0]
    if Path(folder).is_dir():
        os.chdir(folder)

    def tell(text: str) -> None:
        if time.monotonic() - last[0] >= REPORT_SECONDS:
            last[0] = time.monotonic()
            reports.tell.remote(key, text)

    try:
        return _Outcome(result=work(*arguments, tell))
    except TaskCancelledError:
        raise
    except Exception as error:
        return _Outcome(error=one_line(error))


@dataclass
class Engine:
    """Tasks in flight. Use as a context: at its end, however it comes, what runs is cancelled."""

    retries: int = RETRIES
    waiting: list[tuple[int, int, str, Work, tuple[Any, ...], Needs]] = field(default_factory=list)
    running: dict[Any, str] = field(default_factory=dict)
    taken: dict[Any, float] = field(default_factory=dict)
    """CPUs of each task in flight."""
    _count: Iterator[int] = field(default_factory=itertools.count)
    _reports: Any = None
    _asked: Any = None

    def __enter__(self) -> "Engine":
        self._reports = _Reports.remote()  # type: ignore[attr-defined]
        self._remote = ray.remote(max_calls=MOST_TASKS)(_run)
        return self

    def __exit__(self, *_: object) -> None:
        self.waiting.clear()
        for reference in self.running:
            with suppress(RayError):
                ray.cancel(reference, force=True)
        if self.running:
            with suppress(RayError):
                ray.wait(list(self.running), num_returns=len(self.running), timeout=CANCEL_SECONDS)
        self.running.clear()
        with suppress(RayError):
            ray.kill(self._reports)

    def submit(self, key: str, work: Work, *arguments: Any, needs: Needs = Needs(), urgency: int = 0) -> None:
        """Queue a task. Of those that wait, the most urgent begins first, then the one that came first."""
        heapq.heappush(self.waiting, (-urgency, next(self._count), key, work, arguments, needs))

    def events(self) -> Iterator[Event]:
        """Yield reports and ends of tasks until none waits and none runs; more may be submitted meanwhile."""
        while self.waiting or self.running:
            self._start()
            ended, _ = ray.wait(list(self.running), num_returns=1, timeout=REPORT_SECONDS)
            yield from self._told()
            for reference in ended:
                self.taken.pop(reference, None)
                yield self._end(self.running.pop(reference), reference)

    def _start(self) -> None:
        """Hand tasks to Ray: as many as there are CPUs for, so that urgent ones never queue behind long ones."""
        room = cluster.cpus() - sum(self.taken.get(reference, 0.0) for reference in self.running)
        largest = cluster.largest_memory()
        while self.waiting and (room >= self.waiting[0][-1].cpus or not self.running):
            _, _, key, work, arguments, needs = heapq.heappop(self.waiting)
            options = {
                "num_cpus": needs.cpus,
                "memory": min(needs.memory_bytes, largest),  # more than any machine has would wait for ever
                "max_retries": self.retries,
                "retry_exceptions": False,
            }
            reference = self._remote.options(**options).remote(work, arguments, key, self._reports, str(Path.cwd()))
            self.running[reference], self.taken[reference] = key, needs.cpus
            room -= needs.cpus

    def _told(self) -> Iterator[Event]:
        if self._asked is None:
            self._asked = self._reports.take.remote()
        if not ray.wait([self._asked], timeout=0)[0]:
            return
        asked, self._asked = self._asked, None
        try:
            texts: dict[str, str] = ray.get(asked)
        except RayActorError:  # on a node that died: it starts anew on another one
            return
        living = set(self.running.values())
        yield from (Event(key, text) for key, text in texts.items() if key in living)

    def _end(self, key: str, reference: Any) -> Event:
        try:
            outcome: _Outcome = ray.get(reference)
        except OutOfMemoryError:
            return Event(key, error=self._died("ran out of memory"), ended=True)
        except (WorkerCrashedError, NodeDiedError):
            return Event(key, error=self._died("died"), ended=True)
        except RayTaskError as error:
            return Event(key, error=one_line(error)[-400:], ended=True)
        except RayError as error:
            return Event(key, error=f"Ray: {one_line(error)[:400]}", ended=True)
        return Event(key, result=outcome.result, error=outcome.error, ended=True)

    def _died(self, how: str) -> str:
        times = self.retries + 1
        return f"its worker {how} {times} times; give it a machine with more memory, or fewer tasks at a time (--jobs)"
