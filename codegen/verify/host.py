"""The generated C on the host: compiled by cc as a shared library and called through ctypes."""

import ctypes
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.manifest import read_manifest
from tinyloc.codegen.verify.integer_localiser import Answer
from tinyloc.errors import UserError
from tinyloc.paths import FIRMWARE_DIR

FLAGS = ("-std=c11", "-O2", "-fno-strict-aliasing", "-Wall", "-Wextra", "-Werror", "-Wconversion", "-shared", "-fPIC")

# What ctypes cannot ask of headers: sizes of the caller's structs, and a call with plain pointers.
_SHIM = """
#include "localise/localiser.h"
uint32_t shim_localiser_bytes(void) { return sizeof(tl_localiser_t); }
uint32_t shim_arena_bytes(void) { return sizeof(tl_model_arena_t); }
uint32_t shim_score_bytes(void) { return sizeof(tl_score_t); }
int32_t shim_position_mm[2]; /* of the last decision */
uint32_t shim_model_state_bytes(void) { return sizeof(tl_model_state_t); }
int32_t shim_sample(tl_localiser_t *localiser, tl_model_arena_t *arena, const uint16_t *indices, const int8_t *dbm,
                    uint16_t count, tl_reading_t *readings, tl_score_t *scores, int32_t *class_index);
int32_t shim_sample(tl_localiser_t *localiser, tl_model_arena_t *arena, const uint16_t *indices, const int8_t *dbm,
                    uint16_t count, tl_reading_t *readings, tl_score_t *scores, int32_t *class_index)
{
    tl_estimate_t estimate;
    for (uint16_t i = 0; i < count; i++) {
        readings[i] = (tl_reading_t){.index = indices[i], .dbm = dbm[i]};
    }
    const tl_status_t status = tl_localiser_sample(localiser, arena, readings, count, &estimate);
    if (status == TL_OK) {
        memcpy(scores, estimate.scores, sizeof estimate.scores);
        *class_index = estimate.class_index;
#if TL_POSITION
        memcpy(shim_position_mm, estimate.position_mm, sizeof estimate.position_mm);
#endif
    }
    return (int32_t)status;
}
"""


class HostError(UserError):
    """The generated code cannot be compiled or run on this machine."""


def build_shared(generated: Path, library: Path) -> None:
    """Compile the generated model and the localiser into a shared library."""
    with tempfile.TemporaryDirectory() as work:
        shim = Path(work) / "shim.c"
        shim.write_text("#include <string.h>\n" + _SHIM, encoding="utf-8", newline="\n")
        compile_shared(generated, [*sorted((FIRMWARE_DIR / "localise").glob("*.c")), shim], library)


def compile_shared(generated: Path, others: Sequence[Path], library: Path, flags: Sequence[str] = ()) -> None:
    """Compile the generated model with `others` into a shared library; `flags` are added to the compiler's."""
    compiler = shutil.which(os.environ.get("CC", "cc"))
    if compiler is None:
        raise HostError("no C compiler (cc) on this machine; install one, for instance with `apt install gcc`")
    sources = [generated / "model.c", generated / "weights.c", *others]
    includes = [f"-I{folder}" for folder in (generated, FIRMWARE_DIR)]
    command = [compiler, *FLAGS, *flags, "-Wno-missing-prototypes", *includes, *map(str, sources), "-o", str(library)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise HostError(f"{generated}: the generated C does not compile on the host:\n{done.stderr[:2000]}")


class HostLocaliser:
    """Same interface as LocaliserReference, run in C."""

    def __init__(self, generated: Path) -> None:
        self.manifest = read_manifest(generated)
        self._folder = tempfile.TemporaryDirectory(prefix="tinyloc-host-")
        library = Path(self._folder.name) / "model.so"
        build_shared(generated.resolve(), library)
        self._library = ctypes.CDLL(str(library))
        self.localiser_bytes = int(self._library.shim_localiser_bytes())
        self.model_state_bytes = int(self._library.shim_model_state_bytes())
        updatable = self.manifest.updatable
        self._room = updatable.classes if updatable else self.manifest.classes
        self._state = ctypes.create_string_buffer(self.localiser_bytes + 8)
        self._arena = ctypes.create_string_buffer(int(self._library.shim_arena_bytes()) + 8)
        self._readings = ctypes.create_string_buffer(4 * self.manifest.inputs + 8)
        self._element = np.int8 if self._library.shim_score_bytes() == 1 else np.int16
        self.reset()

    def reset(self) -> None:
        self._library.tl_localiser_init(self._state)

    @property
    def position_mm(self) -> tuple[int, int]:
        """x and y of the last decision, for models that decide positions."""
        found = (ctypes.c_int32 * 2).in_dll(self._library, "shim_position_mm")
        return int(found[0]), int(found[1])

    def sample(self, indices: npt.NDArray[np.integer[Any]], dbm: npt.NDArray[np.integer[Any]]) -> Answer:
        """One scan, indices ascending."""
        scores = np.zeros(self._room, dtype=self._element)  # the C code writes all that there is room for
        class_index = ctypes.c_int32(-1)
        places, values = np.ascontiguousarray(indices, dtype=np.uint16), np.ascontiguousarray(dbm, dtype=np.int8)
        status = self._library.shim_sample(
            self._state,
            self._arena,
            places.ctypes.data_as(ctypes.c_void_p),
            values.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_uint16(len(places)),
            self._readings,
            scores.ctypes.data_as(ctypes.c_void_p),
            ctypes.byref(class_index),
        )
        if status:
            raise HostError(f"the localiser refuses this scan with status {status}")
        return Answer(scores[: self.manifest.classes], int(class_index.value))
