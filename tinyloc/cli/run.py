"""`tinyloc run`: a user's own .tflite on an emulated board."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from tinyloc.cli.layout import JsonOption, write_json
from tinyloc.cli.network_options import (
    BoardName,
    FlashBudgetOption,
    KeepInputsOption,
    KernelsOption,
    ModelArgument,
    OptimiseOption,
    StateOption,
    StepOption,
    network_of,
    sizes_lines,
)

if TYPE_CHECKING:
    from tinyloc.device.network.run_network import Answers, Network


def run(
    model: ModelArgument,
    board: BoardName,
    given: Annotated[
        list[str],
        typer.Option("--input", metavar="X.npy", help="Samples; once for each input (NAME=X.npy), or one .npz."),
    ],
    output: Annotated[
        list[Path], typer.Option("--output", metavar="Y.npy", help="Answers; once for each output, or one .npz.")
    ],
    real: Annotated[
        bool, typer.Option("--float", help="Inputs and outputs are real numbers where the model has integers.")
    ] = False,
    state: StateOption = None,
    step: StepOption = False,
    keep_inputs: KeepInputsOption = False,
    measured: Annotated[int, typer.Option("--measured", min=1, help="Samples whose cycles are modelled.")] = 1,
    optimise: OptimiseOption = "budget",
    flash_budget: FlashBudgetOption = None,
    backend: KernelsOption = "native",
    json: JsonOption = None,
) -> None:
    """Run a quantised .tflite on an emulated board. Exit code 1: it does not fit, crashes, or answers otherwise."""
    from tinyloc.codegen.frontend.samples import check_targets, save_outputs
    from tinyloc.device.emulator.crash import EmulatorCrash
    from tinyloc.device.network.run_network import answer, read_samples

    with network_of(
        model, board, state=state, step=step, keep_inputs=keep_inputs, optimise=optimise, flash_budget=flash_budget,
        backend=backend,
    ) as network:  # fmt: skip
        samples = read_samples(network, given, real)
        check_targets(output, network.manifest.outputs)
        lines = list(sizes_lines(network))
        if not network.image.fits:
            write_json(json, network.figures())
            typer.echo("\n".join(lines), err=True)
            raise typer.Exit(1)
        try:
            answers = answer(network, samples, real, measured)
        except EmulatorCrash as crash:  # what the network did is the result
            typer.echo(str(crash), err=True)
            raise typer.Exit(1) from crash
        save_outputs(output, network.manifest.outputs, answers.outputs)
        write_json(json, figures(network, answers, len(samples.rows)))
        typer.echo("\n".join([*lines, *answer_lines(network, answers)]))
        if not answers.equal:
            raise typer.Exit(1)


def figures(network: "Network", answers: "Answers", samples: int) -> dict[str, Any]:
    """The JSON of a run: cycles and instructions are the median of the measured samples."""
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
        "samples": samples,
        "measured_samples": len(costs),
        "cycles": cycles,
        "instructions": median(cost.instructions for cost in costs),
        "cycles_per_mac": cycles / macs if macs else None,
        "milliseconds": cycles / network.board.clock.hz * 1e3,
        "stack_bytes": answers.result.stack_bytes,
        "equal_to_reference": answers.equal,
        "references": [
            {"name": c.reference, "samples": c.samples, "equal": c.equal, "note": c.note} for c in answers.comparisons
        ],
        "layers": layers,
    }


def answer_lines(network: "Network", answers: "Answers") -> list[str]:
    """Cycles, and what the references say."""
    cost = answers.result.costs[0]
    lines = [
        f"{cost.cycles:,} cycles and {cost.instructions:,} instructions a sample, modelled without wait states; "
        f"{cost.cycles / network.board.clock.hz * 1e3:.3f} ms at {network.board.clock.hz / 1e6:g} MHz; "
        f"{answers.result.stack_bytes:,} bytes of stack used"
    ]
    for c in answers.comparisons:
        lines.append(f"{c.reference}: {c.note or f'{c.equal:,} of {c.samples:,} samples equal on every byte'}")
    return lines
