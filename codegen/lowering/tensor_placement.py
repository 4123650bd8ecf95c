"""Where each tensor lives: arena, state struct, argument. Views share their source's bytes, loops write in place."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from tinyloc.codegen.c_text import KEYWORDS
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.lowering.memory_plan import Lifetime, MemoryPlan, plan_memory
from tinyloc.codegen.operators.base import KernelRule, ViewRule
from tinyloc.codegen.passes.joins import JOIN, join_in_place
from tinyloc.codegen.semantics.operator_table import rule_of

Kind = Literal["arena", "upper", "state", "input", "output", "constant"]


@dataclass(frozen=True)
class Place:
    """`offset` is in bytes: into the arena or its second bank, or into the state or argument that `name` names."""

    kind: Kind
    name: str
    offset: int


@dataclass(frozen=True)
class Storage:
    """places of all tensors, the arena's plan, and the copies (tensor, C pointer to copy it to) that end a step."""

    places: dict[int, Place]
    plan: MemoryPlan
    copies: tuple[tuple[int, str], ...]
    layers: tuple[Operator, ...]  # operators that run code, in order; step i of the plan is layer i
    decisions: tuple[str, ...]
    scratch: Mapping[int, int] = field(default_factory=dict)  # layer -> offset in the arena of what it works in


def state_names(graph: Graph) -> dict[int, str]:
    """C names of the states: the tensors' names without TFLite's decoration, told apart by a number where needed."""
    names: dict[int, str] = {}
    for before, _ in graph.states:
        plain = graph.tensors[before].name.split(":")[0].removeprefix("serving_default_").removesuffix("_in")
        name = "".join(c if c.isascii() and c.isalnum() else "_" for c in plain)
        if not name or name[0].isdigit() or name in KEYWORDS or not name.strip("_"):
            name = f"state_{name}"
        names[before] = name if name not in names.values() else f"{name}_{before}"
    return names


@dataclass(frozen=True)
class ArenaOptions:
    """What the arena may be.

    banks: bytes of two memories between which it may be divided, see plan_memory.
    inputs_inside: the caller writes the inputs into the arena, where they last until their last reader; without it they
        are arguments that a run only reads.
    """

    banks: tuple[int, int] | None = None
    inputs_inside: bool = False


DEFAULT_ARENA = ArenaOptions()


