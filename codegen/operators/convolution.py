"""What the convolutions share: sizes, padding, and how their sums are scaled. NHWC, batch 1."""

import functools
from abc import abstractmethod
from collections.abc import Iterator

import numpy as np

from tinyloc.codegen.arithmetic.activation import activation_problems, activation_range
from tinyloc.codegen.arithmetic.geometry import LARGEST, Geometry
from tinyloc.codegen.arithmetic.overflow_checks import scale_problems
from tinyloc.codegen.arithmetic.requantise import Requantisation, Rounding, sum_bounds
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.base import KernelRule, quantised_problems
from tinyloc.codegen.operators.fully_connected import bias_of, channel_problems

INT32 = 2
"""Of TFLite's tensor types."""


def size_problems(g: Geometry) -> list[str]:
    """Sizes that the kernels have no room for."""
    reach = [(k - 1) * d + 1 for k, d in zip(g.kernel, g.dilation, strict=True)]
    largest = max(*g.input, *g.output, *g.kernel, *g.stride, *g.dilation, *reach)
    return [f"a size, stride or reach of {largest} exceeds {LARGEST}"] if largest > LARGEST else []


def filter_problems(graph: Graph, op: Operator, x: int, w: int, bias_position: int = 2) -> list[str]:
    """What stands against an image and a filter, whatever the kind of convolution."""
    problems = quantised_problems(graph, (x, op.outputs[0]), ("int8", "int16")) + activation_problems(op)
    image, taps, result = graph.tensors[x], graph.tensors[w], graph.tensors[op.outputs[0]]
    if taps.data is None or taps.element != "int8" or taps.quantisation is None or any(taps.quantisation.zero_point):
        return [*problems, f"the filter {taps.name} must be constant, symmetric int8"]
    if len(image.shape) != 4 or len(taps.shape) != 4:
        return [*problems, f"{image.name} {image.shape} and the filter {taps.shape} must be of rank 4"]
    if image.shape[0] != 1:
        problems.append(f"batch {image.shape[0]}: only 1 is supported")
    if image.element != result.element:
        problems.append(f"the result is {result.element}, the image {image.element}")
    if min(op.attributes["stride_h"], op.attributes["stride_w"]) < 1:
        problems.append("a stride below 1")
    if min(op.attributes.get("dilation_h", 1), op.attributes.get("dilation_w", 1)) < 1:
        problems.append("a dilation below 1")
    if len(op.inputs) > bias_position and op.inputs[bias_position] != -1:
        bias = graph.tensors[op.inputs[bias_position]]
        wanted = "int64" if image.element == "int16" else "int32"
        if bias.element != wanted and not is_narrow(graph, op, x, bias_position):
            problems.append(f"the bias {bias.name} is {bias.element}: {image.element} convolutions take {wanted}")
    return problems


def is_narrow(graph: Graph, op: Operator, x: int, bias_position: int) -> bool:
    """Whether sums of int16 products have 32 bits: the operator says that its bias has, or TFLM takes it as it is."""
    if graph.tensors[x].element != "int16":
        return False
    bias = op.inputs[bias_position] if len(op.inputs) > bias_position else -1
    if bias == -1:
        return op.attributes.get("bias_type") == INT32 and not op.attributes.get("as_tflm")
    said = op.attributes.get("bias_type") == INT32 or bool(op.attributes.get("as_tflm"))
    return said and graph.tensors[bias].element == "int32"


def filter_channel_problems(graph: Graph, op: Operator, w: int, channels: int, bias_position: int = 2) -> list[str]:
    """Scales and bias of a filter with this number of output channels."""
    bias = op.inputs[bias_position] if len(op.inputs) > bias_position else -1
    return channel_problems(graph, Operator(op.kind, (-1, w, bias), op.outputs), channels)


def filter_of(graph: Graph, tensor: int) -> Array:
    """A constant filter as int64, in its own shape."""
    data = graph.tensors[tensor].data
    assert data is not None
    return data.astype(np.int64)


