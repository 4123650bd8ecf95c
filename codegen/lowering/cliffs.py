"""Layers that take much longer than their kind usually does: which, why, and what would help.

A kind's usual cycles per product are those of its fast kernel on typical layers, from kernel_costs.json.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tinyloc.boards import Core
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Lowered
from tinyloc.codegen.lowering.kernel_costs import kernel_costs
from tinyloc.codegen.lowering.kernel_selection import Level

TIMES = 2.0
"""Layers that take more than so many times what is usual are reported."""
USUAL = {
    "CONV_2D": "conv_blocks",
    "DEPTHWISE_CONV_2D": "depthwise_rows",
    "FULLY_CONNECTED": "fully_connected",
    "TRANSPOSE_CONV": "conv_parts",
}
ADVICE = {
    "a factor of 1/2 or more": "give the layer's output a larger range: calibrate with more samples",
    "a factor outside 2^-18 to 1/2": "calibrate with more samples, or use int8",
    "sums of 2^30 and more": "prune the channel, or train it with a scale of batch normalisation above 0",
    "sums beyond 32 bits": "use a smaller kernel or int8",
    "a weight of -128": "quantise weights to -127..127 (narrow range)",
    "a bias of 32 bits": "convert with a bias of 64 bits",
}
"""By the reasons of kernel_forms/blocks.py."""


@dataclass(frozen=True)
class Measured:
    """A layer as a manifest or an evaluation has it; cycles per sample, None where unknown."""

    name: str
    operators: Sequence[str]
    macs: int
    usual_kernel: str | None
    form_why: str
    hints: Sequence[str]
    cycles: float | None


def usual_kernel(graph: Graph, op: Operator) -> str | None:
    """The kernel that layers of this kind usually take, a key of kernel_costs.json."""
    if op.kind not in USUAL:
        return None
    element = graph.tensors[op.outputs[0]].element
    return f"{USUAL[op.kind]}_{'s8' if element == 'int8' else 's16'}"


def hints(graph: Graph, op: Operator, lowered: Lowered, small: bool) -> list[str]:
    """What makes a layer slow, each with what would help."""
    found = [f"{reason}: {advice}" for reason, advice in ADVICE.items() if reason in lowered.note]
    if small:
        found.append("small form: give the image more flash, or compile with `--optimise speed`")
    if op.kind not in USUAL:
        return found
    y, w = graph.tensors[op.outputs[0]], graph.tensors[op.inputs[1]]
    if op.kind == "FULLY_CONNECTED":
        if w.shape[-1] % 4:
            found.append(f"rows of {w.shape[-1]} weights end within a word: use a multiple of 4 inputs")
        if w.shape[0] < 4:
            found.append(f"{w.shape[0]} outputs fill no block of 4: use 4 or more")
        return found
    places, channels = y.shape[1] * y.shape[2], y.shape[3]
    if op.kind == "DEPTHWISE_CONV_2D":
        if channels % 4:
            found.append(f"{channels} channels fill no groups of 4: use a multiple of 4")
        if places < 4:
            found.append(f"an image of {places} pixels: its outputs are few for what a channel costs to begin")
        return found
    depth = w.shape[3]
    if places % 4 and places < 8:
        found.append(f"{places} places fill blocks of 4 in part: of a single pixel, use FULLY_CONNECTED")
    if depth % 4:
        found.append(f"{depth} channels in a group are no whole words: use a multiple of 4")
    if w.shape[1] * w.shape[2] * depth < 16:
        found.append(
            f"windows of {w.shape[1] * w.shape[2] * depth} products: scaling an output costs more than its sum"
        )
    if channels % 2:
        found.append(f"{channels} output channels leave one alone: use an even number")
    return found


def why_of(lowered: Lowered, chosen: str) -> str:
    """Why a layer has the form that it has; `chosen`: the reason where there was a choice."""
    kernels = ", ".join(header.removesuffix(".h") for header in lowered.headers)
    return chosen or f"only form: {kernels or 'a loop'}"


def cliffs(layers: Iterable[Measured], core: Core, level: Level) -> list[str]:
    """A line for each layer of more than TIMES its kind's usual cycles per product, the slowest first."""
    usual: Mapping[str, float] = {name: cost.cycles for name, cost in kernel_costs()[core][level].items()}
    found = []
    for layer in layers:
        if not layer.cycles or not layer.macs or layer.usual_kernel is None:
            continue
        spent, common = layer.cycles / layer.macs, usual[layer.usual_kernel]
        if spent > TIMES * common:
            because = "; ".join(layer.hints) or layer.form_why
            line = (
                f"{layer.name} ({', '.join(layer.operators)}): {spent:.1f} cycles per MAC, its kind usually takes "
                f"{common:.1f}: {because}"
            )
            found.append((layer.cycles - common * layer.macs, line))
    return [line for _, line in sorted(found, key=lambda pair: -pair[0])]
