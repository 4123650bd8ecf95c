"""A user's own .tflite on a board: compile it, say what it takes, run it in the emulator, compare its answers."""

import json
import shutil
import struct
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.boards import Board
from tinyloc.codegen.backend_names import Backend
from tinyloc.codegen.backends.cmsis_nn.library import find_cmsis_nn
from tinyloc.codegen.compile import compile_tflite
from tinyloc.codegen.errors import ConstantsError
from tinyloc.codegen.frontend.io_quantisation import from_network, to_network
from tinyloc.codegen.frontend.reader import read_borders, read_tflite
from tinyloc.codegen.frontend.samples import Samples, joined, load_samples
from tinyloc.codegen.frontend.signatures import UnknownSignature, with_signature
from tinyloc.codegen.lowering.cliffs import Measured, cliffs
from tinyloc.codegen.lowering.harness import add_harness
from tinyloc.codegen.lowering.kernel_selection import Aim, FormOptions
from tinyloc.codegen.lowering.tensor_placement import ArenaOptions
from tinyloc.codegen.manifest import GraphManifest
from tinyloc.codegen.verify.network_reference import engine_of, numpy_outputs, outside_outputs, outside_window
from tinyloc.codegen.verify.outside_reference import TITLES, Engine, OutsideError
from tinyloc.device.emulator.flash_reads import FlashTiming, timing_of
from tinyloc.device.emulator.profile import RunCost
from tinyloc.device.image.backends import extras_of
from tinyloc.device.image.build import Optimise
from tinyloc.device.network.flash_budget import Attempt, checked, flash_limit, within_budget
from tinyloc.device.network.network_device import NetworkResult, run_network
from tinyloc.device.network.network_image import NetworkImage, build_network
from tinyloc.errors import UserError
from tinyloc.files import whole_directory, write_whole

Array = npt.NDArray[Any]
States = Sequence[tuple[str, str]]
SIZES_FILE = "build.json"
MEASURED_UP_TO = 2
"""Constants of more than so many times the flash are reported; of fewer the whole image is measured."""
START_UP_RAM = 64
"""Bytes kept for the static data of the start-up."""
POINTER = 4
"""Bytes of an arena in two banks that lead from the first to the second."""


class NetworkError(UserError):
    """An output directory that holds something else, or a board that cannot run the network."""


@dataclass(frozen=True)
class Network:
    """A compiled network and its image. Files lie in `generated` as long as the context that made it."""

    model: Path
    board: Board
    optimise: Optimise
    states: States
    generated: Path
    manifest: GraphManifest
    image: NetworkImage
    step: bool = False
    """One step of the file's network over a window, see codegen/frontend/window_to_step.py."""
    backend: Backend = "native"
    aim: Aim = "speed"
    flash_budget: int | None = None
    """What the image was to stay within, where that was asked for."""

    @property
    def small_layers(self) -> list[str]:
        """Layers in their small form, see codegen/lowering/kernel_selection.py."""
        return [layer.name for layer in self.manifest.layers if layer.form == "small"]

    def cliffs(self, cycles: Mapping[str, float] | None = None) -> list[str]:
        """Lines on layers that are slower than usual, by measured cycles of layers or else by estimates."""
        layers = [
            Measured(
                layer.name, layer.operators, layer.macs, layer.usual_kernel, layer.form_why, layer.hints,
                layer.form_cycles if cycles is None else cycles.get(layer.name),
            )
            for layer in self.manifest.layers
        ]  # fmt: skip
        return cliffs(layers, self.board.core, self.optimise)

    def figures(self) -> dict[str, Any]:
        """What is known without running it, for JSON. Sizes in bytes; see NetworkSizes."""
        return {
            "model": self.manifest.name,
            "board": self.board.name,
            "core": self.board.core,
            "optimise": self.optimise,
            "aim": self.aim,
            "flash_budget": self.flash_budget,
            "small_layers": self.small_layers,
            "slow_layers": self.cliffs(),
            "arithmetic": self.manifest.arithmetic,
            "backend": self.backend,
            "macs": self.manifest.macs,
            **self.image.sizes.model_dump(),
            "arena_lower_bound": self.manifest.arena_lower_bound,
            "stack_chain": [{"function": name, "bytes": size} for name, size in self.image.stack.chain],
            "fits": self.image.fits,
            "problems": list(self.image.problems),
        }


