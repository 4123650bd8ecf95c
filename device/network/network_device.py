"""Run the image of a plain network in the emulator: samples in, outputs, cycles and the stack that was used."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board
from tinyloc.codegen.manifest import ArgumentRecord, GraphManifest
from tinyloc.device.emulator.flash_reads import FlashTiming
from tinyloc.device.emulator.machine import STACK_LIMIT, Machine
from tinyloc.device.emulator.profile import RunCost

Array = npt.NDArray[Any]
RUN, RESET = b"x", b"r"
"""Bytes that firmware/run/main.c knows."""
PATIENCE = 100.0
"""A network of 100 million multiplications takes minutes when its blocks are counted."""
PAINT = b"\xa5" * 4
STACK_END = "__stack_end"
ARENA = "tl_arena"


class NetworkDevice:
    """A powered-on board with an image of build_network. `measure` models cycles; it may be switched at any time.

    `timing` charges reads of the flash for its wait states, without it they have none.

    Raises ImageError, BoardError, and EmulatorCrash from `run` and `reset`.
    """

    def __init__(self, elf: Path, board: Board, manifest: GraphManifest, timing: FlashTiming | None = None) -> None:
        self.manifest = manifest
        self.machine = Machine(elf, board, timing=timing)
        self.machine.patience = PATIENCE
        self.machine.run()  # power-on

    @property
    def measure(self) -> bool:
        """Whether cycles are modelled now."""
        return self.machine.measure

    @measure.setter
    def measure(self, wanted: bool) -> None:
        self.machine.measure = wanted

    def reset(self) -> None:
        """Start a sequence: states as at power-on."""
        self._command(RESET)

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """Run one sample.

        Args:
            inputs: arrays in the order, types and sizes of the manifest.

        Returns:
            Outputs in the order of the manifest.
        """
        for record, values in zip(self.manifest.inputs, inputs, strict=True):
            assert values.dtype == record.element and values.size == record.size, record.tensor
            self.machine.write_memory(self._place(record), np.ascontiguousarray(values).tobytes())
        self._command(RUN)
        return [
            np.frombuffer(
                self.machine.read_memory(self._place(record), record.size * np.dtype(record.element).itemsize),
                record.element,
            ).reshape(record.shape)
            for record in self.manifest.outputs
        ]

    @property
    def costs(self) -> list[RunCost]:
        """Cost of every measured run so far, in order."""
        return self.machine.profiler.runs

    @property
    def stack_bytes(self) -> int:
        """Bytes of stack that were ever used, from the paint that the start-up left."""
        symbols = self.machine.image.symbols
        stack = self.machine.read_memory(symbols[STACK_LIMIT], symbols[STACK_END] - symbols[STACK_LIMIT])
        words = [stack[at : at + 4] for at in range(0, len(stack), 4)]
        untouched = next((i for i, word in enumerate(words) if word != PAINT), len(words))
        return len(stack) - 4 * untouched

    def _place(self, record: ArgumentRecord) -> int:
        symbols = self.machine.image.symbols
        if record.arena_offset is not None:
            return symbols[ARENA] + record.arena_offset
        return symbols[f"tl_{record.argument}"]

    def _command(self, byte: bytes) -> None:
        uart = self.machine.part.uart
        uart.sent.clear()
        uart.received += byte
        self.machine.run()
        assert bytes(uart.sent) == byte, "the program did not answer"


@dataclass(frozen=True)
class NetworkResult:
    """What a run gave: an entry of `outputs` a sample, each with the network's outputs in order."""

    outputs: list[list[Array]]
    costs: list[RunCost]
    stack_bytes: int


def run_network(
    elf: Path,
    board: Board,
    manifest: GraphManifest,
    samples: Sequence[Sequence[Array]],
    measured: int = 1,
    timing: FlashTiming | None = None,
) -> NetworkResult:
    """Run samples on an emulated board, from the start of a sequence.

    Args:
        elf: image of `tinyloc run`.
        board: that the image is for.
        manifest: of the network's generated code.
        samples: one list of input arrays per sample, in the shapes and integer types of the network.
        measured: so many samples from the first one have modelled cycles.
        timing: of the flash; without it reads have no wait states.

    Returns:
        Outputs per sample, costs, and the used stack in bytes.

    Raises:
        EmulatorCrash: the image did what the board does not allow.
    """
    device = NetworkDevice(elf, board, manifest, timing)
    device.reset()
    outputs = []
    for number, sample in enumerate(samples):
        device.measure = number < measured
        outputs.append(device.run(sample))
    return NetworkResult(outputs, device.costs, device.stack_bytes)
