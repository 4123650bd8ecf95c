"""Whole convolutional networks of the kinds that MLPerf Tiny measures: figures of cycles, code and constants hold.

Made by hand with random weights; the emulated boards' answers equal the NumPy reference.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.codegen.arm_cores import COMPILER
from tests.codegen.equality import assert_same, reference_outputs
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.boards import load_board
from tinyloc.codegen.frontend.reader import read_tflite
from tinyloc.codegen.graph import Graph
from tinyloc.device.network.network_device import run_network
from tinyloc.device.network.run_network import compiled_network

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which(COMPILER) is None, reason=f"needs {COMPILER}"),
]


SCALE = 0.03
"""Of every value between layers."""


class Grower:
    """A network under construction; every layer has a scale a channel and, unless told otherwise, a ReLU."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.model, self.chance = TFLiteModel(), np.random.default_rng(12)
        self.t, self.shape = self.model.input((1, *shape), "int8", SCALE, 3), shape

    def convolution(self, out: int, kernel: tuple[int, int] = (1, 1), stride: int = 1, relu: bool = True) -> int:
        c = self.shape[2]
        return self._layer("CONV_2D", (out, *kernel, c), 0, kernel[0] * kernel[1] * c, stride, relu, {})

    def depthwise(self, stride: int = 1) -> int:
        return self._layer("DEPTHWISE_CONV_2D", (1, 3, 3, self.shape[2]), 3, 9, stride, True, {"depthMultiplier": 1})

    def weights(self, shape: tuple[int, ...], axis: int, depth: int) -> list[int]:
        """Filters and bias, with scales that keep random values in range from layer to layer."""
        scales = (self.chance.uniform(0.5, 2.0, shape[axis]) * 0.02 / np.sqrt(depth)).astype(np.float32)
        filters = self.model.constant(self.chance.integers(-127, 128, shape), "int8", scales, 0, axis)
        bias = self.chance.integers(-3000, 3000, shape[axis])
        return [filters, self.model.constant(bias, "int32", scales * np.float32(SCALE))]

    def _layer(
        self, kind: str, shape: tuple[int, ...], axis: int, depth: int, stride: int, relu: bool, more: dict[str, int]
    ) -> int:
        operands = [self.t, *self.weights(shape, axis, depth)]
        self.shape = (-(-self.shape[0] // stride), -(-self.shape[1] // stride), shape[axis])
        self.t = self.model.unary(
            kind, operands, (1, *self.shape), "int8", SCALE, -128 if relu else 7, padding=0,
            strideH=stride, strideW=stride, dilationHFactor=1, dilationWFactor=1,
            fusedActivationFunction=int(relu), **more,
        )  # fmt: skip
        return self.t

    def add(self, a: int, b: int) -> None:
        self.t = self.model.unary(
            "ADD", [a, b], (1, *self.shape), "int8", SCALE, -128, fusedActivationFunction=1, potScaleInt16=False
        )

    def finish(self, classes: int) -> TFLiteModel:
        """Average over the image, a fully connected layer, softmax."""
        h, w, c = self.shape
        pooled = self.model.unary(
            "AVERAGE_POOL_2D", [self.t], (1, 1, 1, c), "int8", SCALE, -128, padding=1,
            strideH=h, strideW=w, filterHeight=h, filterWidth=w,
        )  # fmt: skip
        operands = [pooled, *self.weights((classes, c), 0, c)]
        scores = self.model.unary("FULLY_CONNECTED", operands, (1, classes), "int8", SCALE, 0)
        self.model.output(self.model.unary("SOFTMAX", [scores], (1, classes), "int8", 1 / 256, -128, beta=1.0))
        return self.model


def keyword_spotting() -> TFLiteModel:
    g = Grower((49, 10, 1))
    g.convolution(64, (10, 4), 2)
    for _ in range(4):
        g.depthwise()
        g.convolution(64)
    return g.finish(12)


def residual() -> TFLiteModel:
    g = Grower((32, 32, 3))
    x = g.convolution(16, (3, 3))
    for channels, stride in ((16, 1), (32, 2), (64, 2)):
        before, shape = x, g.shape
        g.convolution(channels, (3, 3), stride)
        y = g.convolution(channels, (3, 3), relu=False)
        if stride > 1:
            g.t, g.shape = before, shape
            before = g.convolution(channels, stride=stride, relu=False)
        g.add(y, before)
        x = g.t
    return g.finish(10)


def wake_words() -> TFLiteModel:
    g = Grower((96, 96, 3))
    g.convolution(8, (3, 3), 2)
    blocks = ((16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1))
    for channels, stride in blocks:
        g.depthwise(stride)
        g.convolution(channels)
    return g.finish(2)


FIGURES = {  # cycles a multiply-accumulate: 0.65 of TensorFlow Lite Micro with CMSIS-NN
    ("keyword_spotting", "cortex-m4"): 2.27,
    ("residual", "cortex-m4"): 1.91,
    ("wake_words", "cortex-m4"): 2.56,
    ("keyword_spotting", "cortex-m3"): 4.16,
    ("residual", "cortex-m3"): 3.7,
    ("wake_words", "cortex-m3"): 4.48,
}
MODELS: dict[str, Callable[[], TFLiteModel]] = {
    "keyword_spotting": keyword_spotting,
    "residual": residual,
    "wake_words": wake_words,
}


def least_constants(graph: Graph) -> int:
    """Weights, biases, and a multiplier and a shift a channel, in bytes."""
    layers = [op for op in graph.operators if op.kind in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")]
    weights = sum(graph.tensors[op.inputs[1]].size for op in layers)
    return weights + sum((4 + 5) * graph.tensors[op.inputs[2]].size for op in layers)


@pytest.mark.parametrize(("name", "board"), FIGURES)
def test_figures(name: str, board: str, tmp_path: Path) -> None:
    path = MODELS[name]().write(tmp_path / "model.tflite")
    graph = read_tflite(path)
    tensor = graph.tensors[graph.inputs[0]]
    inputs = [np.random.default_rng(3).integers(-128, 128, tensor.shape).astype(np.int8)]
    with compiled_network(path, load_board(board)) as network:
        result = run_network(network.image.elf, network.board, network.manifest, [inputs], 1)
        figures = network.figures()
    assert len(np.unique(result.outputs[0][0])) > 1, "the answer is flat: the test sees too little"
    assert_same(f"NumPy and {board}", reference_outputs(graph, inputs), result.outputs[0], graph)
    assert result.costs[0].cycles <= FIGURES[name, board] * figures["macs"]
    assert figures["code_bytes"] <= 10 * 1024
    assert figures["constant_bytes"] <= 1.05 * least_constants(graph)
    assert figures["arena_bytes"] <= 1.1 * figures["arena_lower_bound"]