@contextmanager
def compiled_network(
    model: Path,
    board: Board,
    states: States = (),
    optimise: Optimise = "O2",
    step: bool = False,
    keep_inputs: bool = False,
    backend: Backend = "native",
    aim: Aim = "speed",
    flash_budget: int | None = None,
    signature: str | None = None,
) -> Iterator[Network]:
    """Compile, complete with the harness, and link for the board.

    Raises CompileError, ConstantsError, BuildError, StackError, BudgetError, and BackendError when the back end's
    library is missing.

    The inputs lie in the arena and a run writes over them, unless `keep_inputs` gives them memory of their own. `aim`
    says by what layers get their fast or small form; with "budget" that and the level of the compiler are chosen so
    that the image comes within `flash_budget` bytes, or within what the board has, see flash_budget.py.
    """
    limit = flash_limit(board, flash_budget)
    with tempfile.TemporaryDirectory(prefix="tinyloc-network-") as name:
        work = Path(name).resolve()
        if signature is not None:
            model = _chosen(model, signature, work)
        library = find_cmsis_nn() if backend == "cmsis_nn" else None

        def build(forms: FormOptions) -> Attempt:
            place = Path(tempfile.mkdtemp(dir=work))
            generated = place / "generated"

            def compiled(arena: ArenaOptions) -> GraphManifest:
                flash = board.region("flash").size
                try:
                    return compile_tflite(
                        model, generated, states, step=step, arena=arena, library=library, forms=forms,
                        most_constants=MEASURED_UP_TO * flash,
                    )  # fmt: skip
                except ConstantsError as error:
                    raise ConstantsError(
                        f"{error}: {board.title} has {flash:,} bytes of flash; use a smaller model or another board"
                    ) from error

            manifest = compiled(ArenaOptions(inputs_inside=not keep_inputs))
            banks = arena_banks(board, manifest)
            if banks is not None and manifest.arena_bytes > banks[0]:
                manifest = compiled(ArenaOptions(banks))
            add_harness(generated, manifest)
            (place / "build").mkdir()
            image = build_network(generated, board, place / "build", forms.level, extras_of(manifest, board))
            return Attempt(forms, manifest, image, generated)

        if aim == "budget":
            made = within_budget(build, board.core, limit)
        else:
            made = build(FormOptions(aim, board.core, optimise))
        image = made.image if flash_budget is None else checked(made.image, limit)
        yield Network(
            model, board, made.forms.level, states, made.generated, made.manifest, image, step, backend, aim,
            limit if flash_budget is not None or aim == "budget" else None,
        )  # fmt: skip


def _chosen(model: Path, signature: str, work: Path) -> Path:
    """A copy of the file that has the chosen signature only."""
    (work / "chosen").mkdir()
    copy = work / "chosen" / model.name
    try:
        copy.write_bytes(with_signature(model.read_bytes(), signature))
    except OSError as error:
        raise NetworkError(f"{model}: cannot be read: {error.strerror}") from error
    except UnknownSignature as error:
        raise NetworkError(f"{model}: {error}") from error
    except (struct.error, IndexError, TypeError, ValueError) as error:
        raise NetworkError(f"{model}: damaged flatbuffer ({error}); export the model again") from error
    return copy


