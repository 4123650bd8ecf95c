"""Convolutional networks whose rows are as training and folded batch normalisation leave them.

Kinds of rows: random, sparse, dead (zeros and a bias of up to 2^30), tiny (a scale so small that the bias decides),
saturating (always at a limit), edge (a bias near 2^30, and still not constant), low (a weight of -128).
"""

from collections.abc import Sequence

import numpy as np

from tests.codegen.operators.product_models import convolution_sizes
from tests.codegen.tflite_models import TFLiteModel

KINDS = ("random", "sparse", "dead", "tiny", "saturating", "edge", "low")
Size = tuple[int, int, int]


class RowNetwork:
    """Grows layer by layer; `mix` weighs the kinds of rows in the order of KINDS."""

    def __init__(self, seed: int, size: Size, element: str = "int8", mix: tuple[float, ...] | None = None) -> None:
        self.chance, self.element, self.size = np.random.default_rng(seed), element, size
        self.model = TFLiteModel()
        weights = np.array(mix or (4, 2, 2, 2, 1, 0.5, 0.5))
        self.mix = weights / weights.sum()
        self.scale, self.zero = 0.03, 0 if element == "int16" else int(self.chance.integers(-128, 30))
        self.t = self.model.input((1, *size), element, self.scale, self.zero)

    def convolution(
        self,
        out: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        padding: int = 0,
        relu: int = 1,
        multiplier: int = 0,
    ) -> int:
        """A CONV_2D, or with a multiplier a DEPTHWISE_CONV_2D."""
        h, w, c = self.size
        out = c * multiplier if multiplier else out
        depth = 1 if multiplier else c
        filters, scales, bias = self._rows(out, kernel[0] * kernel[1] * depth)
        filters = filters.reshape(out, *kernel, depth)
        if multiplier:
            filters = filters.transpose(3, 1, 2, 0)
        size = convolution_sizes(h, w, kernel, (stride, stride), (1, 1), padding)
        options = {"depthMultiplier": multiplier} if multiplier else {}
        self._add("DEPTHWISE_CONV_2D" if multiplier else "CONV_2D", filters, scales, bias, (*size, out), {
            "padding": padding, "strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1,
            "fusedActivationFunction": relu, **options,
        }, axis=3 if multiplier else 0)  # fmt: skip
        return self.t

    def connected(self, out: int, relu: int = 1) -> int:
        """A RESHAPE to one row where needed, and a FULLY_CONNECTED."""
        flat = int(np.prod(self.size))
        if self.size[:2] != (1, 1):
            shape = self.model.constant([1, flat])
            self.t = self.model.unary("RESHAPE", [self.t, shape], (1, flat), self.element, self.scale, self.zero)
        filters, scales, bias = self._rows(out, flat, KINDS[: 3 if self.element == "int16" else 5])
        self.size = (1, 1, out)
        self._add("FULLY_CONNECTED", filters, scales, bias, (out,), {"fusedActivationFunction": relu}, 0)
        return self.t

    def pool(self, kind: str = "MAX_POOL_2D") -> None:
        """Halve the image."""
        h, w, c = self.size
        self.size = (-(-h // 2), -(-w // 2), c)
        self.t = self.model.unary(
            kind, [self.t], (1, *self.size), self.element, self.scale, self.zero, padding=0,
            strideH=2, strideW=2, filterHeight=2, filterWidth=2,
        )  # fmt: skip

    def mean(self) -> None:
        """Of the image."""
        axes = self.model.constant([1, 2])
        self.size = (1, 1, self.size[2])
        shape = (1, self.size[2])
        self.t = self.model.unary("MEAN", [self.t, axes], shape, self.element, self.scale, self.zero, keepDims=False)

    def pad(self) -> None:
        """By one pixel."""
        h, w, c = self.size
        self.size = (h + 2, w + 2, c)
        borders = self.model.constant([[0, 0], [1, 1], [1, 1], [0, 0]])
        self.t = self.model.unary("PAD", [self.t, borders], (1, *self.size), self.element, self.scale, self.zero)

    def add(self, other: int) -> None:
        """To another value of this size."""
        before, self.scale = self.t, 0.05
        self.zero = 0 if self.element == "int16" else -9
        self.t = self.model.unary(
            "ADD", [before, other], (1, *self.size), self.element, self.scale, self.zero, potScaleInt16=False
        )

    def _rows(self, out: int, taps: int, kinds: Sequence[str] = KINDS) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        chance = self.chance
        filters = chance.integers(-127, 128, (out, taps))
        scales = (chance.uniform(0.5, 2.0, out) * 0.012 / np.sqrt(taps)).astype(np.float32)
        bias = chance.integers(-3000, 3000, out)
        for row, kind in enumerate(chance.choice(kinds, out, p=self.mix[: len(kinds)] / self.mix[: len(kinds)].sum())):
            if kind == "sparse":
                filters[row] *= chance.random(taps) < 0.2
            elif kind == "dead":
                filters[row], bias[row] = 0, chance.integers(-(2**30), 2**30 + 1)
                scales[row] = 10.0 ** chance.uniform(-11, -6)
            elif kind == "tiny":
                filters[row] = chance.integers(-2, 3, taps)
                bias[row] = chance.choice([-1, 1]) * 2**30
                scales[row] = 10.0 ** chance.uniform(-9, -7) * (0.01 if self.element == "int16" else 1.0)
            elif kind == "saturating":
                bias[row] = chance.choice([-1, 1]) * 2**24
            elif kind == "edge":  # the bias is near a step of the output, the products reach over it
                scales[row] = 2.0**-22 * 0.02 / self.scale * (0.01 if self.element == "int16" else 1.0)
                bias[row] = chance.choice([-1, 1]) * (2**30 - chance.integers(0, 1 << 20))
            elif kind == "low":
                filters[row, chance.integers(taps)] = -128
        return filters, scales, bias

    def _add(
        self,
        kind: str,
        filters: np.ndarray,
        scales: np.ndarray,
        bias: np.ndarray,
        shape: tuple[int, ...],
        options: dict[str, int],
        axis: int,
    ) -> None:
        element, chance = self.element, self.chance
        w = self.model.constant(filters, "int8", scales, axis=axis)
        b = self.model.constant(bias, "int64" if element == "int16" else "int32", scales * np.float32(self.scale))
        scale = float(chance.uniform(0.01, 0.04)) * (0.05 if element == "int16" else 1.0)
        zero = 0 if element == "int16" else int(chance.choice([-128, chance.integers(-128, 30)]))
        self.t = self.model.unary(kind, [self.t, w, b], (1, *shape), element, scale, zero, **options)
        self.scale, self.zero = scale, zero
        if len(shape) == 3:
            self.size = (shape[0], shape[1], shape[2])

    def finish(self) -> TFLiteModel:
        """The last value is the output."""
        self.model.output(self.t)
        return self.model


def random_rows(seed: int) -> TFLiteModel:
    """A network of random shape."""
    chance = np.random.default_rng(seed)
    element = str(chance.choice(["int8", "int8", "int16"]))
    size = (int(chance.integers(3, 9)), int(chance.integers(3, 9)), int(chance.integers(1, 5)))
    net = RowNetwork(seed, size, element)
    net.convolution(int(chance.integers(3, 9)), padding=int(chance.integers(2)) if min(size[:2]) > 3 else 0)
    for _ in range(int(chance.integers(1, 5))):
        step = int(chance.integers(6))
        if step == 0:
            net.convolution(int(chance.integers(2, 12)), kernel=(1, 1), relu=int(chance.integers(2)))
        elif step == 1:
            net.convolution(0, multiplier=1, stride=int(chance.integers(1, 3)))
        elif step == 2:
            net.convolution(0, multiplier=2, relu=int(chance.integers(2)))
        elif step == 3:
            net.pool(str(chance.choice(["MAX_POOL_2D", "AVERAGE_POOL_2D"])))
        elif step == 4:
            net.pad()
            net.convolution(0, multiplier=1, padding=1)
        else:
            before = net.t
            shape = net.size
            net.convolution(net.size[2], relu=int(chance.integers(2)))
            if net.size == shape:
                net.add(before)
    if chance.integers(2):
        net.mean()
    net.connected(int(chance.integers(2, 9)))
    net.connected(int(chance.integers(2, 6)), relu=0)
    return net.finish()
