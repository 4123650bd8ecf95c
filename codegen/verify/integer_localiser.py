"""What surrounds the network in integers: the table from dBm to model input, the CRF, and the host's reference of both.

The same arithmetic as firmware/localise, in NumPy; evaluation compares the device with `LocaliserReference`.
"""

import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Arithmetic, Bundle
from tinyloc.codegen.arithmetic.crf import IntegerCrf, Ints, integer_crf
from tinyloc.codegen.arithmetic.rssi_table import rssi_table
from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.backends.cmsis_nn.library import use_library
from tinyloc.codegen.backends.tflm_host import TflmStepper
from tinyloc.codegen.frontend.source import read_source
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.manifest import Reference
from tinyloc.codegen.passes import Pass, optimise
from tinyloc.codegen.semantics.integer_graph import Stepper


def viterbi(scores: Ints, crf: IntegerCrf) -> list[int]:
    """The best path through scores (T, C); the smallest class wins a tie."""
    best = crf.start + scores[0]
    back = []
    for row in scores[1:]:
        total = best[:, None] + crf.transitions
        back.append(total.argmax(axis=0))
        best = total.max(axis=0) + row
    path = [int((best + crf.end).argmax())]
    for pointers in reversed(back):
        path.append(int(pointers[path[-1]]))
    return path[::-1]


class OnlineViterbi:
    """The best path through a recording as it grows: `add` a sample's scores, then `decide` on the one `lag` before.

    Path scores are kept small by taking the largest off all, which changes no comparison; a path's end costs nothing,
    as the recording goes on. The smallest class wins a tie.
    """

    def __init__(self, crf: IntegerCrf, lag: int) -> None:
        self.crf, self.lag = crf, lag
        self.best: Ints | None = None
        self.back: deque[Ints] = deque(maxlen=lag)

    def add(self, scores: Ints) -> None:
        """scores (C,) of the next sample."""
        if self.best is None:
            self.best = self.crf.start + scores
            return
        total = (self.best - self.best.max())[:, None] + self.crf.transitions
        self.back.append(total.argmax(axis=0))
        self.best = total.max(axis=0) + scores

    def decide(self) -> int:
        """Class of the sample `lag` before the last; at least lag + 1 were added."""
        assert self.best is not None and len(self.back) == self.lag
        found = int(self.best.argmax())
        for pointers in reversed(self.back):
            found = int(pointers[found])
        return found


def most_frequent(path: Sequence[int]) -> int:
    """The class seen most often, the smallest among equals."""
    return int(np.bincount(np.asarray(path)).argmax())


def library_pass(backend: str) -> Pass | None:
    """For references: the pass that gives operators to the back end's library; None where all are our own."""
    return functools.partial(use_library, library=None) if backend == "cmsis_nn" else None


@dataclass(frozen=True)
class Answer:
    """One sample's result: quantised scores (C,), and the decision, -1 when none is due."""

    scores: npt.NDArray[Any]
    class_index: int


class LocaliserReference:
    """The host's integer localiser: raw scans in, scores and decisions out. `reset` starts a recording."""

    def __init__(
        self,
        bundle_directory: Path,
        arithmetic: Arithmetic | None = None,
        backend: Backend = "native",
        reference: Reference | None = None,
    ) -> None:
        source = read_source(bundle_directory, arithmetic, "litert" if backend == "tflm" else reference)
        self.bundle: Bundle = source.bundle
        self.graph: Graph = source.graph
        if (rewrite := library_pass(backend)) is not None:
            self.graph, _ = optimise(self.graph, sparse_input=False, use_library=rewrite)
        scores = self.graph.tensors[self.graph.outputs[0]]
        self.table = rssi_table(self.bundle.preprocessing, self.graph.tensors[self.graph.inputs[0]])
        self.crf = integer_crf(self.bundle.crf, scores) if self.bundle.crf and self.bundle.window.steps > 1 else None
        if backend == "tflm":
            from tinyloc.codegen.backends.tflm.harness import tflm_stepper  # needs the package tflite-micro

            self.stepper: Stepper | TflmStepper = tflm_stepper(source, bundle_directory / source.model.path)
        else:
            self.stepper = Stepper(self.graph)
        self.reset()

    def reset(self) -> None:
        self.stepper.reset()
        inputs = len(self.bundle.preprocessing.access_points)
        self.held = np.full(inputs, 127, dtype=np.int64)
        self.age = np.zeros(inputs, dtype=np.int64)
        self.recent: deque[npt.NDArray[Any]] = deque(maxlen=self.bundle.window.steps)
        self.seen = 0
        window = self.bundle.window
        self.online = OnlineViterbi(self.crf, window.steps - 1) if window.online and self.crf is not None else None

    def sample(self, indices: npt.NDArray[np.integer[Any]], dbm: npt.NDArray[np.integer[Any]]) -> Answer:
        """One scan: the access points heard and their readings in dBm."""
        self.age += 1
        self.held[indices] = dbm
        self.age[indices] = 0
        readings = np.where(self.age <= self.bundle.preprocessing.hold_samples, self.held, 127)
        (scores,) = self.stepper.step(self.table[readings + 128])
        scores = scores.ravel()
        self.recent.append(scores)
        if self.online is not None:
            self.online.add(scores.astype(np.int64))
        self.seen += 1
        return Answer(scores, self._decide())

    def _decide(self) -> int:
        window = self.bundle.window
        if self.seen < window.steps or (self.seen - window.steps) % window.hop:
            return -1
        if self.online is not None:
            return self.online.decide()
        rows = np.array(self.recent, dtype=np.int64)
        if self.crf is None:
            return most_frequent(rows.argmax(axis=1).tolist())
        return most_frequent(viterbi(rows, self.crf))
