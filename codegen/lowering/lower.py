"""An optimised graph as C functions: one a layer, their calls in order, and what ends a step."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import OutsideProgramError, in_data_mode, lift, require
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.lowering.cliffs import hints, usual_kernel, why_of
from tinyloc.codegen.lowering.kernel_selection import (
    ALL_FAST,
    FormOptions,
    FormRecord,
    apply_forms,
    in_place_layers,
    plain_cycles,
)
from tinyloc.codegen.lowering.loop_text import lower_loop
from tinyloc.codegen.lowering.sharing import share_constants
from tinyloc.codegen.lowering.tensor_placement import DEFAULT_ARENA, ArenaOptions, Storage, assign_storage, state_names
from tinyloc.codegen.lowering.value_names import Value, arena_values, declarations, memory_plan, part_of, scratch_values
from tinyloc.codegen.manifest import LayerRecord, PlannedBuffer, StateRecord
from tinyloc.codegen.operators.base import KernelRule, operand_names
from tinyloc.codegen.operators.loop import Loop
from tinyloc.codegen.passes import Pass, optimise
from tinyloc.codegen.semantics.operator_table import rule_of

OF_DATA = frozenset(
    (
        *("BATCH_MATMUL", "CONCATENATION", "COPY", "FULLY_CONNECTED", "JOIN", "PACK", "RING_ADVANCE", "RING_CONV"),
        *("RING_ORDER", "RING_READ", "RING_WRITE", "SELECTIVE_SCAN", "SOFTMAX", "CONV_2D", "DEPTHWISE_CONV_2D"),
        *("AVERAGE_POOL_2D", "MAX_POOL_2D"),
    )
)
"""Layers beside LOOP whose code holds no number of the model in data mode."""
ELEMENTS_OF_DATA = frozenset(
    (
        *("ADD", "SUB", "MUL", "TABLE", "QUANTIZE", "CAST", "ABS", "RELU", "RELU6", "RELU_N1_TO_1", "LOGISTIC", "TANH"),
        *("EXP", "LOG", "ELU", "GELU", "RSQRT", "BATCH_MATMUL", "RESHAPE", "SQUEEZE", "EXPAND_DIMS"),
    )
)
"""The same inside a LOOP."""
NO_FORM = (
    "no form with its numbers as data; write it with the operators that docs/concepts/update.md lists (an LSTM as its "
    "gates), or leave --updatable out and update whole images"
)
_RARE = ("tl_max(", "tl_min(", "tl_square(")  # functions of tl_scalar.h


@dataclass(frozen=True)
class Layer:
    """One function of model.c and its call."""

    name: str
    comment: str
    parameters: str
    lines: tuple[str, ...]
    call: str
    lowered: Lowered
    operators: tuple[str, ...]
    form: FormRecord | None = None
    """Of a layer that has a fast and a small form."""
    cycles: int | None = None
    """Estimate where there is one: of the form, and of plain kernels."""
    usual_kernel: str | None = None
    hints: tuple[str, ...] = ()
    data: bool = False
    """Whether it reads constants through `tl_k`."""


@dataclass(frozen=True)
class Program:
    """`graph` is the optimised one; `decisions` are lines for the manifest."""

    graph: Graph
    storage: Storage
    layers: tuple[Layer, ...]
    decisions: tuple[str, ...]
    values: Mapping[int, Value]
    """Of tensors in the arena."""

    @property
    def sparse(self) -> bool:
        """Whether the first layer walks a list of heard inputs."""
        return any(op.attributes.get("sparse") for op in self.storage.layers)

    @property
    def constants(self) -> list[Constant]:
        """Arrays of weights.c; layers that name the same one share it."""
        found: dict[str, Constant] = {}
        for layer in self.layers:
            for constant in layer.lowered.constants:
                found.setdefault(constant.name, constant)
        for source, _ in self.storage.copies:  # an output that depends on no input
            data, place = self.graph.tensors[source].data, self.storage.places[source]
            if data is not None:
                element = self.graph.tensors[source].element
                found[place.name] = Constant(place.name, f"{element}_t", data.ravel(), self.graph.tensors[source].name)
        names = state_names(self.graph)
        for before, _ in self.graph.states:
            values, name = self.graph.start(before), f"tl_start_{names[before]}"
            if in_data_mode() and _is_even(values):
                values = values.ravel()[:1]
            if in_data_mode() or not _is_even(values):
                ctype, comment = f"{values.dtype}_t", f"state {names[before]} at the start of a sequence"
                found[name] = Constant(name, ctype, values.ravel(), comment)
        return list(found.values())

    @property
    def states(self) -> list[dict[str, Any]]:
        """Members of the state struct, for templates."""
        names = state_names(self.graph)
        tensors = self.graph.tensors
        starts = {before: _start_text(names[before], self.graph.start(before)) for before, _ in self.graph.states}
        return [
            {
                "name": names[before],
                "element": tensors[before].element,
                "size": tensors[before].size,
                "shape": list(tensors[before].shape),
                "start": starts[before],
                "data": in_data_mode(),
                "fill": in_data_mode() and _is_even(self.graph.start(before)),
                "bytes": tensors[before].bytes,
            }
            for before, _ in self.graph.states
        ]

    @property
    def headers(self) -> list[str]:
        """Kernel headers, sorted."""
        headers = {h for layer in self.layers for h in layer.lowered.headers} | {"tl_fixed.h"}
        if self.storage.copies:
            headers.add("tl_copy.h")
        if any(name in line for layer in self.layers for line in layer.lines for name in _RARE):
            headers.add("tl_scalar.h")
        return sorted(headers)

    @property
    def calls(self) -> list[str]:
        """Statements of a step: the layers, then the copies that keep states and outputs."""
        lines = [layer.call for layer in self.layers]
        for source, target in self.storage.copies:
            lines.append(f"tl_copy({target}, {self.pointer(source)}, {self.graph.tensors[source].bytes});")
        return lines

    def pointer(self, tensor: int) -> str:
        """C expression of a tensor's first element, of its element type: inside the arena, the name of its value."""
        return pointer(self.graph, self.storage, self.values, tensor)

    @property
    def declarations(self) -> list[str]:
        """Declarations of what the calls name in the arena."""
        return declarations([*self.values.values(), *scratch_values(self.storage).values()], " ".join(self.calls))

    @property
    def memory_plan(self) -> list[str]:
        """The arena as a table for a comment."""
        return memory_plan(self.graph, self.storage, [layer.name for layer in self.layers])

    def figures(self) -> dict[str, Any]:
        """What every kind of manifest says of the program."""
        states = self.states
        notes = [f"{layer.name}: {layer.lowered.note}" for layer in self.layers if layer.lowered.note]
        plan = self.storage.plan
        return {
            "arena_bytes": plan.size,
            "arena_lower_bound": plan.lower_bound,
            "arena_split": plan.split,
            "state_bytes": sum(-(-int(s["bytes"]) // 4) * 4 for s in states),
            "constant_bytes": sum(c.bytes for c in self.constants),
            "macs": sum(layer.lowered.macs for layer in self.layers),
            "states": [
                StateRecord(name=s["name"], bytes=s["bytes"], element=s["element"], shape=s["shape"]) for s in states
            ],
            "layers": [
                LayerRecord(
                    name=layer.name,
                    operators=list(layer.operators),
                    macs=layer.lowered.macs,
                    constant_bytes=sum(c.bytes for c in layer.lowered.constants),
                    form=layer.form.form if layer.form else None,
                    form_why=why_of(layer.lowered, layer.form.why if layer.form else layer.lowered.note),
                    form_cycles=layer.cycles,
                    usual_kernel=layer.usual_kernel,
                    hints=list(layer.hints),
                )
                for layer in self.layers
            ],
            "plan": [
                PlannedBuffer(name=b.name, offset=offset, size=b.size, first=b.first, last=b.last)
                for b, offset in zip(plan.lifetimes, plan.offsets, strict=True)
            ],
            "plan_steps": [*(layer.name for layer in self.layers), "keep states"],
            "decisions": [*self.decisions, *self.storage.decisions, *notes],
        }


def _is_even(values: Array) -> bool:
    """Whether all values are the same."""
    return bool((values == values.flat[0]).all())


def _start_text(name: str, values: Array) -> int | str:
    """How a state starts: one value, or the name of a constant."""
    return int(values.flat[0]) if _is_even(values) and not in_data_mode() else f"tl_start_{name}"


def make_program(
    graph: Graph,
    inputs: Sequence[str],
    outputs: Sequence[str],
    sparse_input: bool = False,
    use_library: Pass | None = None,
    arena: ArenaOptions = DEFAULT_ARENA,
    forms: FormOptions = ALL_FAST,
) -> Program:
    """Optimise a checked graph, place its tensors and lower its operators.

    inputs, outputs: C names of the arguments, one for each of graph.inputs and graph.outputs. `sparse_input` lets the
    first layer take a list of entries in place of its input; `use_library` is for optimise,
    `arena` for assign_storage, `forms` for apply_forms.
    """
    graph, decisions = optimise(graph, sparse_input=sparse_input, use_library=use_library)
    fast, (graph, chosen) = graph, apply_forms(graph, forms)
    storage = assign_storage(graph, inputs, outputs, arena)
    if any(record.form == "small" for record in chosen.values()):
        most = assign_storage(fast, inputs, outputs, arena).plan.size
        for keep in (in_place_layers(fast), frozenset(range(len(fast.operators)))):
            if storage.plan.size <= most:
                break
            graph, chosen = apply_forms(fast, forms, keep)
            storage = assign_storage(graph, inputs, outputs, arena)
    values = arena_values(graph, storage)
    layers = [
        _told(graph, op, layer, chosen.get(op.outputs[0]), forms)
        for layer, op in zip(_layers(graph, storage, values), storage.layers, strict=True)
    ]
    # in data mode equal arrays of this model need not be equal in the next
    shared, notes = (
        share_constants([layer.lowered for layer in layers])
        if not in_data_mode()
        else ([layer.lowered for layer in layers], [])
    )
    layers = [
        dataclasses.replace(layer, lines=_lines(lowered), lowered=lowered)
        for layer, lowered in zip(layers, shared, strict=True)
    ]
    return Program(graph, storage, tuple(layers), (*decisions, *notes), values)


def _told(graph: Graph, op: Operator, layer: Layer, form: FormRecord | None, options: FormOptions) -> Layer:
    """The layer with its form, and what a user is to know of its speed."""
    plain = plain_cycles(layer.lowered.costs, options)
    known = form is not None or layer.lowered.costs
    return dataclasses.replace(
        layer,
        form=form,
        cycles=(form.cycles if form is not None else 0) + plain if known else None,
        usual_kernel=usual_kernel(graph, op),
        hints=tuple(hints(graph, op, layer.lowered, form is not None and form.form == "small")),
    )


def _layers(graph: Graph, storage: Storage, values: Mapping[int, Value]) -> list[Layer]:
    """Raises CompileError with every layer that a program of data cannot honour."""
    layers, problems = [], []
    for number, op in enumerate(storage.layers):
        try:
            layers.append(_layer(graph, storage, values, number, op))
        except OutsideProgramError as error:
            problems.append(f"{', '.join(op.origin) or op.kind}: {error}")
    if problems:
        raise CompileError(f"{graph.name}, updatable", problems)
    return layers


def localiser_program(graph: Graph, sparse_input: bool, use_library: Pass | None = None) -> Program:
    """The program of a localiser's step, whose arguments have these names in every back end."""
    return make_program(graph, ["input"], ["scores"], sparse_input, use_library)


def pointer(graph: Graph, storage: Storage, values: Mapping[int, Value], tensor: int) -> str:
    """C expression of a tensor's first element, of its element type: inside the arena, the name of its value."""
    place = storage.places[tensor]
    if place.kind in ("arena", "upper"):
        return values[tensor].name
    base = f"state->{place.name}" if place.kind == "state" else place.name
    items = place.offset // BYTES[graph.tensors[tensor].element]
    return f"{base} + {items}" if items else base


def _with_data(lowered: Lowered, prefix: str) -> Lowered:
    """In data mode the layer's numbers are an array of its own."""
    statements, numbers = lift(lowered.statements, f"{prefix}_numbers")
    if not numbers:
        return dataclasses.replace(lowered, statements=statements)
    own = Constant(f"{prefix}_numbers", "int32_t", np.array(numbers, np.int64), "scales, zero points and bounds")
    headers = (
        ("tl_data.h",)
        if any("of_data(" in line or "tl_scale(" in line or "tl_scale_halved(" in line for line in statements)
        else ()
    )
    return dataclasses.replace(
        lowered, statements=statements, constants=(*lowered.constants, own), headers=(*lowered.headers, *headers)
    )


def _lines(lowered: Lowered) -> tuple[str, ...]:
    return tuple(line for statement in lowered.statements for line in statement.split("\n"))


def _layer(graph: Graph, storage: Storage, values: Mapping[int, Value], number: int, op: Operator) -> Layer:
    rule = rule_of(graph, op)
    what = "loop" if op.kind == "LOOP" else op.kind.lower()
    prefix = f"layer_{number:02d}_{what}"
    sparse = bool(op.attributes.get("sparse"))
    names = operand_names(graph, op)
    outputs = {t: "y" if len(op.outputs) == 1 else f"y{i}" for i, t in enumerate(op.outputs)}
    if isinstance(rule, Loop):
        unported = {inner.kind for inner in op.attributes["body"]} - ELEMENTS_OF_DATA
        require(not in_data_mode() or not unported, f"{', '.join(sorted(unported))}: {NO_FORM}")
        lowered = lower_loop(graph, op, rule, prefix, {**names, **outputs})
    else:
        assert isinstance(rule, KernelRule), op.kind
        require(not in_data_mode() or op.kind in OF_DATA, f"{op.kind}: {NO_FORM}")
        lowered = rule.lower(graph, op, prefix)
    lowered = _with_data(lowered, prefix)
    parameters = ["const tl_entry_t *entries, uint16_t count"] if sparse else []
    arguments = ["entries, count"] if sparse else []
    for tensor, name in [] if sparse else names.items():
        parameters.append(f"const {graph.tensors[tensor].element}_t *{name}")
        arguments.append(pointer(graph, storage, values, tensor))
    for tensor, name in outputs.items():
        parameters.append(f"{graph.tensors[tensor].element}_t *{name}")
        arguments.append(pointer(graph, storage, values, tensor))
    if number in storage.scratch:
        parameters.append("int16_t *scratch")
        arguments.append(scratch_values(storage)[number].name)
    shapes = ", ".join(f"{graph.tensors[t].name} {list(graph.tensors[t].shape)}" for t in op.outputs)
    part = part_of(graph, op)
    return Layer(
        prefix,
        f"{f'{part}: ' if part else ''}{', '.join(op.origin)} -> {shapes}",
        ", ".join(parameters),
        _lines(lowered),
        f"{prefix}({', '.join(arguments)});",
        lowered,
        op.origin,
        data=in_data_mode() and bool(lowered.constants),
    )
