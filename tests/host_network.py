"""A plain network's generated C on the host, for tests: compiled by cc and called through ctypes."""

import ctypes
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.manifest import read_graph_manifest
from tinyloc.codegen.verify.host import HostError, compile_shared


class HostNetwork:
    """A plain network (`compile_tflite`), run in C. `flags` are added to the compiler's."""

    def __init__(self, generated: Path, flags: Sequence[str] = ()) -> None:
        self.manifest = read_graph_manifest(generated)
        self._folder = tempfile.TemporaryDirectory(prefix="tinyloc-host-")
        library = Path(self._folder.name) / "model.so"
        compile_shared(generated.resolve(), [], library, flags)
        self._library = ctypes.CDLL(str(library))
        self._arena = ctypes.create_string_buffer(max(self.manifest.arena_bytes, 4))
        self._state = ctypes.create_string_buffer(self.manifest.state_bytes) if self.manifest.states else None
        self.reset()

    def reset(self) -> None:
        """States as at the start of a sequence."""
        if self._state is not None:
            self._library.tl_model_init(self._state)

    def run(self, *inputs: npt.NDArray[Any]) -> list[npt.NDArray[Any]]:
        """The network's inputs in order -> its outputs in order."""
        given = []
        for record, values in zip(self.manifest.inputs, inputs, strict=True):
            if values.dtype != record.element or values.size != record.size:
                raise HostError(
                    f"input {record.tensor} takes {record.size} of {record.element}, "
                    f"not {values.size} of {values.dtype}"
                )
            given.append(np.ascontiguousarray(values))
        results = [np.zeros(record.shape, record.element) for record in self.manifest.outputs]
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (*given, *results)]
        state = [] if self._state is None else [self._state]
        self._library.tl_model_run(*state, self._arena, *pointers)
        return results
