"""Layers of every kind and shape, with weights as training leaves them: what the sweep measures."""

from collections.abc import Iterator
from dataclasses import dataclass

from tests.codegen.row_kinds_models import KINDS, RowNetwork
from tests.codegen.tflite_models import TFLiteModel

WEIGHTS = ("random", "sparse", "dead", "tiny", "saturating")
"""Kinds of rows_kinds_models.py; of other kinds than random a quarter of a layer's rows is."""


@dataclass(frozen=True)
class Case:
    """One layer; multiplier: filters a channel of DEPTHWISE_CONV_2D, 0 for CONV_2D; kernel (0, 0): FULLY_CONNECTED."""

    size: tuple[int, int, int]
    out: int
    kernel: tuple[int, int]
    stride: int = 1
    multiplier: int = 0
    padding: int = 0

    @property
    def kind(self) -> str:
        if self.kernel == (0, 0):
            return "fully connected"
        if self.multiplier:
            return "depthwise 3 x 3" if self.kernel == (3, 3) else "depthwise, other"
        return "pointwise" if self.kernel == (1, 1) else "convolution"

    @property
    def text(self) -> str:
        h, w, c = self.size
        if self.kernel == (0, 0):
            return f"{h * w * c} -> {self.out}"
        stride = f", stride {self.stride}" if self.stride > 1 else ""
        to = f" x {self.multiplier}" if self.multiplier > 1 else "" if self.multiplier else f" -> {self.out}"
        return f"{h} x {w} x {c}{to}, {self.kernel[0]} x {self.kernel[1]}{stride}{', VALID' if self.padding else ''}"


CASES = (
    Case((16, 16, 16), 16, (3, 3)),
    Case((16, 16, 3), 8, (3, 3), 2),
    Case((12, 12, 1), 16, (5, 5), 2),
    Case((9, 9, 17), 13, (3, 3)),
    Case((49, 1, 40), 24, (5, 1)),
    Case((12, 12, 8), 4, (7, 7)),
    Case((12, 12, 64), 64, (1, 1)),
    Case((6, 6, 128), 128, (1, 1)),
    Case((12, 12, 15), 31, (1, 1)),
    Case((1, 1, 96), 64, (1, 1)),
    Case((16, 16, 32), 32, (3, 3), 1, 1),
    Case((16, 16, 32), 32, (3, 3), 2, 1),
    Case((12, 12, 13), 13, (3, 3), 1, 1),
    Case((12, 12, 16), 16, (5, 5), 1, 1),
    Case((49, 1, 64), 64, (5, 1), 1, 1),
    Case((49, 1, 32), 32, (9, 1), 2, 1),
    Case((5, 1, 64), 64, (5, 1), 1, 1, 1),
    Case((12, 12, 8), 16, (3, 3), 1, 2),
    Case((1, 1, 128), 128, (0, 0)),
    Case((1, 1, 61), 33, (0, 0)),
    Case((1, 1, 512), 10, (0, 0)),
)


def model(case: Case, weights: str, element: str = "int8") -> TFLiteModel:
    """The layer alone; a quarter of its rows has these weights, the rest random ones."""
    mix = tuple(float(kind == "random") for kind in KINDS)
    if weights != "random":
        mix = tuple(0.75 if kind == "random" else 0.25 if kind == weights else 0.0 for kind in KINDS)
    net = RowNetwork(11, case.size, element, mix)
    if case.kernel == (0, 0):
        net.connected(case.out)
    else:
        net.convolution(case.out, case.kernel, case.stride, case.padding, 1, case.multiplier)
    return net.finish()


def all_cases() -> Iterator[tuple[Case, str]]:
    """Every layer with every kind of weights."""
    for case in CASES:
        for weights in WEIGHTS:
            yield case, weights