def arena_banks(board: Board, manifest: GraphManifest) -> tuple[int, int] | None:
    """Bytes that an arena may take of each of two banks of RAM: all of the second one, where the linker script puts it,
    and what stack, inputs, outputs and states leave of the first. None for a board with one block of RAM."""
    if len(board.ram) != 2:
        return None
    first, second = board.ram
    buffers = sum(-(-a.size * np.dtype(a.element).itemsize // 4) * 4 for a in (*manifest.inputs, *manifest.outputs))
    left = first.size - board.build.stack_bytes - buffers - manifest.state_bytes - START_UP_RAM
    return second.size - POINTER, max(left, 0) // 4 * 4


def check_directory(out: Path) -> None:
    """Raises NetworkError when `out` holds anything but an earlier result of save_network."""
    if out.exists() and not out.is_dir():
        raise NetworkError(f"{out} is a file; give another output directory")
    if out.is_dir() and any(out.iterdir()) and not (out / "manifest.json").is_file():
        raise NetworkError(f"{out} holds other files than generated code; give another output directory")


def save_network(network: Network, out: Path) -> None:
    """Write the C files, the harness, the kernels, manifest.json and build.json into `out`, as a whole."""
    check_directory(out)
    with whole_directory(out) as directory:
        shutil.copytree(network.generated, directory, dirs_exist_ok=True)
        write_whole(directory / SIZES_FILE, json.dumps(network.figures(), indent=2) + "\n")


@dataclass(frozen=True)
class Comparison:
    """How many of `samples` a reference answers in the same bytes; `note` says why it was not asked.

    `binding`: a difference is a fault. LiteRT does not bind a library that rounds otherwise.
    """

    reference: str
    samples: int
    equal: int
    note: str = ""
    binding: bool = True


@dataclass(frozen=True)
class Answers:
    """Outputs of all samples in the form of the inputs, what the runs cost, and what references say."""

    outputs: list[Array]
    result: NetworkResult
    comparisons: tuple[Comparison, ...]
    waited: tuple[FlashTiming, list[RunCost]] | None = None
    """The measured samples again, with the flash's wait states; None where it has none."""

    @property
    def equal(self) -> bool:
        """All references that bind and were asked agree on every byte."""
        return all(c.equal == c.samples for c in self.comparisons if c.binding)


def read_samples(network: Network, given: Sequence[str], real: bool) -> Samples:
    """Samples from files; with `real` integer inputs are given as real numbers. Raises SampleError."""
    kinds, _ = read_borders(network.model, network.states)
    scaled = [a.scale is not None for a in network.manifest.inputs]
    types = ["real" if real and known else kind for kind, known in zip(kinds, scaled, strict=True)]
    return load_samples(given, network.manifest.inputs, types)


def answer(
    network: Network, samples: Samples, real: bool = False, measured: int = 1, wait_states: int | None = None
) -> Answers:
    """Run all samples on the emulated board and compare every byte with the references.

    real: outputs as float32 also where the model gives integers. `measured` samples have modelled cycles. wait_states:
    of the flash, the board's own by default; where there are any the measured samples run once more with them.
    Raises NetworkError when the image does not fit, EmulatorCrash.
    """
    if not network.image.fits:
        raise NetworkError("; ".join(network.image.problems))
    manifest = network.manifest
    given_types, kinds = read_borders(network.model, network.states)
    inputs = [
        [to_network(values, argument) for values, argument in zip(row, manifest.inputs, strict=True)]
        for row in samples.rows
    ]
    result = run_network(network.image.elf, network.board, manifest, inputs, measured)

    def outside(rows: Sequence[Sequence[Array]], types: Sequence[str]) -> list[list[Array]]:
        return [
            [from_network(v, a, kind) for v, a, kind in zip(row, manifest.outputs, types, strict=True)] for row in rows
        ]

    answers = outside(result.outputs, kinds)
    expected = numpy_outputs(network.model, inputs, network.states, network.step, network.backend)
    numpy = _equal("NumPy", expected, result.outputs)
    own = [
        [
            values if values.dtype == kind else from_network(integers, argument, kind)
            for values, integers, argument, kind in zip(row, numbers, manifest.inputs, given_types, strict=True)
        ]
        for row, numbers in zip(samples.rows, inputs, strict=True)
    ]
    comparisons = (numpy, replace(_outside(network, own, answers), binding=network.backend == "native"))
    if real:
        kinds = ["float32" if a.scale is not None else kind for a, kind in zip(manifest.outputs, kinds, strict=True)]
        answers = outside(result.outputs, kinds)
    return Answers(joined(answers, samples), result, comparisons, _waited(network, inputs[:measured], wait_states))


def _waited(
    network: Network, inputs: Sequence[Sequence[Array]], wait_states: int | None
) -> tuple[FlashTiming, list[RunCost]] | None:
    timing = timing_of(network.board, wait_states)
    if not timing.wait_states:
        return None
    result = run_network(network.image.elf, network.board, network.manifest, inputs, len(inputs), timing)
    return timing, result.costs


def _outside(network: Network, rows: Sequence[Sequence[Array]], answers: Sequence[Sequence[Array]]) -> Comparison:
    """What LiteRT says, or TFLM where it is the reference."""
    engine = engine_of(network.model, network.states)
    name = TITLES[engine]
    windowed = network.step and not read_tflite(network.model, network.states).states
    summed = any(operator.startswith("SUM #") for layer in network.manifest.layers for operator in layer.operators)
    if engine == "litert" and summed and not windowed:
        return Comparison(name, 0, 0, "not comparable: it reads the values of a SUM as uint8")
    try:
        if windowed:
            return _outside_window(network, engine, rows, answers)
        return _equal(name, outside_outputs(network.model, rows, network.states, engine), answers)
    except OutsideError as error:
        return Comparison(name, 0, 0, str(error))


def _outside_window(
    network: Network, engine: Engine, rows: Sequence[Sequence[Array]], answers: Sequence[Sequence[Array]]
) -> Comparison:
    """The first samples as a window of the file: its answers are those of the steps, or that of its last step."""
    windows = outside_window(network.model, rows, engine)
    if windows is None:
        return Comparison(TITLES[engine], 0, 0, "not compared: there are fewer samples than steps in the window")
    steps, expected = windows
    found = [[np.concatenate([row[i].ravel() for row in answers[:steps]]) for i in range(len(expected))]]
    return _equal(TITLES[engine], [expected], [[a.ravel()[-b.size :] for a, b in zip(found[0], expected, strict=True)]])


def _equal(name: str, expected: Sequence[Sequence[Array]], found: Sequence[Sequence[Array]]) -> Comparison:
    same = sum(
        all(np.array_equal(a.ravel(), b.ravel()) and a.dtype == b.dtype for a, b in zip(left, right, strict=True))
        for left, right in zip(expected, found, strict=True)
    )
    return Comparison(name, len(found), same)
