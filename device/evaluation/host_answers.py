"""The host's integer answers to a test set: what the device's are compared with.

`python -m tinyloc.device.evaluation.host_answers BUNDLE ARITHMETIC OUT.npz BACKEND REFERENCE FIRST LAST` makes those of
samples FIRST to LAST - 1 in a process of its own, so that a long test set runs on the emulator and on the reference at
the same time, recordings beside each other. Answers are kept for the next board (`host_cache`).
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Arithmetic, TestSet, load_test_set
from tinyloc.codegen.backend_names import Backend, backend_named
from tinyloc.codegen.manifest import Reference
from tinyloc.device.evaluation import host_cache
from tinyloc.errors import UserError

SHARE = 1000
"""Samples below which another process costs more than it saves."""


class HostError(UserError):
    """The host's reference failed; the message says how."""


class HostAnswer(Protocol):
    """The host's integer result of one sample."""

    @property
    def scores(self) -> npt.NDArray[np.integer[Any]]: ...

    @property
    def class_index(self) -> int: ...


class HostLocaliser(Protocol):
    """The integer reference that the device must equal."""

    def reset(self) -> None: ...

    def sample(self, indices: npt.NDArray[np.uint16], dbm: npt.NDArray[np.int8]) -> HostAnswer: ...


@dataclass(frozen=True)
class HostAnswers:
    """The host's answers to N samples."""

    class_index: npt.NDArray[np.int32]  # (N,) -1 where no decision was due
    scores: npt.NDArray[np.int32]  # (N, C)


FIELDS = tuple(field.name for field in fields(HostAnswers))


def host_answers(host: HostLocaliser, test_set: TestSet, recordings: Sequence[slice] | None = None) -> HostAnswers:
    """Run the reference over recordings of the test set, all by default, reset at every one."""
    classes, scores = [], []
    for recording in test_set.recordings() if recordings is None else recordings:
        host.reset()
        for index in range(recording.start, recording.stop):
            answer = host.sample(*test_set.sparse(index))
            classes.append(answer.class_index)
            scores.append(answer.scores)
    return HostAnswers(np.array(classes, np.int32), np.array(scores, np.int32))


def shares(recordings: Sequence[slice], processes: int) -> list[slice]:
    """Cut samples between recordings into parts of about the same length, none below SHARE if there are several."""
    total = recordings[-1].stop
    wanted = max(total / processes, SHARE)
    parts, start = [], 0
    for recording in recordings:
        if (recording.stop - start >= wanted and total - recording.stop >= SHARE) or recording.stop == total:
            parts.append(slice(start, recording.stop))
            start = recording.stop
    return parts


class BackgroundHost:
    """The bundle's own reference in other processes. Use as a context manager; `answers` waits for them.

    Nothing runs where the answers are kept from before (not of "tflm", whose answers are another package's).
    """

    def __init__(
        self,
        bundle_dir: Path,
        arithmetic: Arithmetic,
        backend: Backend = "native",
        reference: Reference = "litert",
    ) -> None:
        self._bundle_dir, self._arithmetic = bundle_dir, arithmetic
        self._directory = tempfile.TemporaryDirectory(prefix="tinyloc-host-")
        self._processes: list[tuple[subprocess.Popen[str], Path]] = []
        self._key = None if backend == "tflm" else host_cache.key(bundle_dir, arithmetic, backend, reference)
        self._kept = None if self._key is None else host_cache.find(self._key, set(FIELDS))
        if self._kept is not None:
            return
        for part in shares(list(load_test_set(bundle_dir).recordings()), os.cpu_count() or 1):
            out = Path(self._directory.name) / f"answers-{part.start}.npz"
            command = [sys.executable, "-m", __name__, str(bundle_dir.resolve()), arithmetic, str(out)]
            command += [backend, reference, str(part.start), str(part.stop)]
            running = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
            self._processes.append((running, out))

    def __enter__(self) -> "BackgroundHost":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process, _ in self._processes:
            process.kill()
            process.wait()
            if process.stderr is not None:
                process.stderr.close()
        self._directory.cleanup()

    def answers(self) -> HostAnswers:
        """All answers. Raises HostError."""
        if self._kept is not None:
            return HostAnswers(**self._kept)
        parts = [self._part(process, out) for process, out in self._processes]
        found = {name: np.concatenate([part[name] for part in parts]) for name in FIELDS}
        if self._key is not None:
            host_cache.keep(self._key, found)
        return HostAnswers(**found)

    def _part(self, process: "subprocess.Popen[str]", out: Path) -> dict[str, npt.NDArray[np.int32]]:
        _, errors = process.communicate()
        if process.returncode:
            told = errors.strip().splitlines()
            raise HostError(
                f"{self._bundle_dir}: the host reference of the {self._arithmetic} model failed: "
                f"{told[-1] if told else 'without a word'}; make the bundle again with `tinyloc export`"
            )
        with np.load(out) as arrays:
            return {name: arrays[name] for name in arrays.files}


class GivenHost:
    """A reference at hand, with the interface of BackgroundHost."""

    def __init__(self, host: HostLocaliser, test_set: TestSet) -> None:
        self._host, self._test_set = host, test_set

    def __enter__(self) -> "GivenHost":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def answers(self) -> HostAnswers:
        """All answers."""
        return host_answers(self._host, self._test_set)


def main(bundle: str, arithmetic: Arithmetic, out: str, backend: str, whose: Reference, first: int, last: int) -> None:
    """Write the reference's answers to samples first to last - 1 of the bundle's test set."""
    from tinyloc.codegen.verify.integer_localiser import LocaliserReference

    reference = LocaliserReference(Path(bundle), arithmetic, backend_named(backend), whose)
    test_set = load_test_set(Path(bundle))
    part = [recording for recording in test_set.recordings() if first <= recording.start < last]
    answers = host_answers(reference, test_set, part)
    np.savez(out, class_index=answers.class_index, scores=answers.scores)


if __name__ == "__main__":
    main(
        sys.argv[1],
        cast(Arithmetic, sys.argv[2]),
        sys.argv[3],
        sys.argv[4],
        "litert" if sys.argv[5] == "litert" else "tinyloc",
        int(sys.argv[6]),
        int(sys.argv[7]),
    )