def sum_problems(rows: Array, bias: Array | None, x: Tensor, r: Requantisation) -> list[str]:
    """Sums that cannot be scaled, and of int8 those that 32 bits cannot hold; rows: (output channels, taps).

    The kernels for int16 that blocks do not do have sums of 64 bits.
    """
    bounds = sum_bounds(rows, bias, x)
    bound = int(bounds.max())
    if r.rounding == "twice" and bound >= 2**31:
        return [f"sums reach {bound}: they overflow 32 bits; use a smaller kernel"]
    if bias is not None and int(np.abs(bias).max()) >= 2**31:
        return [f"a bias of {int(np.abs(bias).max())}: it does not fit 32 bits; calibrate the model again"]
    return scale_problems(r.factor, bounds, wide=r.rounding == "wide")


@functools.cache
def requantisation(x: Tensor, w: Tensor, y: Tensor, activation: int, narrow: bool = False) -> Requantisation:
    """Sums of 32 bits are rounded twice, int16 sums `wide` unless they are `narrow`."""
    assert w.quantisation is not None
    factor = tuple(
        float(np.float32(x.scale)) * float(np.float32(s)) / float(np.float32(y.scale)) for s in w.quantisation.scale
    )
    low, high = activation_range(y, activation)
    rounding: Rounding = "wide" if x.element == "int16" and not narrow else "twice"
    return Requantisation(rounding, factor, y.zero_point, low, high, y.element)


def factors(r: Requantisation) -> list[tuple[int, int]]:
    """(multiplier, shift) a channel in the form that the kernels take."""
    return r.wide_factors() if r.rounding == "wide" else r.twice_factors()


def taps_of(image: Array, g: Geometry, outside: int = 0) -> Iterator[tuple[int, int, Array]]:
    """(row, column, what this tap of the kernel sees at each output place: (H, W, C)); image: (H, W, C)."""
    reach = [(g.output[i] - 1) * g.stride[i] + (g.kernel[i] - 1) * g.dilation[i] + 1 for i in range(2)]
    rows, columns = (max(reach[i], g.input[i] + g.padding[i]) for i in range(2))
    padded = np.full((rows, columns, image.shape[2]), outside, dtype=image.dtype)
    padded[g.padding[0] : g.padding[0] + g.input[0], g.padding[1] : g.padding[1] + g.input[1]] = image
    for i in range(g.kernel[0]):
        for j in range(g.kernel[1]):
            h, w = i * g.dilation[0], j * g.dilation[1]
            yield (
                i,
                j,
                padded[
                    h : h + (g.output[0] - 1) * g.stride[0] + 1 : g.stride[0],
                    w : w + (g.output[1] - 1) * g.stride[1] + 1 : g.stride[1],
                ],
            )


class Convolution(KernelRule):
    """What the rules of the three convolutions share: where the operands are, and the checks."""

    IMAGE, FILTER, BIAS = 0, 1, 2

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        image, taps = op.inputs[self.IMAGE], op.inputs[self.FILTER]
        problems = filter_problems(graph, op, image, taps, self.BIAS)
        if problems:
            return problems
        rows = self._rows(graph, op)
        problems += filter_channel_problems(graph, op, taps, len(rows), self.BIAS) + self._misfits(graph, op)
        if not problems:
            bias, r = bias_of(graph, op, self.BIAS), self.requantisation(graph, op)
            problems += size_problems(self.geometry(graph, op)) + sum_problems(rows, bias, graph.tensors[image], r)
        return problems

    def requantisation(self, graph: Graph, op: Operator) -> Requantisation:
        x, w, y = (graph.tensors[t] for t in (op.inputs[self.IMAGE], op.inputs[self.FILTER], op.outputs[0]))
        narrow = is_narrow(graph, op, op.inputs[self.IMAGE], self.BIAS)
        return requantisation(x, w, y, op.attributes.get("activation", 0), narrow)

    @abstractmethod
    def geometry(self, graph: Graph, op: Operator) -> Geometry: ...

    @abstractmethod
    def _rows(self, graph: Graph, op: Operator) -> Array:
        """The filters (output channels, taps)."""

    @abstractmethod
    def _misfits(self, graph: Graph, op: Operator) -> list[str]:
        """Shapes of image, filter and result that do not fit each other."""
