"""Random step graphs of element-wise work, layers and moved bytes, with up to two states. All values have one scale."""

from collections.abc import Callable
from math import prod

import numpy as np

from tests.codegen.tflite_models import TFLiteModel

Shape = tuple[int, ...]
Value = tuple[int, Shape]
START: Shape = (1, 2, 4)
LARGEST = 200  # elements


class RandomGraph:
    """Grows a model operator by operator; every step takes values that exist and adds its results to them."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.model = TFLiteModel()
        self.element = str(self.chance.choice(["int8", "int16"]))
        self.scale = 0.05 if self.element == "int8" else 0.05 / 256
        self.values: list[Value] = [(self._input(None), START) for _ in range(2)]
        self.befores = [f"s{i}_in" for i in range(self.chance.integers(0, 3))]
        self.values += [(self._input(name), START) for name in self.befores]
        steps: list[Callable[[int, Shape], None]] = [
            self._binary, self._binary, self._unary, self._transpose, self._layer, self._beside,
            self._split, self._border, self._slice, self._reshape, self._mean,
        ]  # fmt: skip
        for _ in range(self.chance.integers(4, 16)):
            steps[self.chance.integers(len(steps))](*self._pick(self.values))
        self.states = self._finish()

    def _input(self, name: str | None) -> int:
        return self.model.input(START, self.element, self.scale, name=name)

    def _pick(self, among: list[Value]) -> Value:
        return among[self.chance.integers(len(among))]

    def _new(self, kind: str, inputs: list[int], shape: Shape, **options: object) -> None:
        y = self.model.unary(kind, inputs, shape, self.element, self.scale, **options)
        self.values.append((y, shape))

    def _binary(self, t: int, shape: Shape) -> None:
        other, its = self._pick([v for v in self.values if v[1] == shape or prod(v[1]) == 1])
        kind = str(self.chance.choice(["ADD", "SUB", "MUL", "MAXIMUM"]))
        options = {"potScaleInt16": False} if kind in ("ADD", "SUB") else {}
        self._new(kind, [t, other], tuple(np.broadcast_shapes(shape, its)), **options)

    def _unary(self, t: int, shape: Shape) -> None:
        self._new(str(self.chance.choice(["ABS", "RELU"])), [t], shape)

    def _transpose(self, t: int, shape: Shape) -> None:
        order = self.chance.permutation(len(shape))
        self._new("TRANSPOSE", [t, self.model.constant(order)], tuple(shape[i] for i in order))

    def _layer(self, t: int, shape: Shape) -> None:
        channels = int(self.chance.integers(1, 7))
        w = self.model.constant(self.chance.integers(-127, 128, (channels, shape[-1])), "int8", 0.01)
        self._new("FULLY_CONNECTED", [t, w, -1], (*shape[:-1], channels), keepNumDims=True)

    def _beside(self, t: int, shape: Shape) -> None:
        axis = int(self.chance.integers(len(shape)))
        rest = (*shape[:axis], *shape[axis + 1 :])
        fits = [v for v in self.values if len(v[1]) == len(shape) and (*v[1][:axis], *v[1][axis + 1 :]) == rest]
        other, its = self._pick(fits)
        whole = (*shape[:axis], shape[axis] + its[axis], *shape[axis + 1 :])
        if prod(whole) <= LARGEST:
            self._new("CONCATENATION", [t, other], whole, axis=axis)

    def _split(self, t: int, shape: Shape) -> None:
        even = [axis for axis, n in enumerate(shape) if n % 2 == 0]
        if even:
            axis = int(self.chance.choice(even))
            half = (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])
            parts = [self.model.tensor(half, self.element, self.scale) for _ in range(2)]
            self.model.operator("SPLIT", [self.model.constant(axis), t], parts, numSplits=2)
            self.values += [(part, half) for part in parts]

    def _border(self, t: int, shape: Shape) -> None:
        borders = self.chance.integers(0, 2, (len(shape), 2))
        wide = tuple(int(n + pair.sum()) for n, pair in zip(shape, borders, strict=True))
        if prod(wide) <= LARGEST:
            self._new("PAD", [t, self.model.constant(borders)], wide)

    def _slice(self, t: int, shape: Shape) -> None:
        begin = [int(self.chance.integers(n)) for n in shape]
        size = tuple(int(self.chance.integers(1, n - b + 1)) for n, b in zip(shape, begin, strict=True))
        self._new("SLICE", [t, self.model.constant(begin), self.model.constant(size)], size)

    def _reshape(self, t: int, shape: Shape) -> None:
        flat = (1, prod(shape))
        self._new("RESHAPE", [t, self.model.constant(flat)], flat)

    def _mean(self, t: int, shape: Shape) -> None:
        axis = int(self.chance.integers(len(shape)))
        kept = (*shape[:axis], 1, *shape[axis + 1 :])
        self._new("MEAN", [t, self.model.constant([axis])], kept, keepDims=True)

    def _finish(self) -> list[tuple[str, str]]:
        """Choose next values of the states, and outputs. Returns the pairs of names."""
        self._new("ABS", [self.values[0][0]], START)  # there is always something to hand out
        pairs, taken = [], []
        for number, before in enumerate(self.befores):
            free = [t for t, shape in self.values if shape == START and t not in (*taken, *self.model.graph.inputs)]
            if not free:
                self._new("RELU", [self.values[0][0]], START)
                free = [self.values[-1][0]]
            taken.append(int(self.chance.choice(free)))
            self.model.graph.tensors[taken[-1]].name = f"s{number}_out".encode()
            pairs.append((before, f"s{number}_out"))
        self._new("RELU", [self.values[1][0]], START)
        made = [t for t, _ in self.values if t not in (*taken, *self.model.graph.inputs)]
        self.model.output(*sorted({made[-1], *(int(t) for t in self.chance.choice(made, 2))}), *taken)
        return pairs
