"""What one step of a TFLite file takes of a board: compiled, linked with the start-up, run once in the emulator."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tinyloc.boards import Board
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.lowering.harness import add_harness
from tinyloc.codegen.passes.selective_scan import fuse_selective_scan
from tinyloc.device.image.backends import extras_of
from tinyloc.device.image.build import Optimise
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.network_image import build_network


@dataclass(frozen=True)
class StepCost:
    """What the step takes alone; the firmware of a localiser comes on top."""

    flash_bytes: int
    ram_bytes: int
    cycles: int | None
    """Of one sample of zeros, without wait states; None where the image does not fit the board."""


def step_cost(
    content: bytes, states: Sequence[tuple[str, str]], board: Board, optimise: Optimise, fuse_scan: bool = True
) -> StepCost:
    """Ask the compiler and the emulator.

    Args:
        content: an integer .tflite file of one step.
        states: names of its states' inputs and outputs.
        board: to build for.
        optimise: level of the C compiler.
        fuse_scan: a Mamba's scan is one operator, as `build.reference = "tinyloc"` has it.
    """
    with tempfile.TemporaryDirectory(prefix="tinyloc-cost-") as name:
        place = Path(name)
        path, generated, work = place / "model.tflite", place / "generated", place / "build"
        path.write_bytes(content)
        work.mkdir()
        graph = read_tflite(path, states)
        if fuse_scan:
            graph, _ = fuse_selective_scan(graph)
        manifest = compile_graph(graph, generated)
        add_harness(generated, manifest)
        image = build_network(generated, board, work, optimise, extras_of(manifest, board))
        cycles = None
        if image.fits:
            zeros = [np.full(a.shape, a.zero_point or 0, a.element) for a in manifest.inputs]
            cycles = run_network(image.elf, board, manifest, [zeros]).costs[0].cycles
        return StepCost(image.sizes.image_flash_bytes, image.sizes.image_ram_bytes, cycles)
