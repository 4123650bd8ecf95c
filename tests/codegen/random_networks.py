"""Random networks of every kind of operator, each tensor with a scale and zero point of its own, rank 1 to 4."""

from collections.abc import Callable, Sequence
from math import prod

import numpy as np

from tests.codegen.tflite_models import TFLiteModel

Shape = tuple[int, ...]
LARGEST = 400  # elements
STARTS: tuple[Shape, ...] = ((1, 4, 5, 3), (1, 6, 4), (2, 8), (1, 3, 2, 4), (5,))
FUSED = (0, 0, 1, 3)  # NONE, RELU, RELU6


class RandomNetwork:
    """Grows a model operator by operator; every step takes values that exist and adds its results to them."""

    def __init__(self, seed: int) -> None:
        self.chance = np.random.default_rng(seed)
        self.model = TFLiteModel()
        self.element = str(self.chance.choice(["int8", "int8", "int16"]))
        self.eight = self.element == "int8"
        self.values: list[int] = []
        for number in self.chance.choice(len(STARTS), 2, replace=False):
            self.values.append(self.model.input(STARTS[number], self.element, *self._quantisation()))
        steps: list[Callable[[int], None]] = [
            self._binary, self._binary, self._unary, self._rescaled, self._fully_connected, self._fully_connected,
            self._convolution, self._depthwise, self._pool, self._mean, self._extreme, self._softmax, self._join,
            self._split, self._slice, self._transpose, self._pad, self._mirror, self._resize, self._repeat,
            self._reshape, self._product, self._pack, self._unpack, self._gather, self._choose, self._square,
        ]  # fmt: skip
        for _ in range(int(self.chance.integers(3, 14))):
            steps[int(self.chance.integers(len(steps)))](self.values[int(self.chance.integers(len(self.values)))])
        self._new("RELU", self.values[:1], None)  # there is always something to hand out
        made = [t for t in self.values if t not in self.model.graph.inputs]
        self.model.output(*sorted({made[-1], *(int(t) for t in self.chance.choice(made, 2))}))
        read = {int(t) for op in self.model.graph.operators for t in op.inputs}
        self.model.graph.inputs = [t for t in self.model.graph.inputs if t in read]

    def _quantisation(self) -> tuple[float, int]:
        scale = float(np.exp(self.chance.uniform(np.log(0.01), np.log(0.2))))
        return (scale, int(self.chance.integers(-128, 128))) if self.eight else (scale / 256, 0)

    def _of(self, t: int) -> tuple[float, int]:
        q = self.model.graph.tensors[t].quantization
        return float(q.scale[0]), int(q.zeroPoint[0])

    def _shape(self, t: int) -> Shape:
        return tuple(int(n) for n in self.model.graph.tensors[t].shape)

    def _new(
        self, kind: str, inputs: Sequence[int], shape: Shape | None, like: int | None = None, **options: object
    ) -> int:
        """A result of the first operand's shape, or of `shape`; scaled as `like`, else anyhow."""
        scale, zero = self._quantisation() if like is None else self._of(like)
        size = self._shape(inputs[0]) if shape is None else shape
        y = self.model.unary(kind, inputs, size, self.element, scale, zero, **options)
        self.values.append(y)
        return y

    def _indices(self, values: object) -> int:
        return self.model.constant(np.array(values, np.int32))

    def _weights(self, shape: Shape, axis: int = 0) -> int:
        scales = self.chance.uniform(0.005, 0.02, shape[axis])
        return self.model.constant(self.chance.integers(-127, 128, shape), "int8", list(scales), axis=axis)

    def _bias(self, channels: int, x: int, weights: int) -> int:
        """In the scale of the products, which LiteRT checks for FULLY_CONNECTED."""
        values, scale = self.chance.integers(-2000, 2000, channels), self._of(x)[0] * self._of(weights)[0]
        return self.model.constant(values, "int32" if self.eight else "int64", scale)

    def _same_scale(self, t: int, fits: Callable[[Shape], bool]) -> list[int]:
        return [v for v in self.values if self._of(v) == self._of(t) and fits(self._shape(v))]

    def _any(self, among: Sequence[int]) -> int:
        return int(among[int(self.chance.integers(len(among)))])

    def _binary(self, t: int) -> None:
        shape = self._shape(t)
        fits = [v for v in self.values if self._shape(v) in (shape, shape[-1:]) or prod(self._shape(v)) == 1]
        other = self._any(fits)
        kind = str(self.chance.choice(["ADD", "SUB", "MUL"]))
        options = {} if kind == "MUL" else {"potScaleInt16": False}
        result = tuple(int(n) for n in np.broadcast_shapes(shape, self._shape(other)))
        self._new(kind, [t, other], result, fusedActivationFunction=int(self.chance.choice(FUSED)), **options)

    def _unary(self, t: int) -> None:
        kinds = ["RELU", "RELU6", "ABS", "LEAKY_RELU", "EXP", "GELU", "LOGISTIC", "TANH"]
        kind = str(self.chance.choice([*kinds, "HARD_SWISH"] if self.eight else kinds))
        options = {"alpha": 0.2} if kind == "LEAKY_RELU" else {}
        if kind in ("LOGISTIC", "TANH"):
            fixed = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}[kind] if self.eight else (2.0**-15, 0)
            self.values.append(self.model.unary(kind, [t], self._shape(t), self.element, *fixed))
            return
        self._new(kind, [t], None, **options)

    def _rescaled(self, t: int) -> None:
        self._new("QUANTIZE", [t], None)

    def _square(self, t: int) -> None:
        other = self._any(self._same_scale(t, lambda shape: shape == self._shape(t)))
        self._new(str(self.chance.choice(["MAXIMUM", "MINIMUM"])), [t, other], None, t)

    def _fully_connected(self, t: int) -> None:
        shape, channels = self._shape(t), int(self.chance.integers(1, 10))
        biased = bool(self.chance.integers(2))
        if len(shape) > 1:
            options = {"keepNumDims": True, "fusedActivationFunction": int(self.chance.choice(FUSED))}
            weights = self._weights((channels, shape[-1]))
            bias = self._bias(channels, t, weights) if biased else -1
            self._new("FULLY_CONNECTED", [t, weights, bias], (*shape[:-1], channels), **options)

    def _window(self, t: int) -> tuple[dict[str, object], Shape] | None:
        """Options of a window and the rows and columns that it leaves."""
        shape = self._shape(t)
        if len(shape) != 4 or shape[0] != 1:
            return None
        size = [int(self.chance.integers(1, min(n, 3) + 1)) for n in shape[1:3]]
        stride, same = [int(n) for n in self.chance.integers(1, 3, 2)], bool(self.chance.integers(2))
        left = tuple(-(-(n if same else n - k + 1) // s) for n, k, s in zip(shape[1:3], size, stride, strict=True))
        options = {"padding": 0 if same else 1, "strideH": stride[0], "strideW": stride[1], "size": size}
        options["fusedActivationFunction"] = int(self.chance.choice(FUSED))
        return options, left

    def _convolution(self, t: int) -> None:
        found = self._window(t)
        if found is not None:
            options, left = found
            channels, depth = int(self.chance.integers(1, 9)), self._shape(t)[3]
            weights = self._weights((channels, *options.pop("size"), depth))  # type: ignore[misc]
            options |= {"dilationHFactor": 1, "dilationWFactor": 1}
            self._new("CONV_2D", [t, weights, self._bias(channels, t, weights)], (1, *left, channels), **options)

    def _depthwise(self, t: int) -> None:
        found = self._window(t)
        if found is not None:
            options, left = found
            channels = self._shape(t)[3]
            weights = self._weights((1, *options.pop("size"), channels), axis=3)  # type: ignore[misc]
            options |= {"dilationHFactor": 1, "dilationWFactor": 1, "depthMultiplier": 1}
            bias = self._bias(channels, t, weights)
            self._new("DEPTHWISE_CONV_2D", [t, weights, bias], (1, *left, channels), **options)

    def _pool(self, t: int) -> None:
        found = self._window(t)
        if found is not None:
            options, left = found
            options["filterHeight"], options["filterWidth"] = options.pop("size")  # type: ignore[misc]
            kind = str(self.chance.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
            self._new(kind, [t], (1, *left, self._shape(t)[3]), t, **options)

    def _axes(self, t: int) -> tuple[list[int], Shape]:
        shape = self._shape(t)
        axes = sorted({int(a) for a in self.chance.integers(0, len(shape), 2)})
        return axes, tuple(1 if i in axes else n for i, n in enumerate(shape))

    def _mean(self, t: int) -> None:
        axes, kept = self._axes(t)
        self._new("MEAN", [t, self._indices(axes)], kept, keepDims=True)

    def _extreme(self, t: int) -> None:
        axes, kept = self._axes(t)
        kind = str(self.chance.choice(["REDUCE_MAX", "REDUCE_MIN"]))
        self._new(kind, [t, self._indices(axes)], kept, t, keepDims=True)

    def _softmax(self, t: int) -> None:
        fixed = (1 / 256, -128) if self.eight else (2.0**-15, 0)
        self.values.append(self.model.unary("SOFTMAX", [t], self._shape(t), self.element, *fixed, beta=1.0))

    def _join(self, t: int) -> None:
        shape = self._shape(t)
        axis = int(self.chance.integers(len(shape)))
        rest = (*shape[:axis], *shape[axis + 1 :])
        fits = self._same_scale(t, lambda s: len(s) == len(shape) and (*s[:axis], *s[axis + 1 :]) == rest)
        parts = [t, *(self._any(fits) for _ in range(int(self.chance.integers(1, 3))))]
        whole = (*shape[:axis], sum(self._shape(p)[axis] for p in parts), *shape[axis + 1 :])
        if prod(whole) <= LARGEST:
            self._new("CONCATENATION", parts, whole, t, axis=axis)

    def _split(self, t: int) -> None:
        shape = self._shape(t)
        even = [axis for axis, n in enumerate(shape) if n % 2 == 0]
        if even:
            axis = self._any(even)
            half = (*shape[:axis], shape[axis] // 2, *shape[axis + 1 :])
            parts = [self.model.tensor(half, self.element, *self._of(t)) for _ in range(2)]
            self.model.operator("SPLIT", [self._indices(axis), t], parts, numSplits=2)
            self.values += parts

    def _slice(self, t: int) -> None:
        shape, step = self._shape(t), int(self.chance.choice([-1, 1, 2]))
        axis = int(self.chance.integers(len(shape)))
        begins, ends = [0] * len(shape), list(shape)
        begins[axis] = -1 if step < 0 else int(self.chance.integers(shape[axis]))
        ends[axis] = -shape[axis] - 1 if step < 0 else shape[axis]
        strides = [step if i == axis else 1 for i in range(len(shape))]
        left = len(range(shape[axis])[begins[axis] :: step])
        cut = (*shape[:axis], left, *shape[axis + 1 :])
        self._new("STRIDED_SLICE", [t, *(self._indices(v) for v in (begins, ends, strides))], cut, t)

    def _transpose(self, t: int) -> None:
        order = self.chance.permutation(len(self._shape(t)))
        self._new("TRANSPOSE", [t, self._indices(order)], tuple(self._shape(t)[i] for i in order), t)

    def _pad(self, t: int) -> None:
        self._bordered("PAD", t, 2)

    def _mirror(self, t: int) -> None:
        self._bordered("MIRROR_PAD", t, 1, mode=1)

    def _bordered(self, kind: str, t: int, most: int, **options: object) -> None:
        shape = self._shape(t)
        borders = self.chance.integers(0, most + 1, (len(shape), 2))
        wide = tuple(int(n + pair.sum()) for n, pair in zip(shape, borders, strict=True))
        if prod(wide) <= LARGEST:
            self._new(kind, [t, self._indices(borders)], wide, t, **options)

    def _resize(self, t: int) -> None:
        shape = self._shape(t)
        if len(shape) == 4 and shape[0] == 1:
            size = [int(n) for n in self.chance.integers(1, 7, 2)]
            kind = str(self.chance.choice(["RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR"]))
            options = {"halfPixelCenters": bool(self.chance.integers(2)), "alignCorners": False}
            self._new(kind, [t, self._indices(size)], (1, *size, shape[3]), t, **options)

    def _repeat(self, t: int) -> None:
        shape = self._shape(t)
        times = [int(n) for n in self.chance.integers(1, 3, len(shape))]
        wide = tuple(n * k for n, k in zip(shape, times, strict=True))
        if self.eight and prod(wide) <= LARGEST:
            self._new("TILE", [t, self._indices(times)], wide, t)

    def _reshape(self, t: int) -> None:
        size = prod(self._shape(t))
        rows = next(n for n in (4, 3, 2, 1) if size % n == 0)
        shape = [(size,), (1, size), (rows, size // rows), (1, rows, size // rows, 1)][int(self.chance.integers(4))]
        self._new("RESHAPE", [t, self._indices(shape)], shape, t)

    def _product(self, t: int) -> None:
        shape = self._shape(t)
        fits = [v for v in self.values if len(self._shape(v)) == len(shape) >= 2 and self._shape(v)[-1] == shape[-1]]
        fits = [v for v in fits if self._shape(v)[:-2] == shape[:-2]]
        if fits:
            other = self._any(fits)
            self._new("BATCH_MATMUL", [t, other], (*shape[:-1], self._shape(other)[-2]), adjY=True)

    def _pack(self, t: int) -> None:
        parts = [t, *(self._any(self._same_scale(t, lambda s: s == self._shape(t))) for _ in range(2))]
        axis, shape = int(self.chance.integers(len(self._shape(t)) + 1)), list(self._shape(t))
        shape.insert(axis, len(parts))
        if prod(shape) <= LARGEST and len(shape) <= 4:
            self._new("PACK", parts, tuple(shape), t, axis=axis, valuesCount=len(parts))

    def _unpack(self, t: int) -> None:
        shape = self._shape(t)
        axis = int(self.chance.integers(len(shape)))
        if len(shape) > 1 and shape[axis] <= 6:
            rest = (*shape[:axis], *shape[axis + 1 :])
            parts = [self.model.tensor(rest, self.element, *self._of(t)) for _ in range(shape[axis])]
            self.model.operator("UNPACK", [t], parts, num=shape[axis], axis=axis)
            self.values += parts

    def _gather(self, t: int) -> None:
        shape = self._shape(t)
        axis = int(self.chance.integers(len(shape)))
        picked = self.chance.integers(0, shape[axis], 3)
        result = (*shape[:axis], 3, *shape[axis + 1 :])
        self._new("GATHER", [t, self._indices(picked)], result, t, axis=axis, batchDims=0)

    def _choose(self, t: int) -> None:
        if not self.eight:
            return
        flag = self.model.tensor(self._shape(t), "bool", None)
        right = self._any([v for v in self.values if self._shape(v) == self._shape(t)])
        self.model.operator(str(self.chance.choice(["GREATER", "LESS_EQUAL", "EQUAL"])), [t, right], [flag])
        other = self._any(self._same_scale(t, lambda s: s == self._shape(t)))
        self._new("SELECT_V2", [flag, t, other], None, t)
