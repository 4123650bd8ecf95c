"""What a user needs to link a generated network: buffers and calls in harness.h and harness.c, and the kernels."""

import re
from pathlib import Path

from tinyloc.codegen.lowering.render import render
from tinyloc.codegen.manifest import GraphManifest
from tinyloc.files import write_whole
from tinyloc.paths import FIRMWARE_DIR

KERNELS = "kernels"
_TEMPLATES = {"harness.h": "harness.h.j2", "harness.c": "harness.c.j2"}
_INCLUDE = re.compile(r'^#include "(?:kernels/)?(\w+\.h)"', re.M)


def add_harness(generated: Path, manifest: GraphManifest) -> None:
    """Complete a directory of `compile_tflite`: afterwards `cc -I. model.c weights.c harness.c main.c` is all.

    Writes harness.h and harness.c, and the kernel headers that the model includes into `kernels/`.
    """
    values = {"name": manifest.name, "inputs": manifest.inputs, "outputs": manifest.outputs, "states": manifest.states,
              "arena_split": manifest.arena_split}  # fmt: skip
    for name, text in render(_TEMPLATES, values).items():
        write_whole(generated / name, text)
    for header in kernel_headers((generated / "model.c").read_text(encoding="utf-8")):
        write_whole(generated / KERNELS / header, (FIRMWARE_DIR / KERNELS / header).read_text(encoding="utf-8"))


def kernel_headers(source: str) -> list[str]:
    """Headers of firmware/kernels that a C source includes, directly or through one another, sorted."""
    found: set[str] = set()
    pending = _INCLUDE.findall(source)
    while pending:
        header = pending.pop()
        path = FIRMWARE_DIR / KERNELS / header
        if header not in found and path.is_file():
            found.add(header)
            pending += _INCLUDE.findall(path.read_text(encoding="utf-8"))
    return sorted(found)
