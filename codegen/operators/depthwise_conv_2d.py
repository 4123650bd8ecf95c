"""DEPTHWISE_CONV_2D: y[h, w, c] = requantise(bias[c] + sum_ij w[i, j, c] * (x[..., c // m] - zx)), NHWC, batch 1.

int8 sums are scaled with two roundings, int16 sums (64-bit bias) `wide`. Outside the image x is its zero point.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.operators.base import (
    Array,
    Constant,
    KernelRule,
    Lowered,
    activation_problems,
    activation_range,
    quantised_problems,
    shape_problems,
)
from tinyloc.codegen.operators.fully_connected import bias_of, channel_problems
from tinyloc.codegen.operators.requantise import Requantisation, scaling, sum_bound


@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution; padding is what lies before the first row and column."""

    input: tuple[int, int, int]  # (H, W, C)
    output: tuple[int, int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]


def output_size(op: Operator, image: tuple[int, ...], kernel: tuple[int, ...]) -> tuple[int, int]:
    """(H, W) of the output; `kernel` has H and W at 1 and 2. TFLite: ComputeOutSize."""
    sizes = []
    for i, axis in ((1, "h"), (2, "w")):
        stride, dilation = op.attributes[f"stride_{axis}"], op.attributes.get(f"dilation_{axis}", 1)
        reach = (kernel[i] - 1) * dilation + 1
        room = image[i] if op.attributes["padding"] == 0 else image[i] - reach + 1
        sizes.append(-(-room // stride))
    return sizes[0], sizes[1]


def geometry(graph: Graph, op: Operator) -> Geometry:
    """Sizes and padding. TFLite: ComputePaddingHeightWidth."""
    x, w, y = (graph.tensors[t].shape for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
    stride = (op.attributes["stride_h"], op.attributes["stride_w"])
    dilation = (op.attributes["dilation_h"], op.attributes["dilation_w"])
    padding = [0, 0]
    if op.attributes["padding"] == 0:  # SAME
        for i in range(2):
            reach = (y[1 + i] - 1) * stride[i] + (w[1 + i] - 1) * dilation[i] + 1
            padding[i] = max(reach - x[1 + i], 0) // 2
    return Geometry((x[1], x[2], x[3]), (y[1], y[2], y[3]), (w[1], w[2]), stride, dilation, (padding[0], padding[1]))


def _multiplier(graph: Graph, op: Operator) -> int:
    """Filters a channel; TFLite's own kernels go by the shapes, not by the option."""
    return graph.tensors[op.inputs[1]].shape[-1] // graph.tensors[op.inputs[0]].shape[-1]


class DepthwiseConv2D(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16")) + activation_problems(op)
        x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
        if w.data is None or w.element != "int8" or w.quantisation is None or any(w.quantisation.zero_point):
            return [*problems, f"the filter {w.name} must be constant, symmetric int8"]
        if len(x.shape) != 4 or len(w.shape) != 4 or w.shape[0] != 1:
            return [*problems, f"{x.name} {x.shape} and the filter {w.shape} must be of rank 4"]
        problems += channel_problems(graph, op, w.shape[-1])
        if not problems:
            problems += shape_problems(graph, op.outputs[0], (x.shape[0], *output_size(op, x.shape, w.shape), w.shape[3]))
        if x.shape[-1] * _multiplier(graph, op) != w.shape[-1]:
            problems.append(f"{w.shape[-1]} filters are not a multiple of {x.shape[-1]} channels")
        if x.shape[0] != 1:
            problems.append(f"batch {x.shape[0]}: only 1 is supported")
        if not problems and self._bound(graph, op) >= 2**31:
            problems.append("sums overflow 32 bits; use a smaller kernel or int8")
        return problems

    @staticmethod
    def _filter(graph: Graph, op: Operator) -> Array:
        data = graph.tensors[op.inputs[1]].data
        assert data is not None
        return data[0]  # (KH, KW, C)

    def _bound(self, graph: Graph, op: Operator) -> int:
        taps = self._filter(graph, op).astype(np.int64)
        return sum_bound(taps.reshape(-1, taps.shape[-1]).T, bias_of(graph, op), graph.tensors[op.inputs[0]])

    def _requantisation(self, graph: Graph, op: Operator) -> Requantisation:
        x, w, y = (graph.tensors[t] for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
        return _requantisation(x, w, y, op.attributes.get("activation", 0))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        assert values[0] is not None
        g = geometry(graph, op)
        image = np.repeat(values[0][0].astype(np.int64) - x.zero_point, _multiplier(graph, op), axis=-1)
        taps = self._filter(graph, op).astype(np.int64)
        sums = np.zeros(g.output, dtype=np.int64)
        for oh in range(g.output[0]):
            for ow in range(g.output[1]):
                for i in range(g.kernel[0]):
                    for j in range(g.kernel[1]):
                        h = oh * g.stride[0] - g.padding[0] + i * g.dilation[0]
                        w = ow * g.stride[1] - g.padding[1] + j * g.dilation[1]
                        if 0 <= h < g.input[0] and 0 <= w < g.input[1]:
                            sums[oh, ow] += image[h, w] * taps[i, j]
        bias = bias_of(graph, op)
        if bias is not None:
            sums += bias
        return [self._requantisation(graph, op).reference(sums).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        g = geometry(graph, op)
        taps = self._filter(graph, op)
        r = self._requantisation(graph, op)
        how, arrays = scaling(prefix, r.wide_factors() if r.rounding == "wide" else r.twice_factors(), r)
        bias = bias_of(graph, op)
        constants = (
            Constant(f"{prefix}_bias", "int32_t", np.zeros(g.output[2]) if bias is None else bias, f"[{g.output[2]}]"),
            *arrays,
        )
        packed = Constant(f"{prefix}_weights", "int8_t", taps.ravel(), f"[{g.kernel[0]}][{g.kernel[1]}][{g.output[2]}]")
        suffix = "s16" if x.element == "int16" else "s8"
        sizes = ", ".join(str(n) for n in (*g.input, *g.output, *g.kernel, *g.stride, *g.dilation, *g.padding))
        call = (
            f"tl_depthwise_{suffix}(x0, {prefix}_weights, {prefix}_bias, &scaling, (tl_conv_shape_t){{{sizes}}}, "
            f"{x.zero_point}, y);"
        )
        macs = g.output[0] * g.output[1] * g.output[2] * g.kernel[0] * g.kernel[1]
        return Lowered((how, call), (packed, *constants), ("tl_depthwise.h",), macs)


@functools.cache
def _requantisation(x: Tensor, w: Tensor, y: Tensor, activation: int) -> Requantisation:
    assert w.quantisation is not None
    factor = tuple(
        float(np.float32(x.scale)) * float(np.float32(s)) / float(np.float32(y.scale)) for s in w.quantisation.scale
    )
    low, high = activation_range(y, activation)
    return Requantisation("wide" if x.element == "int16" else "twice", factor, y.zero_point, low, high, y.element)
