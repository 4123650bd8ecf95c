"""`tinyloc run`: a user's own .tflite on an emulated board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyloc.cli.choices import AimChoice, NetworkBackendChoice
from tinyloc.cli.console import say
from tinyloc.cli.network_options import (
    AimOption,
    BoardName,
    FlashBudgetOption,
    KeepInputsOption,
    KernelsOption,
    ModelArgument,
    SignatureOption,
    StateOption,
    StepOption,
    network_of,
    print_sizes,
)
from tinyloc.cli.outputs import JsonOption, checked_outputs, write_json, write_output

if TYPE_CHECKING:
    from tinyloc.device.network.run_network import Answers, Comparison, Network


def run(
    model: ModelArgument,
    board: BoardName,
    given: Annotated[
        list[str],
        typer.Option("--input", metavar="X.npy", help="Samples: once per input (NAME=X.npy, 0=X.npy), or one .npz."),
    ],
    output: Annotated[
        list[Path],
        typer.Option(
            "--output",
            metavar="Y.npy",
            help="File for the answers: once per output, or one .npz; - is standard output.",
            callback=checked_outputs,
        ),
    ],
    real: Annotated[
        bool, typer.Option("--float", help="Read and write real numbers; quantise inputs and dequantise outputs.")
    ] = False,
    state: StateOption = None,
    step: StepOption = False,
    signature: SignatureOption = None,
    keep_inputs: KeepInputsOption = False,
    measured: Annotated[
        int, typer.Option("--measured", min=1, help="Number of samples whose cycles are modelled.")
    ] = 1,
    wait_states: Annotated[
        int | None,
        typer.Option("--wait-states", min=0, max=15, help="Wait states of a flash read; by default the board's own."),
    ] = None,
    optimise: AimOption = AimChoice.BUDGET,
    flash_budget: FlashBudgetOption = None,
    backend: KernelsOption = NetworkBackendChoice.NATIVE,
    json: JsonOption = None,
) -> None:
    """Run a quantised .tflite on an emulated board. Exit code 1: it does not fit, crashes, or answers differ."""
    from tinyloc.codegen.frontend.samples import check_targets, save_outputs
    from tinyloc.device.emulator.crash import EmulatorCrash
    from tinyloc.device.network.run_network import answer, read_samples

    with network_of(
        model, board, state=state, step=step, keep_inputs=keep_inputs, optimise=optimise, flash_budget=flash_budget,
        backend=backend, signature=signature,
    ) as network:  # fmt: skip
        samples = read_samples(network, given, real)
        check_targets(output, network.manifest.outputs)
        if not network.image.fits:
            write_json(json, network.figures())
            print_sizes(network, err=True)
            raise typer.Exit(1)
        try:
            answers = answer(network, samples, real, measured, wait_states)
        except EmulatorCrash as crash:  # what the network did is the result
            typer.echo(str(crash), err=True)
            raise typer.Exit(1) from crash
        save_outputs(output, network.manifest.outputs, answers.outputs, write_output)
        write_json(json, figures(network, answers, len(samples.rows)))
        print_sizes(network, layer_cycles=layer_cycles(answers))
        say(cost_line(network, answers))
        if (line := waited_line(network, answers)) is not None:
            say(line)
        for comparison in answers.comparisons:
            typer.echo(f"{comparison.reference}: {comparison_text(comparison)}")
        if not answers.equal:
            raise typer.Exit(1)


def layer_cycles(answers: "Answers") -> dict[str, float]:
    """Modelled cycles of each function of the first measured sample."""
    return {f.name: f.inclusive_cycles for f in answers.result.costs[0].functions}


def figures(network: "Network", answers: "Answers", samples: int) -> dict[str, Any]:
    """Make the JSON of a run; cycles and instructions are the median of the measured samples."""
    from statistics import median

    costs, macs = answers.result.costs, network.manifest.macs
    cycles = median(cost.cycles for cost in costs)
    names = {layer.name: layer for layer in network.manifest.layers}
    layers = [
        {
            "name": f.name,
            "operators": names[f.name].operators if f.name in names else [],
            "macs": names[f.name].macs if f.name in names else 0,
            "cycles": f.inclusive_cycles,
        }
        for f in costs[0].functions
        if f.name in names
    ]
    return {
        **network.figures(),
        "slow_layers": network.cliffs(layer_cycles(answers)),
        "samples": samples,
        "measured_samples": len(costs),
        "cycles": cycles,
        "instructions": median(cost.instructions for cost in costs),
        "cycles_per_mac": cycles / macs if macs else None,
        "milliseconds": cycles / network.board.clock.hz * 1e3,
        "waited": None
        if answers.waited is None
        else {
            "wait_states": answers.waited[0].wait_states,
            "cycles": median(cost.waited_cycles for cost in answers.waited[1]),
        },
        "stack_bytes": answers.result.stack_bytes,
        "equal_to_reference": answers.equal,
        "references": [
            {"name": c.reference, "samples": c.samples, "equal": c.equal, "note": c.note} for c in answers.comparisons
        ],
        "layers": layers,
    }


def cost_line(network: "Network", answers: "Answers") -> str:
    """Describe cycles, time and stack of the first measured sample."""
    cost = answers.result.costs[0]
    return (
        f"{cost.cycles:,} cycles and {cost.instructions:,} instructions per sample, modelled without wait states; "
        f"{cost.cycles / network.board.clock.hz * 1e3:.3f} ms at {network.board.clock.hz / 1e6:g} MHz; "
        f"{answers.result.stack_bytes:,} bytes of stack used"
    )


def waited_line(network: "Network", answers: "Answers") -> str | None:
    """Describe the cycles of the first measured sample with the flash's wait states; None where it has none."""
    if answers.waited is None:
        return None
    timing, costs = answers.waited
    hz = network.board.clock.hz
    cycles = costs[0].waited_cycles
    return f"{cycles:,} cycles with {timing.text}; {cycles / hz * 1e3:.3f} ms at {hz / 1e6:g} MHz"


def comparison_text(comparison: "Comparison") -> str:
    """Say how many samples equal a reference."""
    return comparison.note or f"{comparison.equal:,} of {comparison.samples:,} samples equal on every byte"
