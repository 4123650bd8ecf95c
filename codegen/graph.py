"""The compiler's graph: tensors with quantisation, operators named as in TFLite, and what makes a graph legal."""

import dataclasses
import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

ElementType = Literal["int8", "int16", "int32", "int64"]
RANGE: dict[str, tuple[int, int]] = {
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "int32": (-(2**31), 2**31 - 1),
    "int64": (-(2**63), 2**63 - 1),
}
BYTES: dict[str, int] = {"int8": 1, "int16": 2, "int32": 4, "int64": 8}


LARGEST_TENSOR = 1 << 26
"""Bytes; a damaged file may claim any size."""


@dataclass(frozen=True)
class Quantisation:
    """real = scale * (q - zero_point); one pair, or one a slice along `axis`. Scales are float32 values."""

    scale: tuple[float, ...]
    zero_point: tuple[int, ...]
    axis: int = 0

    @property
    def per_channel(self) -> bool:
        return len(self.scale) > 1


@dataclass(frozen=True)
class Tensor:
    """A value: `data` is set for constants only."""

    name: str
    shape: tuple[int, ...]
    element: ElementType
    quantisation: Quantisation | None = None
    data: npt.NDArray[Any] | None = field(default=None, compare=False)

    @property
    def size(self) -> int:
        """Number of elements."""
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.size * BYTES[self.element]

    @property
    def scale(self) -> float:
        """The scale of a tensor quantised as a whole."""
        assert self.quantisation is not None and not self.quantisation.per_channel, self.name
        return self.quantisation.scale[0]

    @property
    def zero_point(self) -> int:
        """The zero point of a tensor quantised as a whole."""
        assert self.quantisation is not None and not self.quantisation.per_channel, self.name
        return self.quantisation.zero_point[0]


@dataclass(frozen=True)
class Operator:
    """`kind` is TFLite's name, or one of ours for fused forms: TABLE, LOOP."""

    kind: str
    inputs: tuple[int, ...]  # -1: optional input that is absent
    outputs: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    origin: tuple[str, ...] = ()  # the operators of the model it stands for


@dataclass(frozen=True)
class Graph:
    """Operators in execution order. `states` pairs (input, output): what one step leaves for the next.

    `starts`: values of state inputs at the start of a sequence; real zero where there are none. `notes`: what a user
    must know of the answers, such as where they differ from LiteRT's.
    """

    name: str
    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    states: tuple[tuple[int, int], ...] = ()
    starts: Mapping[int, npt.NDArray[Any]] = field(default_factory=dict, compare=False)
    notes: tuple[str, ...] = ()

    @property
    def sources(self) -> tuple[int, ...]:
        """Tensors that exist before the first operator runs: inputs, then state inputs."""
        return (*self.inputs, *(before for before, _ in self.states))

    @property
    def results(self) -> tuple[int, ...]:
        """Tensors that must survive the last operator: outputs, then state outputs."""
        return (*self.outputs, *(after for _, after in self.states))

    def start(self, state: int) -> npt.NDArray[Any]:
        """Values of a state input at the start of a sequence."""
        tensor = self.tensors[state]
        if state in self.starts:
            return self.starts[state].reshape(tensor.shape)
        return np.full(tensor.shape, 0 if tensor.quantisation is None else tensor.zero_point, tensor.element)

    def is_constant(self, tensor: int) -> bool:
        return self.tensors[tensor].data is not None

    def consumers(self, tensor: int) -> list[int]:
        """Indices of the operators that read a tensor, ascending."""
        return list(self._readers.get(tensor, ()))

    def producer(self, tensor: int) -> int | None:
        """Index of the operator that writes a tensor, None for sources and constants."""
        return self._writers.get(tensor)

    @functools.cached_property
    def _readers(self) -> dict[int, list[int]]:
        readers: dict[int, list[int]] = {}
        for i, op in enumerate(self.operators):
            for t in dict.fromkeys(op.inputs):
                readers.setdefault(t, []).append(i)
        return readers

    @functools.cached_property
    def _writers(self) -> dict[int, int]:
        writers: dict[int, int] = {}
        for i, op in enumerate(self.operators):
            for t in op.outputs:
                writers.setdefault(t, i)
        return writers

    def with_operators(self, operators: Iterable[Operator]) -> "Graph":
        return dataclasses.replace(self, operators=tuple(operators))

    def with_tensor(self, tensor: Tensor) -> tuple["Graph", int]:
        """The graph with one more tensor, and its index."""
        return dataclasses.replace(self, tensors=(*self.tensors, tensor)), len(self.tensors)

    def replace_uses(self, mapping: Mapping[int, int]) -> "Graph":
        """Every use of a key, in operators, outputs and states, becomes its value."""

        def new(tensor: int) -> int:
            while tensor in mapping:
                tensor = mapping[tensor]
            return tensor

        return dataclasses.replace(
            self,
            operators=tuple(dataclasses.replace(op, inputs=tuple(new(t) for t in op.inputs)) for op in self.operators),
            outputs=tuple(new(t) for t in self.outputs),
            states=tuple((before, new(after)) for before, after in self.states),
        )


def illegalities(graph: Graph) -> list[str]:
    """What is wrong with a graph; runs after every pass. An empty list is a legal graph.

    Legal: every operand is a source, a constant, or written by an earlier operator; each tensor is written once;
    activations are int8 or int16 with one scale; constants have the shape and type they claim.
    """
    problems = []
    known = set(graph.sources)
    for index, tensor in enumerate(graph.tensors):
        if tensor.data is not None:
            known.add(index)
            if tensor.data.shape != tensor.shape or tensor.data.dtype != np.dtype(tensor.element):
                problems.append(f"constant {tensor.name} does not have the shape and type it claims")
    for op in graph.operators:
        where = f"{op.kind} ({', '.join(op.origin)})"
        for read in op.inputs:
            if read != -1 and read not in known:
                problems.append(f"{where} reads {graph.tensors[read].name} before it is written")
        for written in op.outputs:
            if written in known:
                problems.append(f"{where} writes {graph.tensors[written].name} a second time")
            known.add(written)
            quantisation = graph.tensors[written].quantisation
            scaled = graph.tensors[written].element in ("int8", "int16")  # others are indices
            if scaled and (quantisation is None or quantisation.per_channel):
                problems.append(f"{where} writes {graph.tensors[written].name}, which has no single scale")
    for result in graph.results:
        if result not in known:
            problems.append(f"result {graph.tensors[result].name} is never written")
    for before, after in graph.states:
        a, b = graph.tensors[before], graph.tensors[after]
        if (a.shape, a.element) != (b.shape, b.element):
            problems.append(f"state {a.name} {a.shape} {a.element} does not match its next value {b.name} {b.shape}")
    return problems


def broadcast_shape(shapes: Iterable[tuple[int, ...]]) -> tuple[int, ...]:
    """NumPy's broadcast of shapes."""
    return tuple(int(n) for n in np.broadcast_shapes(*shapes))
