"""What `tinyloc compile` and `tinyloc run` share: options of a plain network, and the lines that tell its sizes."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tinyloc.errors import UserError, counted

if TYPE_CHECKING:
    from tinyloc.device.network.run_network import Network

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="A quantised TFLite file, int8 or 16x8.")]
BoardName = Annotated[
    str, typer.Option("--board", help="Board; `tinyloc board list` names them. cortex-m4 and cortex-m3 are large.")
]
StateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--state", metavar="INPUT=OUTPUT", help="Tensors that one run leaves for the next; once for each state."
    ),
]
StepOption = Annotated[
    bool, typer.Option("--step", help="One step of an LSTM network over a window: a sample a run, states carried.")
]
OptimiseOption = Annotated[
    str,
    typer.Option(
        "--optimise",
        help="budget: the fastest that fits; speed; size; or O2 or Os of the C compiler, with the fastest kernels.",
    ),
]
FlashBudgetOption = Annotated[
    int | None,
    typer.Option("--flash-budget", help="Bytes of flash that the image may take; without it what the board has."),
]

KeepInputsOption = Annotated[
    bool, typer.Option("--keep-inputs", help="Inputs outside of the arena; else a run writes over them.")
]

KernelsOption = Annotated[
    str, typer.Option("--backend", help="Whose kernels run: native, or cmsis_nn where it has the operator.")
]


class OptionError(UserError):
    """An option whose value cannot be."""


def state_pairs(given: Sequence[str] | None) -> list[tuple[str, str]]:
    """(input tensor, output tensor) of each --state. Raises OptionError."""
    pairs = []
    for text in given or []:
        before, equals, after = text.partition("=")
        if not equals or not before or not after:
            raise OptionError(f"--state {text!r}: give INPUT=OUTPUT, names of an input and an output tensor")
        pairs.append((before, after))
    return pairs


def optimise_choice(given: str) -> tuple[Literal["Os", "O2"], Literal["speed", "size", "budget"]]:
    """--optimise, checked: (level of the C compiler, by what kernels are chosen). Raises OptionError."""
    if given == "budget":
        return "O2", "budget"
    if given in ("speed", "O2"):
        return "O2", "speed"
    if given == "size":
        return "Os", "size"
    if given == "Os":
        return "Os", "speed"
    raise OptionError(f"--optimise {given!r}: there are budget, speed, size, O2 and Os")


def network_backend(given: str) -> Literal["native", "cmsis_nn"]:
    """--backend, checked. Raises OptionError."""
    if given == "native":
        return "native"
    if given == "cmsis_nn":
        return "cmsis_nn"
    raise OptionError(
        f"--backend {given!r}: there are native and cmsis_nn; a run can be built with tflm too, see docs/backends.md"
    )


def network_of(
    model: Path,
    board: str,
    *,
    state: Sequence[str] | None,
    step: bool,
    keep_inputs: bool,
    optimise: str,
    flash_budget: int | None,
    backend: str,
) -> AbstractContextManager["Network"]:
    """The compiled network of these options. Raises OptionError and what compiled_network raises."""
    from tinyloc.boards import load_board
    from tinyloc.device.network.run_network import compiled_network

    found, pairs, kernels = load_board(board), state_pairs(state), network_backend(backend)
    level, aim = optimise_choice(optimise)
    return compiled_network(model, found, pairs, level, step, keep_inputs, kernels, aim, flash_budget)


def sizes_lines(network: "Network") -> Iterator[str]:
    """What the network takes of its board, and whether it fits."""
    sizes, board = network.image.sizes, network.board
    yield (
        f"flash {sizes.image_flash_bytes:,} bytes: code {sizes.code_bytes:,}, constants {sizes.constant_bytes:,}, "
        f"start-up {sizes.image_flash_bytes - sizes.code_bytes - sizes.constant_bytes:,}"
    )
    yield (
        f"RAM {sizes.image_ram_bytes:,} bytes: arena {sizes.arena_bytes:,} (lower bound "
        f"{network.manifest.arena_lower_bound:,}), static {sizes.static_bytes:,} (inputs and outputs "
        f"{sizes.io_bytes:,}, state {sizes.state_bytes:,}), stack at most {sizes.stack_bound_bytes:,}"
    )
    if network.small_layers:
        small, level = len(network.small_layers), network.optimise
        yield f"{counted(small, 'layer')} in small form, compiled with -{level}: manifest.json says why"
    for note in network.manifest.notes:
        yield f"note: {note}"
    yield f"{network.manifest.macs:,} MACs in {len(network.manifest.layers)} layers"
    if network.image.fits:
        yield f"fits {board.title}"
    for problem in network.image.problems:
        yield f"{problem}"