class _Assignment:
    def __init__(self, graph: Graph, inputs: Sequence[str], outputs: Sequence[str], options: ArenaOptions) -> None:
        self.graph = graph
        self.options = options
        self.inputs, self.outputs = inputs, outputs
        self.root: dict[int, tuple[int, int]] = {}  # view -> (tensor, byte offset)
        self.joined: dict[int, tuple[int, int]] = {}  # part -> (the whole it is written into, byte offset)
        self.layers: list[Operator] = []
        for op in graph.operators:
            rule = rule_of(graph, op)
            if isinstance(rule, ViewRule):
                source = rule.source(op)
                for number, y in enumerate(op.outputs):
                    at = rule.offset(graph, op, number)
                    assert at is not None, op
                    base, offset = self.resolve(source)
                    self.root[y] = (base, offset + at * BYTES[graph.tensors[y].element])
                continue
            placed = op.attributes["placed"] if op.kind == JOIN else {}
            for position, at in placed.items():
                self.joined[self.resolve(op.inputs[position])[0]] = (op.outputs[0], at)
            if len(placed) < len(op.inputs):
                self.layers.append(op)
        self.end = len(self.layers)  # the step in which states are copied
        self.producer = {t: i for i, op in enumerate(self.layers) for t in op.outputs}
        self.last_use: dict[int, int] = {}
        for i, op in enumerate(self.layers):
            for t in op.inputs:
                if t != -1:
                    self.last_use[self.resolve(t)[0]] = i
        for t in graph.results:
            self.last_use[self.resolve(t)[0]] = self.end
        self.decisions: list[str] = []
        self.scratch: dict[int, int] = {}

    def resolve(self, tensor: int) -> tuple[int, int]:
        """(the tensor whose bytes these are, byte offset)."""
        base, offset = self.root.get(tensor, (tensor, 0))
        while base in self.joined:
            base, more = self.joined[base]
            offset += more
        return base, offset

    def in_place(self, layer: int, output: int, source: int) -> bool:
        """Whether this layer may write `output` over the bytes of root tensor `source`, which it reads."""
        op, graph = self.layers[layer], self.graph
        if self.last_use.get(source) != layer:
            return False
        if op.kind != "LOOP":
            rule = rule_of(graph, op)
            alone = [t for t in op.inputs if t != -1 and self.resolve(t)[0] == source] == [source]
            return alone and rule is not None and (source, output) in rule.in_place(graph, op)
        mapping = op.attributes["mapping"]
        if graph.tensors[source].bytes != graph.tensors[output].bytes:
            return False
        readers = [t for t in op.inputs if t != -1 and self.resolve(t)[0] == source]
        return all(self.resolve(t)[1] == 0 and mapping[t] == mapping[output] for t in readers) and len(
            mapping[output]
        ) == len(op.attributes["axes"])

    def run(self) -> Storage:
        graph = self.graph
        places: dict[int, Place] = {
            i: Place("constant", f"tl_constant_{i}", 0) for i, t in enumerate(graph.tensors) if t.data is not None
        }
        for t, name in zip(graph.inputs, self.inputs, strict=True):
            if not self.options.inputs_inside:
                places[t] = Place("input", name, 0)
        copies = self._states(places)
        for t, name in zip(graph.outputs, self.outputs, strict=True):
            base, offset = self.resolve(t)
            if base in self.producer and offset == 0 and base not in places and base == t:
                places[t] = Place("output", name, 0)
            else:
                copies.insert(0, (t, name))  # before states move on
        plan = self._arena(places)
        for part in (*self.root, *self.joined):
            base, offset = self.resolve(part)
            home = places[base]
            places[part] = Place(home.kind, home.name, home.offset + offset)
        return Storage(places, plan, tuple(copies), tuple(self.layers), tuple(self.decisions), self.scratch)

    def _states(self, places: dict[int, Place]) -> list[tuple[int, str]]:
        names = state_names(self.graph)
        pending: list[tuple[int, int]] = []  # (next value, state) to copy
        for before, after in self.graph.states:
            name = names[before]
            places[before] = Place("state", name, 0)
            base, offset = self.resolve(after)
            layer = self.producer.get(base)
            # the state's own bytes may still be read by the layer that writes its next value
            reads = [
                i for i, op in enumerate(self.layers) for t in op.inputs if t != -1 and self.resolve(t)[0] == before
            ]
            if any(self.resolve(t)[0] == before for t in self.graph.results):
                reads.append(self.end)  # kept by another state, or handed out
            whole = offset == 0 and self.graph.tensors[base].bytes == self.graph.tensors[before].bytes
            if layer is not None and whole and base not in places and self._overwrites(layer, base, before, reads):
                places[base] = Place("state", name, 0)
                self.decisions.append(
                    f"state {name}: its next value is written over it by {self.layers[layer].origin[-1]}"
                )
            elif base != before:
                pending.append((after, before))
        return [(after, f"state->{names[before]}") for after, before in self._ordered(pending)]

    def _ordered(self, pending: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """A state is overwritten after all copies from it (delay lines: each state takes the one before it)."""
        ordered = []
        while pending:
            free = [(a, b) for a, b in pending if not any(self.resolve(c)[0] == b for c, d in pending if d != b)]
            if not free:
                names = ", ".join(self.graph.tensors[before].name for _, before in pending)
                raise CompileError(
                    self.graph.name, [f"states {names} exchange their values; let one pass through an operator"]
                )
            ordered.append(free[0])
            pending = [pair for pair in pending if pair != free[0]]
        return ordered

    def _overwrites(self, layer: int, output: int, before: int, reads: list[int]) -> bool:
        if any(i > layer for i in reads):
            return False
        return layer not in reads or self.in_place_state(layer, output, before)

    def in_place_state(self, layer: int, output: int, before: int) -> bool:
        """in_place for a state: its last use is this layer by construction."""
        saved = self.last_use.get(before)
        self.last_use[before] = layer
        try:
            return self.in_place(layer, output, before)
        finally:
            if saved is not None:
                self.last_use[before] = saved

    def _arena(self, places: dict[int, Place]) -> MemoryPlan:
        buffer_of: dict[int, int] = {}  # tensor -> index of lifetime
        lifetimes: list[Lifetime] = []
        scratch_of: dict[int, int] = {}  # layer -> index of lifetime
        for t in self.graph.inputs if self.options.inputs_inside else ():
            buffer_of[t] = len(lifetimes)
            tensor = self.graph.tensors[t]
            lifetimes.append(Lifetime(tensor.name, tensor.bytes, 0, self.last_use.get(t, 0)))
        for layer, op in enumerate(self.layers):
            taken: set[int] = set()
            rule = rule_of(self.graph, op)
            need = rule.scratch(self.graph, op) if isinstance(rule, KernelRule) else 0
            if need:
                scratch_of[layer] = len(lifetimes)
                lifetimes.append(Lifetime(f"scratch of {op.origin[-1] if op.origin else op.kind}", need, layer, layer))
            for t in op.outputs:
                home, _ = self.resolve(t)
                if home in places or home in buffer_of:
                    continue
                last = self.last_use.get(home, layer)
                if home != t:  # the first part of a whole that is yet to come
                    whole = self.graph.tensors[home]
                    buffer_of[home] = len(lifetimes)
                    lifetimes.append(Lifetime(whole.name, whole.bytes, layer, last))
                    continue
                reuse = next(
                    (
                        base
                        for base in dict.fromkeys(self.resolve(x)[0] for x in op.inputs if x != -1)
                        if base in buffer_of and buffer_of[base] not in taken and self.in_place(layer, t, base)
                    ),
                    None,
                )
                if reuse is not None:
                    index = buffer_of[reuse]
                    old = lifetimes[index]
                    lifetimes[index] = Lifetime(f"{old.name}, {self.graph.tensors[t].name}", old.size, old.first, last)
                    self.decisions.append(
                        f"{self.graph.tensors[t].name}: written over {self.graph.tensors[reuse].name}"
                    )
                else:
                    index = len(lifetimes)
                    tensor = self.graph.tensors[t]
                    lifetimes.append(Lifetime(tensor.name, tensor.bytes, layer, last))
                buffer_of[t] = index
                taken.add(index)
        plan = plan_memory(lifetimes, self.options.banks)
        for t, index in buffer_of.items():
            places[t] = self._in_arena(plan, index)
        self.scratch = {layer: plan.offsets[index] for layer, index in scratch_of.items()}
        return plan

    @staticmethod
    def _in_arena(plan: MemoryPlan, index: int) -> Place:
        name, at = plan.lifetimes[index].name, plan.offsets[index]
        if plan.split is not None and at >= plan.split:
            return Place("upper", name, at - plan.split)
        return Place("arena", name, at)


def assign_storage(
    graph: Graph, inputs: Sequence[str], outputs: Sequence[str], options: ArenaOptions = DEFAULT_ARENA
) -> Storage:
    """Places of all tensors of an optimised graph. `inputs` and `outputs` are the C names of the arguments.

    Parts are joined without copies unless that takes a larger arena.
    """
    copied = _Assignment(graph, inputs, outputs, options).run()
    joining, notes = join_in_place(graph)
    if not notes:
        return copied
    joined = _Assignment(joining, inputs, outputs, options).run()
    more = joined.plan.size - copied.plan.size
    if more > 0:
        note = f"parts are copied when they are joined: in their place the arena would be {more} bytes larger"
        return dataclasses.replace(copied, decisions=(*copied.decisions, note))
    return dataclasses.replace(joined, decisions=(*joined.decisions, *notes))
