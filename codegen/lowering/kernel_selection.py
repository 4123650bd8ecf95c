"""Fast or small: which kernel does each layer, by the flash that there is.

A fast form has unrolled loops, packed weights or tables; a small form is a short loop, or computes what the other looks
up. Both give the same bytes. All layers start fast. While more bytes are to be saved, the step that saves most a cycle
is taken: one layer becomes small, or all layers of one kernel do, since a kernel stands once in the image for all of
them and only goes with the last. Steps that turn out not to be needed are taken back.

Bytes and cycles are estimates from form_costs.py, which was measured on single layers. Whether the image is within its
budget is measured when it is linked, see device/network/flash_budget.py.
"""

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from tinyloc.boards import Core
from tinyloc.codegen.graph import Graph
from tinyloc.codegen.layer_code import FormCost
from tinyloc.codegen.lowering.kernel_costs import kernel_costs
from tinyloc.codegen.operators.base import KernelRule
from tinyloc.codegen.semantics.operator_table import rule_of
from tinyloc.errors import counted

Aim = Literal["speed", "size", "budget"]
Level = Literal["O2", "Os"]
SMALL = {"form": "small"}


@dataclass(frozen=True)
class FormOptions:
    """What the choice is for. `save_bytes`: of a budget, how many bytes of flash the small forms are to save."""

    aim: Aim = "speed"
    core: Core = "cortex-m4f"
    level: Level = "O2"
    save_bytes: int = 0


ALL_FAST = FormOptions()
MOST_TIMES = 3
"""Without a budget to meet, small forms take no more than so many times the cycles of the fast ones."""


@dataclass(frozen=True)
class FormRecord:
    """The form of one layer, and why; cycles are an estimate."""

    form: Literal["fast", "small"]
    why: str
    cycles: int


@dataclass(frozen=True)
class _Layer:
    """A layer that has both forms."""

    at: int
    fast: FormCost
    small: FormCost


def apply_forms(
    graph: Graph, options: FormOptions, stay_fast: frozenset[int] = frozenset()
) -> tuple[Graph, dict[int, FormRecord]]:
    """The optimised graph with attribute `form` on layers that are small; a record for each layer with a choice.

    Keys are the layers' first output tensors; `stay_fast`: places of operators that have none. Deterministic.
    """
    layers = [layer for layer in _choices(graph) if layer.at not in stay_fast]
    small, saved = _chosen(layers, options)
    operators, records = list(graph.operators), {}
    for layer in layers:
        op = operators[layer.at]
        records[op.outputs[0]] = _record(layer, layer.at in small, saved, options)
        if layer.at in small:
            operators[layer.at] = dataclasses.replace(op, attributes={**op.attributes, **SMALL})
    return graph.with_operators(operators), records


def in_place_layers(graph: Graph) -> frozenset[int]:
    """Places of operators whose fast form writes over its input: a small form may need more RAM."""
    return frozenset(at for at, op in enumerate(graph.operators) if (rule := rule_of(graph, op)) is not None
                     and isinstance(rule, KernelRule) and rule.in_place(graph, op))  # fmt: skip


def plain_cycles(costs: Iterable[FormCost], options: FormOptions) -> int:
    """Estimate for plain kernels."""
    return sum(_cycles(cost, options) for cost in costs)


def _choices(graph: Graph) -> Iterator[_Layer]:
    for at, op in enumerate(graph.operators):
        rule = rule_of(graph, op)
        costs = rule.forms(graph, op) if isinstance(rule, KernelRule) else None
        if costs is not None:
            yield _Layer(at, *costs)


def _cycles(cost: FormCost, options: FormOptions) -> int:
    return round(cost.products * kernel_costs()[options.core][options.level][cost.kernel].cycles)


def _lost(layers: Iterable[_Layer], options: FormOptions) -> int:
    """Cycles that the small forms take beyond the fast ones."""
    return sum(max(_cycles(layer.small, options) - _cycles(layer.fast, options), 1) for layer in layers)


def _bytes(layers: Sequence[_Layer], small: frozenset[int], options: FormOptions) -> int:
    """Of kernels, each once, and of what single layers have for themselves."""
    costs = [layer.small if layer.at in small else layer.fast for layer in layers]
    kernels = kernel_costs()[options.core][options.level]
    functions = {name: size for cost in costs for name, size in kernels[cost.kernel].functions.items()}
    return sum(functions.values()) + sum(cost.own_bytes for cost in costs)


def _chosen(layers: Sequence[_Layer], options: FormOptions) -> tuple[frozenset[int], int]:
    """(places of the layers that are small, bytes that this saves)."""
    whole = _bytes(layers, frozenset(), options)
    wanted = {"speed": 0, "size": whole, "budget": options.save_bytes}[options.aim]
    small: frozenset[int] = frozenset()
    taken: list[frozenset[int]] = []

    def saved(places: frozenset[int]) -> int:
        return whole - _bytes(layers, places, options)

    def lost(step: frozenset[int]) -> int:
        return _lost((layer for layer in layers if layer.at in step), options)

    fast = sum(_cycles(layer.fast, options) for layer in layers)
    most = MOST_TIMES * fast if options.aim == "size" else float("inf")

    while saved(small) < wanted:
        steps = {step: saved(small | step) - saved(small) for step in _steps(layers, small)}
        step = max(
            (step for step, gain in steps.items() if gain > 0 and fast + lost(small | step) <= most),
            key=lambda step: (steps[step] / lost(step), -min(step)),
            default=None,
        )
        if step is None:
            break
        taken.append(step)
        small |= step
    for step in sorted(taken, key=lambda step: (-lost(step), min(step))):
        if saved(small - step) >= min(wanted, saved(small)) > 0:
            small -= step
    return small, saved(small)


def _steps(layers: Sequence[_Layer], small: frozenset[int]) -> Iterator[frozenset[int]]:
    """Layers that may become small together."""
    left = [layer for layer in layers if layer.at not in small]
    for layer in left:
        yield frozenset((layer.at,))
    for kernel in dict.fromkeys(layer.fast.kernel for layer in left):
        yield frozenset(layer.at for layer in left if layer.fast.kernel == kernel)


def _record(layer: _Layer, small: bool, saved: int, options: FormOptions) -> FormRecord:
    fast, slow = _cycles(layer.fast, options), _cycles(layer.small, options)
    if small:
        aim = "as small as can be" if options.aim == "size" else f"to save {counted(options.save_bytes, 'byte')}"
        return FormRecord(
            "small",
            f"{layer.small.kernel} in place of {layer.fast.kernel}, {aim}: about {slow:,} cycles in place of {fast:,} "
            f"(estimates); all small forms together save about {counted(saved, 'byte')}",
            slow,
        )
    why = {
        "speed": "speed was asked for",
        "size": "the small form would save nothing",
        "budget": "there is room for it" if options.save_bytes <= saved else "the small form would save nothing",
    }[options.aim]
    return FormRecord("fast", f"{layer.fast.kernel}: {why}; about {fast:,} cycles (estimate)", fast)
