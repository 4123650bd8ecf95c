"""The host's integer answers to a test set: what the device's are compared with.

`python -m tinyloc.device.evaluation.host_answers BUNDLE ARITHMETIC OUT.npz BACKEND REFERENCE` makes them in a
process of its own, so that a long test set runs on the emulator and on the reference at the same time.
"""

import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, cast

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Arithmetic, TestSet, load_test_set
from tinyloc.codegen.backend_names import Backend, backend_named
from tinyloc.codegen.manifest import Reference
from tinyloc.errors import UserError


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


def host_answers(host: HostLocaliser, test_set: TestSet) -> HostAnswers:
    """Run the reference over the test set, reset at every recording."""
    classes, scores = [], []
    for recording in test_set.recordings():
        host.reset()
        for index in range(recording.start, recording.stop):
            answer = host.sample(*test_set.sparse(index))
            classes.append(answer.class_index)
            scores.append(answer.scores)
    return HostAnswers(np.array(classes, np.int32), np.array(scores, np.int32))


class BackgroundHost:
    """The bundle's own reference in another process. Use as a context manager; `answers` waits for it."""

    def __init__(
        self,
        bundle_dir: Path,
        arithmetic: Arithmetic,
        backend: Backend = "native",
        reference: Reference = "litert",
    ) -> None:
        self._bundle_dir, self._arithmetic = bundle_dir, arithmetic
        self._directory = tempfile.TemporaryDirectory(prefix="tinyloc-host-")
        self._out = Path(self._directory.name) / "answers.npz"
        command = [sys.executable, "-m", __name__, str(bundle_dir.resolve()), arithmetic, str(self._out)]
        command += [backend, reference]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def __enter__(self) -> "BackgroundHost":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stderr is not None:
            self._process.stderr.close()
        self._directory.cleanup()

    def answers(self) -> HostAnswers:
        """All answers. Raises HostError."""
        _, errors = self._process.communicate()
        if self._process.returncode:
            told = errors.strip().splitlines()
            raise HostError(
                f"{self._bundle_dir}: the host reference of the {self._arithmetic} model failed: "
                f"{told[-1] if told else 'without a word'}; make the bundle again with `tinyloc export`"
            )
        with np.load(self._out) as arrays:
            return HostAnswers(arrays["class_index"], arrays["scores"])


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


def main(bundle: str, arithmetic: Arithmetic, out: str, backend: str, whose: Reference) -> None:
    """Write the reference's answers to the bundle's test set."""
    from tinyloc.codegen.verify.integer_localiser import LocaliserReference

    reference = LocaliserReference(Path(bundle), arithmetic, backend_named(backend), whose)
    answers = host_answers(reference, load_test_set(Path(bundle)))
    np.savez(out, class_index=answers.class_index, scores=answers.scores)


if __name__ == "__main__":
    main(
        sys.argv[1],
        cast(Arithmetic, sys.argv[2]),
        sys.argv[3],
        sys.argv[4],
        "litert" if sys.argv[5] == "litert" else "tinyloc",
    )
