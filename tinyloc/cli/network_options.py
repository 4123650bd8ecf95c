"""Options of a plain network and the lines about its footprint, which `tinyloc compile` and `tinyloc run` share."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from tinyloc.cli import complete
from tinyloc.cli.choices import AimChoice, NetworkBackendChoice
from tinyloc.cli.console import quiet
from tinyloc.cli.options import BOARD_HELP
from tinyloc.errors import UserError, counted

if TYPE_CHECKING:
    from tinyloc.device.network.run_network import Network

ModelArgument = Annotated[Path, typer.Argument(metavar="MODEL.tflite", help="A quantised TFLite file, int8 or 16x8.")]
BoardName = Annotated[
    str,
    typer.Option(
        "--board",
        help=f"{BOARD_HELP} cortex-m4 and cortex-m3 are virtual boards with large memories.",
        autocompletion=complete.boards,
    ),
]
StateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--state",
        metavar="INPUT=OUTPUT",
        help="Keep this output (name or number) as this input of the next run; once per state.",
    ),
]
SignatureOption = Annotated[
    str | None, typer.Option("--signature", help="Signature to compile, for a file with several signatures.")
]
StepOption = Annotated[
    bool,
    typer.Option("--step", help="Compile an LSTM over a window as one step per run; the state stays between runs."),
]
AimOption = Annotated[
    AimChoice,
    typer.Option(
        "--optimise",
        help="budget: the fastest kernels that fit the flash; speed; size; O2 or Os: the fastest kernels, compiled at "
        "this level.",
    ),
]
FlashBudgetOption = Annotated[
    int | None,
    typer.Option("--flash-budget", help="Flash budget of the image in bytes. Default: the flash of the board."),
]

KeepInputsOption = Annotated[
    bool, typer.Option("--keep-inputs", help="Keep inputs outside the arena, so that a run does not overwrite them.")
]

KernelsOption = Annotated[
    NetworkBackendChoice,
    typer.Option("--backend", help="Kernels to run: native, or cmsis_nn for the operators that it has."),
]


class OptionError(UserError):
    """An option with an impossible value."""


def state_pairs(given: Sequence[str] | None) -> list[tuple[str, str]]:
    """Split each --state into input tensor and output tensor. Raises OptionError."""
    pairs = []
    for text in given or []:
        before, equals, after = text.partition("=")
        if not equals or not before or not after:
            raise OptionError(f"--state {text!r}: give INPUT=OUTPUT, the names of an input and an output tensor")
        pairs.append((before, after))
    return pairs


AIMS: dict[AimChoice, tuple[Literal["Os", "O2"], Literal["speed", "size", "budget"]]] = {
    AimChoice.BUDGET: ("O2", "budget"),
    AimChoice.SPEED: ("O2", "speed"),
    AimChoice.SIZE: ("Os", "size"),
    AimChoice.O2: ("O2", "speed"),
    AimChoice.OS: ("Os", "speed"),
}
"""--optimise -> level of the C compiler, and the aim that chooses kernels."""
KERNELS: dict[NetworkBackendChoice, Literal["native", "cmsis_nn"]] = {
    NetworkBackendChoice.NATIVE: "native",
    NetworkBackendChoice.CMSIS_NN: "cmsis_nn",
}


def network_of(
    model: Path,
    board: str,
    *,
    state: Sequence[str] | None,
    step: bool,
    keep_inputs: bool,
    optimise: AimChoice,
    flash_budget: int | None,
    backend: NetworkBackendChoice,
    signature: str | None = None,
) -> AbstractContextManager["Network"]:
    """Compile the network with these options. Raises OptionError and the errors of compiled_network."""
    from tinyloc.boards import load_board
    from tinyloc.device.network.run_network import compiled_network

    found, pairs = load_board(board), state_pairs(state)
    level, aim = AIMS[optimise]
    return compiled_network(
        model, found, pairs, level, step, keep_inputs, KERNELS[backend], aim, flash_budget, signature
    )


def print_sizes(network: "Network", err: bool = False, layer_cycles: Mapping[str, float] | None = None) -> None:
    """Print the footprint of the network, its slow layers, and whether it fits its board; with --quiet only the last.

    layer_cycles: measured cycles of layers; estimates by default.
    """
    sizes, board = network.image.sizes, network.board
    lines = [
        f"flash {sizes.image_flash_bytes:,} bytes: code {sizes.code_bytes:,}, constants {sizes.constant_bytes:,}, "
        f"start-up {sizes.image_flash_bytes - sizes.code_bytes - sizes.constant_bytes:,}",
        f"RAM {sizes.image_ram_bytes:,} bytes: arena {sizes.arena_bytes:,} (lower bound "
        f"{network.manifest.arena_lower_bound:,}), static {sizes.static_bytes:,} (inputs and outputs "
        f"{sizes.io_bytes:,}, state {sizes.state_bytes:,}), stack at most {sizes.stack_bound_bytes:,}",
    ]
    if network.small_layers:
        small = counted(len(network.small_layers), "layer")
        lines.append(f"{small} in small form, compiled with -{network.optimise}; manifest.json gives the reasons")
    lines += [f"note: {note}" for note in network.manifest.notes]
    lines += [f"slow layer: {line}" for line in network.cliffs(layer_cycles)]
    lines.append(f"{network.manifest.macs:,} MACs in {counted(len(network.manifest.layers), 'layer')}")
    if not quiet():
        typer.echo("\n".join(lines), err=err)
    typer.echo("\n".join([f"fits {board.title}"] if network.image.fits else network.image.problems), err=err)
