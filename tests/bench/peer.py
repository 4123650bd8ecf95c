"""Another ahead-of-time compiler beside ours: bakenn 1.0.0, portable and with its CMSIS-NN overlay.

It is installed from PyPI into a virtual environment of its own below build/; what it generates is compiled with the
same compiler and flags, linked with the same start-up, and run in the same emulator. Nothing of it is kept.
"""

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.bench.engines_table import OVERLAY, PORTABLE
from tinyloc.boards import Board
from tinyloc.device.image.build import Extras, Optimise
from tinyloc.device.network.network_image import HARNESS, NETWORK, NetworkImage, link_network

REQUIREMENT = "bakenn[tflite]==1.0.0"
ENGINES = {"cortex-m4": (PORTABLE, OVERLAY), "cortex-m3": (PORTABLE,)}
"""By board: the overlay is for cores with DSP instructions."""

_COMPILE = """
import json, sys
from pathlib import Path
import bakenn
model, out, overlay = sys.argv[1:]
options = {}
if overlay == "1":
    options = {"target": "cortex-m4", "backend_options": bakenn.CBackendOptions(
        kernel_policy=bakenn.KernelPolicy.STATIC_PRIORITY, enable_cmsis_nn=True, target=bakenn.CORTEX_M4)}
try:
    bakenn.compile_tflite(model, out, name="peer", **options)
    refused = ""
except bakenn.BakeNNError as error:
    refused = str(error)
print(json.dumps({"refused": refused}))
"""

_HARNESS = """
#include "harness.h"
#include "bknn_peer.h"
_Alignas(4) int8_t tl_input[BKNN_PEER_INPUT_SIZE];
_Alignas(4) int8_t tl_output[BKNN_PEER_OUTPUT_SIZE];
#if BKNN_PEER_ARENA_SIZE > 0
static _Alignas(BKNN_PEER_ARENA_ALIGNMENT) uint8_t tl_arena[BKNN_PEER_ARENA_SIZE];
#define ARENA tl_arena
#else
#define ARENA 0
#endif
void tl_harness_reset(void) {}
__attribute__((noinline)) void tl_model_run(void) { bknn_peer_infer(ARENA, tl_input, tl_output); }
void tl_harness_run(void) { tl_model_run(); }
"""
_HEADER = "#include <stdint.h>\nvoid tl_harness_reset(void);\nvoid tl_model_run(void);\nvoid tl_harness_run(void);\n"


_FLAGS = ("-w", "-fhosted")
"""Its warnings are not ours to mend; its kernels load words by memcpy, which gcc inlines for hosted C only."""


class PeerError(Exception):
    """The peer cannot be installed."""


@dataclass(frozen=True)
class Refused:
    """A model that the peer does not take, in its own words."""

    reason: str


def environment(directory: Path) -> Path:
    """The Python of a virtual environment with the peer; made when it is not there. Raises PeerError."""
    python = directory / "bin" / "python"
    if not (directory / "installed").is_file():
        try:
            subprocess.run([sys.executable, "-m", "venv", "--clear", str(directory)], check=True)
            subprocess.run([str(python), "-m", "pip", "install", "--quiet", REQUIREMENT], check=True)
        except subprocess.CalledProcessError as error:
            raise PeerError(f"{REQUIREMENT} cannot be installed: {error}") from error
        (directory / "installed").write_text(REQUIREMENT + "\n")
    return python


def peer_image(
    python: Path, model: Path, engine: str, board: Board, work: Path, optimise: Optimise = "O2"
) -> NetworkImage | Refused:
    """Compile a model with the peer and link it in the empty directory `work`."""
    generated = work / "peer"
    overlay = str(int(engine == OVERLAY))
    command = [str(python), "-c", _COMPILE, str(model), str(generated), overlay]
    told = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1]
    if reason := json.loads(told)["refused"]:
        return Refused(reason)
    (generated / "harness.c").write_text(_HARNESS)
    (generated / "harness.h").write_text(_HEADER)
    files = sorted(path for path in generated.rglob("*.c") if path.name != "harness.c")
    sources = {f"{NETWORK}{path.stem}": path for path in files} | {HARNESS: generated / "harness.c"}
    headers = tuple(f"-I{path}" for path in sorted({file.parent for file in generated.rglob("*.h")}))
    (work / "build").mkdir()
    return link_network(sources, generated, board, work / "build", optimise, Extras(flags=(*_FLAGS, *headers)))
