"""Many samples through an integer step graph: integers from the compiler's reference, gradients from the surrogates.

Rounding has no useful gradient; the backward pass takes it for the identity (Bengio, Leonard, Courville 2013), and lets
nothing through where a value saturates. Letters: B recordings, T samples of each, N samples at once.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from tinyloc.codegen.graph import BYTES, RANGE, Graph, Operator
from tinyloc.codegen.graph import Tensor as GraphTensor
from tinyloc.codegen.semantics.operator_table import rule_of
from tinyloc.export.errors import ExportError
from tinyloc.integer_training.convolution import KINDS as CONVOLUTIONS
from tinyloc.integer_training.convolution import convolved_integers
from tinyloc.integer_training.pooling import POOLS, REDUCTIONS, apart, beside, reduced_axes
from tinyloc.integer_training.program import Block, blocks
from tinyloc.integer_training.surrogates import ELEMENTWISE, MOVES, missing, surrogate

Watch = Callable[[Tensor], Tensor]
WEIGHTED = ("FULLY_CONNECTED", *CONVOLUTIONS)


@dataclass(frozen=True)
class Value:
    """(N, *shape) of one tensor: integers, and the real numbers that they stand for where gradients are wanted.

    Of a run in real numbers there are no integers.
    """

    real: Tensor | None
    whole: Tensor | None

    def each(self, function: Callable[[Tensor], Tensor]) -> "Value":
        """The same done to both."""
        return Value(
            None if self.real is None else function(self.real), None if self.whole is None else function(self.whole)
        )


class _Rounded(torch.autograd.Function):
    """`exact` in the forward pass; the gradient of `near`, where it lies within low..high, in the backward pass."""

    @staticmethod
    def forward(context: Any, near: Tensor, exact: Tensor, low: float, high: float) -> Tensor:
        context.save_for_backward((near >= low) & (near <= high))
        return exact

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None, None, None]:
        (inside,) = context.saved_tensors
        return gradient * inside, None, None, None


def rounded(near: Tensor, exact: Tensor, low: float = -np.inf, high: float = np.inf) -> Tensor:
    """The values of `exact` with the gradient of `near`."""
    return cast(Tensor, _Rounded.apply(near, exact, low, high))  # type: ignore[no-untyped-call]


def real_of(tensor: GraphTensor, whole: Tensor) -> Tensor:
    """What integers of a tensor stand for."""
    return whole.float().sub_(tensor.zero_point).mul_(float(np.float32(tensor.scale)))


def whole_of(tensor: GraphTensor, real: Tensor) -> Tensor:
    """Real values as integers of a tensor: nearest, halves away from zero, saturated."""
    scaled = real.detach().double() / float(np.float32(tensor.scale))
    low, high = RANGE[tensor.element]
    nearest = torch.trunc(scaled + torch.copysign(torch.full((), 0.5, dtype=torch.float64), scaled))
    kind = torch.int8 if tensor.element == "int8" else torch.int16
    return (nearest + tensor.zero_point).clamp(low, high).to(kind)


@functools.lru_cache(4096)
def limits(tensor: GraphTensor) -> tuple[float, float]:
    """Least and greatest real value, widened by half a step."""
    low, high = RANGE[tensor.element]
    return (low - tensor.zero_point - 0.5) * tensor.scale, (high - tensor.zero_point + 0.5) * tensor.scale


class Execution:
    """Runs one graph. `watched`: what sees, and may change, the operand or the result of a layer; by tensor name."""

    def __init__(self, graph: Graph) -> None:
        """Raises ExportError where an operator has no gradient here."""
        if kinds := missing(graph):
            raise ExportError(f"{', '.join(kinds)}: no training with integers; train without, or use other layers")
        self.graph = graph
        self.blocks = blocks(graph)
        self.later = dict(graph.states)
        self._small: dict[tuple[int, int], tuple[Graph, Operator]] = {}
        self._constants: dict[int, Tensor] = {}
        self._tables: dict[int, Tensor] = {}
        self.watched: dict[str, Watch] = {}
        self._collected: dict[str, list[tuple[Tensor, Tensor]]] | None = None

    def set_constants(self, whole: Mapping[str, GraphTensor]) -> None:
        """Replace constants by name."""
        self.graph = dataclasses.replace(
            self.graph, tensors=tuple(whole.get(t.name, t) if t.data is not None else t for t in self.graph.tensors)
        )
        self._small.clear()
        self._constants.clear()

    def run(self, readings: Value, batch: int, constants: Mapping[str, Tensor]) -> dict[int, Value]:
        """Values of the graph for readings (B * T, *shape), by tensor; those inside of a cycle only where others read
        them. constants: real values by name, with gradients."""
        (source,) = self.graph.inputs
        values: dict[int, Value] = {source: readings}
        for block in self.blocks:
            if block.cycle:
                self._cycle(block, values, batch, constants, readings)
            else:
                self._whole_block(block, values, batch, constants, readings)
        return values

    def layers(self, readings: Value, batch: int, constants: Mapping[str, Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
        """Operand and result (N, ...) of each layer with weights, in real numbers; arguments as of `run`."""
        self._collected = {}
        self.run(readings, batch, constants)
        found, self._collected = self._collected, None
        return {
            name: (torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs])) for name, pairs in found.items()
        }

    def _whole_block(
        self, block: Block, values: dict[int, Value], batch: int, constants: Mapping[str, Tensor], like: Value
    ) -> None:
        (number,) = block.operators
        op = self.graph.operators[number]
        for before in op.inputs:
            if before in self.later and before not in values:
                values[before] = self._one_earlier(before, values[self.later[before]], batch)
        samples = _samples(like)
        values.update(zip(op.outputs, self._operator(number, values, samples, constants), strict=True))

    def _one_earlier(self, before: int, after: Value, batch: int) -> Value:
        start = self._start(before, batch, after)

        def moved(first: Tensor, x: Tensor) -> Tensor:
            steps = x.reshape(batch, -1, *x.shape[1:])
            return torch.cat([first[:, None], steps[:, :-1]], dim=1).reshape(x.shape)

        real = None if after.real is None or start.real is None else moved(start.real, after.real)
        return Value(real, None if after.whole is None or start.whole is None else moved(start.whole, after.whole))

    def _start(self, before: int, batch: int, like: Value) -> Value:
        """A state at the start of a recording: real 0."""
        tensor = self.graph.tensors[before]
        zero = torch.from_numpy(np.asarray(self.graph.start(before)))
        whole = None if like.whole is None else zero.expand(batch, *tensor.shape)
        return Value(None if like.real is None else torch.zeros(batch, *tensor.shape), whole)

    def _cycle(
        self, block: Block, values: dict[int, Value], batch: int, constants: Mapping[str, Tensor], like: Value
    ) -> None:
        steps = _samples(like) // batch
        made = {t for number in block.operators for t in self.graph.operators[number].outputs}
        read = {t for number in block.operators for t in self.graph.operators[number].inputs}
        states = {t: self.later[t] for t in read if t in self.later and self.later[t] in made}
        for t in read - made - states.keys():
            if t in self.later and t not in values:
                values[t] = self._one_earlier(t, values[self.later[t]], batch)
        outer = {
            t: values[t].each(lambda x: x.reshape(batch, steps, *x.shape[1:]).transpose(0, 1).contiguous())
            for t in read
            if t in values
        }
        present = {t: self._start(t, batch, like) for t in states}
        kept: dict[int, list[Value]] = {t: [] for t in block.results}
        for step in range(steps):
            now = {t: value.each(lambda x, at=step: x[at]) for t, value in outer.items()}  # type: ignore[misc]
            now.update(present)
            for number in block.operators:
                results = self._operator(number, now, batch, constants)
                now.update(zip(self.graph.operators[number].outputs, results, strict=True))
            present = {before: now[after] for before, after in states.items()}
            for t in block.results:
                kept[t].append(now[t])
        for t, found in kept.items():
            values[t] = Value(_stacked([v.real for v in found]), _stacked([v.whole for v in found]))

    def _operator(
        self, number: int, values: Mapping[int, Value], samples: int, constants: Mapping[str, Tensor]
    ) -> list[Value]:
        op = self.graph.operators[number]
        operands = [self._operand(t, values, constants) for t in op.inputs]
        if op.kind in MOVES:
            moves = MOVES[op.kind]
            reals, wholes = (self._moved(op, operands, which) for which in ("real", "whole"))
            real = [None] * len(op.outputs) if reals is None else moves(self.graph, op, reals)
            whole = [None] * len(op.outputs) if wholes is None else moves(self.graph, op, wholes)
            return [Value(x, q) for x, q in zip(real, whole, strict=True)]
        (output,) = op.outputs
        tensor = self.graph.tensors[output]
        rank = len(tensor.shape)
        if op.kind in ELEMENTWISE:
            operands = [
                value if self.graph.is_constant(t) else value.each(lambda x: _of_rank(x, rank))
                for t, value in zip(op.inputs, operands, strict=True)
            ]
        operands = self._seen_before(op, operands)
        computed = [t for t in op.inputs if t != -1 and not self.graph.is_constant(t)]
        near: Tensor | None = None
        if any(values[t].real is not None for t in computed):
            near = surrogate(self.graph, op, [value.real for value in operands])
            self._collect(op, operands[0].real, near)
        integers: Tensor | None = None
        if all(values[t].whole is not None for t in computed):
            integers = self._integers(number, [value.whole for value in operands], samples)
            if near is not None:
                near = rounded(near, real_of(tensor, integers), *limits(tensor))
        return [self._seen_behind(tensor, Value(near, integers))]

    def _collect(self, op: Operator, x: Tensor | None, y: Tensor) -> None:
        if self._collected is not None and op.kind in WEIGHTED and x is not None:
            self._collected.setdefault(self.graph.tensors[op.inputs[1]].name, []).append((x, y))

    def _moved(self, op: Operator, operands: Sequence[Value], which: str) -> list[Tensor | None] | None:
        found = [getattr(value, which) for value in operands]
        moved = [
            x for x, t in zip(found, op.inputs, strict=True)
            if not self.graph.is_constant(t) or self.graph.tensors[t].quantisation is not None
        ]  # fmt: skip
        return None if any(x is None for x in moved) else found

    def _operand(self, t: int, values: Mapping[int, Value], constants: Mapping[str, Tensor]) -> Value:
        if t == -1:
            return Value(None, None)
        tensor = self.graph.tensors[t]
        if tensor.data is None:
            return values[t]
        real = constants.get(tensor.name)
        if t not in self._constants:
            self._constants[t] = torch.from_numpy(np.array(tensor.data))
        return Value(real, self._constants[t])

    def _seen_before(self, op: Operator, operands: list[Value]) -> list[Value]:
        """Let whoever watches a layer's operand see it."""
        watch = self.watched.get(f"before {self.graph.tensors[op.outputs[0]].name}")
        if watch is not None and operands[0].real is not None:
            watch(operands[0].real.flatten(1))
        return operands

    def _seen_behind(self, tensor: GraphTensor, value: Value) -> Value:
        watch = self.watched.get(f"behind {tensor.name}")
        if watch is None or value.real is None:
            return value
        flat = value.real.flatten(1)
        real = watch(flat)
        if real is flat:
            return value
        changed = real.reshape(value.real.shape)
        return Value(changed, None if value.whole is None else whole_of(tensor, changed))

    def _integers(self, number: int, operands: Sequence[Tensor | None], samples: int) -> Tensor:
        found = self._by_table(number, operands)
        if found is not None:
            return found
        if self.graph.operators[number].kind in CONVOLUTIONS:
            assert operands[0] is not None
            return convolved_integers(self.graph, self.graph.operators[number], operands[0])
        pool = self.graph.operators[number].kind in POOLS
        if pool:
            operands = [beside(x) for x in operands if x is not None]
        small, op = self._small_graph(number, operands, samples)
        rule = rule_of(small, op)
        assert rule is not None
        arrays = [None if x is None else x.numpy() for x in operands]
        (result,) = rule.reference(small, op, arrays)
        if pool:
            return apart(torch.from_numpy(result), samples)
        (output,) = self.graph.operators[number].outputs
        return torch.from_numpy(result.reshape(samples, *self.graph.tensors[output].shape))

    def _by_table(self, number: int, operands: Sequence[Tensor | None]) -> Tensor | None:
        """The result of an element-wise operator whose operands have few pairs of values, by a table of all of them.

        The table is filled by the reference. Cycles call an operator at every sample, so it pays.
        """
        table = self._tables.get(number)
        if table is None:
            table = self._filled(number)
            self._tables[number] = table
        if not table.numel():
            return None
        first, *rest = (x for x in operands if x is not None)
        place = first.long() + table.shape[0] // 2
        if rest:
            place = place * table.shape[1] + (rest[0].long() + table.shape[1] // 2)
        return torch.take(table, place)

    def _filled(self, number: int) -> Tensor:
        """(values of the first operand[, of the second]); empty where there are too many or one is constant."""
        op = self.graph.operators[number]
        operands = [self.graph.tensors[t] for t in op.inputs]
        sizes = [BYTES[t.element] for t in operands]
        if op.kind not in ELEMENTWISE or sum(sizes) > 2 or any(t.data is not None for t in operands):
            return torch.zeros(0)
        ranges = [np.arange(RANGE[t.element][0], RANGE[t.element][1] + 1).astype(t.element) for t in operands]
        grids = [grid.ravel() for grid in np.meshgrid(*ranges, indexing="ij")]
        shapes = [dataclasses.replace(t, shape=grids[0].shape) for t in (*operands, self.graph.tensors[op.outputs[0]])]
        alone = dataclasses.replace(op, inputs=tuple(range(len(operands))), outputs=(len(operands),))
        small = Graph("table", tuple(shapes), (alone,), (), ())
        rule = rule_of(small, alone)
        assert rule is not None
        (values,) = rule.reference(small, alone, grids)
        return torch.from_numpy(values.reshape([len(one) for one in ranges]))

    def _small_graph(self, number: int, operands: Sequence[Tensor | None], samples: int) -> tuple[Graph, Operator]:
        """The operator alone, on tensors of `samples` samples."""
        known = self._small.get((number, samples))
        if known is not None:
            return known
        op = self.graph.operators[number]
        tensors: list[GraphTensor] = []
        inputs = []
        for t, x in zip(op.inputs, operands, strict=True):
            if t == -1:
                inputs.append(-1)
                continue
            assert x is not None
            tensor = self.graph.tensors[t]
            tensors.append(tensor if tensor.data is not None else dataclasses.replace(tensor, shape=tuple(x.shape)))
            inputs.append(len(tensors) - 1)
        result = self.graph.tensors[op.outputs[0]]
        shape: tuple[int, ...] = (samples, *result.shape)
        if op.kind in POOLS:
            shape = (*result.shape[:3], samples * result.shape[3])
        if op.kind in REDUCTIONS:
            axes = np.array(reduced_axes(self.graph, op), np.int32)
            tensors[1] = dataclasses.replace(tensors[1], data=axes, shape=axes.shape)
        tensors.append(dataclasses.replace(result, shape=shape))
        alone = dataclasses.replace(op, inputs=tuple(inputs), outputs=(len(tensors) - 1,))
        made = Graph("one operator", tuple(tensors), (alone,), (), ()), alone
        self._small[number, samples] = made
        return made


def _samples(value: Value) -> int:
    known = value.whole if value.real is None else value.real
    assert known is not None
    return len(known)


def _of_rank(x: Tensor, rank: int) -> Tensor:
    """(N, *shape) -> (N, 1, ..., *shape): NumPy's broadcasting aligns shapes at their ends."""
    return x if x.dim() > rank else x.reshape(x.shape[0], *(1,) * (rank + 1 - x.dim()), *x.shape[1:])


def _stacked(parts: Sequence[Tensor | None]) -> Tensor | None:
    """T values (B, *shape) -> (B * T, *shape), the samples of a recording in a row."""
    found = [x for x in parts if x is not None]
    if not found:
        return None
    return torch.stack(found, dim=1).flatten(0, 1)
