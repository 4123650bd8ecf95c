"""WHILE whose trip count is constant, as Keras writes recurrent layers: its body is written out once a trip.

Works on any form of a TFLite graph: compiler and quantiser say how they read and write a tensor's constant. Counters
and conditions are followed by value; a loop whose condition depends on anything else stays, and is named.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
T = TypeVar("T")

WHILE = "WHILE"
MOST_OPERATORS = 20_000
"""Operators that loops may be written out to."""
DEEPEST = 8
"""Loops in loops."""

COUNTING: Mapping[str, Callable[..., Any]] = {
    "ADD": np.add, "SUB": np.subtract, "MUL": np.multiply, "MAXIMUM": np.maximum, "MINIMUM": np.minimum,
    "LESS": np.less, "LESS_EQUAL": np.less_equal, "GREATER": np.greater, "GREATER_EQUAL": np.greater_equal,
    "EQUAL": np.equal, "NOT_EQUAL": np.not_equal,
}  # fmt: skip
"""Operators on counters, of int32 or int64."""
DECIDING: Mapping[str, Callable[..., Any]] = {
    "LOGICAL_AND": np.logical_and,
    "LOGICAL_OR": np.logical_or,
    "LOGICAL_NOT": np.logical_not,
}


@dataclass(frozen=True)
class Step:
    """An operator; `loop` of a WHILE: the numbers of the subgraphs of its condition and its body."""

    kind: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    source: Any
    loop: tuple[int, int] | None = None


@dataclass(frozen=True)
class Part(Generic[T]):
    """A subgraph."""

    tensors: Sequence[T]
    steps: Sequence[Step]
    inputs: Sequence[int]
    outputs: Sequence[int]


@dataclass(frozen=True)
class Form(Generic[T]):
    """How a graph is kept: constants of a tensor (None when it is computed) and copies of it.

    part: subgraph of a number; raises IndexError where there is none. value: a tensor's constant. copied: the tensor in
    another trip, by a text that makes its name unique, as a constant where values are given.
    """

    part: Callable[[int], Part[T]]
    value: Callable[[T], Array | None]
    copied: Callable[[T, str, Array | None], T]


class _StillOpen(Exception):
    """A loop whose trips are not constant."""


@dataclass
class _Writer(Generic[T]):
    form: Form[T]
    tensors: list[T]
    steps: list[Step] = field(default_factory=list)
    values: dict[int, Array] = field(default_factory=dict)
    shared: dict[tuple[int, int], int] = field(default_factory=dict)  # constants of a body, once for all trips

    def value(self, tensor: int) -> Array | None:
        return self.values[tensor] if tensor in self.values else self.form.value(self.tensors[tensor])

    def write(self, steps: Sequence[Step], depth: int) -> dict[int, int]:
        """Write steps out; the tensors that stand for results of loops."""
        alias: dict[int, int] = {}
        for step in steps:
            inputs = tuple(alias.get(t, t) for t in step.inputs)
            if step.loop is not None:
                ends = self._loop(step, inputs, depth)
                alias.update(zip(step.outputs, ends, strict=True))
                continue
            known = self._known(step.kind, inputs)
            if known is not None and len(step.outputs) == 1:
                self.values[step.outputs[0]] = known
                source = self.tensors[step.outputs[0]]
                self.tensors[step.outputs[0]] = self.form.copied(source, "", known)
                continue
            self.steps.append(Step(step.kind, inputs, step.outputs, step.source))
            if len(self.steps) > MOST_OPERATORS:
                raise _StillOpen(f"its trips need more than {MOST_OPERATORS:,} operators")
        return alias

    def _known(self, kind: str, inputs: Sequence[int]) -> Array | None:
        if kind not in {**COUNTING, **DECIDING} or -1 in inputs:
            return None
        given = [self.value(t) for t in inputs]
        values = [value for value in given if value is not None]
        if len(values) < len(given):
            return None
        if kind in DECIDING:
            return np.asarray(DECIDING[kind](*values))
        wide = all(value.dtype in (np.int32, np.int64) for value in values)
        return np.asarray(COUNTING[kind](*values)) if wide else None

    def _loop(self, step: Step, inputs: tuple[int, ...], depth: int) -> tuple[int, ...]:
        assert step.loop is not None
        if depth > DEEPEST:
            raise _StillOpen(f"it lies in more than {DEEPEST} others")
        condition, body = (self.form.part(number) for number in step.loop)
        counts = {len(condition.inputs), len(body.inputs), len(body.outputs), len(step.outputs)}
        if counts != {len(inputs)} or len(condition.outputs) != 1:
            raise _StillOpen("its condition and its body take other operands than it has; the file is damaged")
        trip = 0
        while self._decides(step, condition, inputs, depth):
            inputs = self._inlined(step, body, step.loop[1], inputs, trip, depth)
            trip += 1
            if trip > MOST_OPERATORS:
                raise _StillOpen(f"it has more than {MOST_OPERATORS:,} trips")
        return inputs

    def _decides(self, step: Step, condition: Part[T], inputs: tuple[int, ...], depth: int) -> bool:
        assert step.loop is not None
        steps, tensors = len(self.steps), len(self.tensors)
        (end,) = self._inlined(step, condition, step.loop[0], inputs, -1, depth)
        value = self.value(end)
        del self.steps[steps:], self.tensors[tensors:]
        self.values = {t: known for t, known in self.values.items() if t < tensors}
        self.shared = {place: t for place, t in self.shared.items() if t < tensors}
        if value is None or value.size != 1:
            raise _StillOpen("how often it runs depends on what is computed")
        return bool(value.ravel()[0])

    def _inlined(
        self, step: Step, part: Part[T], number: int, inputs: tuple[int, ...], trip: int, depth: int
    ) -> tuple[int, ...]:
        """The tensors that stand for the outputs of a subgraph, written out for these operands."""
        place = dict(zip(part.inputs, inputs, strict=True))
        place[-1] = -1

        def placed(t: int) -> int:
            if t not in place:
                constant = self.form.value(part.tensors[t]) is not None
                if constant and (number, t) in self.shared:
                    place[t] = self.shared[number, t]
                    return place[t]
                self.tensors.append(self.form.copied(part.tensors[t], f"{number}.{trip}", None))
                place[t] = len(self.tensors) - 1
                if constant:
                    self.shared[number, t] = place[t]
            return place[t]

        steps = [
            Step(s.kind, tuple(map(placed, s.inputs)), tuple(map(placed, s.outputs)), s.source, s.loop)
            for s in part.steps
        ]
        alias = self.write(steps, depth + 1)
        return tuple(alias.get(placed(t), placed(t)) for t in part.outputs)


def unroll(part: Part[T], form: Form[T]) -> tuple[Part[T], list[str]]:
    """Write loops of a constant number of trips out.

    Returns:
        The subgraph without WHILE, and why not: then it is as it was.
    """
    if all(step.loop is None for step in part.steps):
        return part, []
    writer = _Writer(form, list(part.tensors))
    try:
        alias = writer.write(part.steps, 0)
    except _StillOpen as reason:
        return part, [f"WHILE: {reason}"]
    except IndexError:
        return part, ["WHILE: it names a subgraph that the file does not have; the file is damaged"]
    outputs = [alias.get(t, t) for t in part.outputs]
    return Part(writer.tensors, writer.steps, part.inputs, outputs), []
