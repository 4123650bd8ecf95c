"""A checksum of what each layer leaves: the calls of debug.c on the device, and the same values on the host.

Both ends count in this order: the step's input, each layer, the scores, each state as the next sample finds it. A
check is the CRC-32 (`zlib.crc32`) of the bytes as they lie in memory, little-endian.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import MISSING_DBM, Arithmetic
from tinyloc.codegen.arithmetic.rssi_table import rssi_table
from tinyloc.codegen.frontend.source import read_source
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.lowering.lower import Program, localiser_program
from tinyloc.codegen.manifest import Manifest
from tinyloc.codegen.semantics.integer_graph import run_graph
from tinyloc.codegen.verify.integer_localiser import library_pass

Ints = npt.NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Check:
    """One checksum on the host's side, and what it is of."""

    name: str  # C function of the layer; "input", "scores", or "state NAME"
    operators: tuple[str, ...]  # of the TFLite model; none for what is no layer
    tensors: tuple[str, ...]  # name and shape of what was written
    checksum: int


def layer_checks(program: Program, values: Mapping[int, npt.NDArray[Any]]) -> list[Check]:
    """The checks of the layers, from all values of a run of the program's graph."""
    tensors = program.graph.tensors
    return [
        Check(layer.name, layer.operators, _told(tensors, op.outputs), _crc(*(values[t] for t in op.outputs)))
        for layer, op in zip(program.layers, program.storage.layers, strict=True)
    ]


def value_check(program: Program, name: str, tensor: int, value: npt.NDArray[Any]) -> Check:
    """The check of a value that is no layer's: an input, an output, a state."""
    return Check(name, (), _told(program.graph.tensors, (tensor,)), _crc(value))


class LayerReference:
    """The optimised graph in NumPy, sample by sample, with every layer's result. `reset` starts a recording.

    The graph is the one that the generated code was made from, so that its layers are the device's.
    """

    def __init__(self, bundle_directory: Path, arithmetic: Arithmetic, generated: Manifest) -> None:
        source = read_source(bundle_directory, arithmetic, generated.reference)
        self.program = localiser_program(source.graph, generated.sparse, library_pass(generated.backend))
        self.preprocessing = source.bundle.preprocessing
        self.table = rssi_table(self.preprocessing, source.graph.tensors[source.graph.inputs[0]])
        self.reset()

    def reset(self) -> None:
        graph = self.program.graph
        self.state = {before: graph.start(before) for before, _ in graph.states}
        inputs = len(self.preprocessing.access_points)
        self.held = np.full(inputs, MISSING_DBM, dtype=np.int64)
        self.age = np.zeros(inputs, dtype=np.int64)

    def sample(self, indices: Ints, dbm: Ints) -> list[Check]:
        """One scan -> the checks of its step, in the device's order."""
        graph = self.program.graph
        self.age += 1
        self.held[indices] = dbm
        self.age[indices] = 0
        readings = np.where(self.age <= self.preprocessing.hold_samples, self.held, MISSING_DBM)
        values = run_graph(graph, {graph.inputs[0]: self._input(readings), **self.state})
        self.state = {before: values[after] for before, after in graph.states}
        return [
            Check("input", (), _told(graph.tensors, graph.inputs), self._input_check(readings)),
            *layer_checks(self.program, values),
            Check("scores", (), _told(graph.tensors, graph.outputs), _crc(values[graph.outputs[0]])),
            *(
                Check(f"state {state['name']}", (), _told(graph.tensors, (after,)), _crc(values[after]))
                for state, (_, after) in zip(self.program.states, graph.states, strict=True)
            ),
        ]

    def _input(self, readings: Ints) -> npt.NDArray[Any]:
        return self.table[readings + 128].reshape(self.program.graph.tensors[self.program.graph.inputs[0]].shape)

    def _input_check(self, readings: Ints) -> int:
        if not self.program.sparse:
            return _crc(self._input(readings))
        heard = np.flatnonzero(readings != MISSING_DBM)
        checksum = 0
        for index, value in zip(heard.astype("<u2"), self.table[readings[heard] + 128], strict=True):
            checksum = zlib.crc32(index.tobytes() + value.tobytes(), checksum)
        return checksum


def _told(tensors: Sequence[Tensor], which: Sequence[int]) -> tuple[str, ...]:
    found = (tensors[t] for t in which)
    return tuple(f"{t.name} {list(t.shape)} {t.element}" for t in found)


def _crc(*arrays: npt.NDArray[Any]) -> int:
    checksum = 0
    for array in arrays:
        checksum = zlib.crc32(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes(), checksum)
    return checksum
