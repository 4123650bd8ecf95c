"""CONV_2D: y[h, w, o] = requantise(bias[o] + sum_ijc w[o, i, j, c] * (x[..., c] - zx)), NHWC, batch 1.

int8 sums are scaled with two roundings, int16 sums (64-bit bias) `wide`. Outside the image x is its zero point.
A filter with fewer channels than the image is a grouped convolution: output channel o reads the group
o * groups // outputs.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.geometry import Geometry, geometry, output_size
from tinyloc.codegen.arithmetic.requantise import Requantisation, scaling
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.kernel_forms.conv_blocks import form_costs, in_blocks, lower_blocks, plain_suffix, window_bytes
from tinyloc.codegen.kernel_forms.depthwise_rows import lower_rows, rows_bytes
from tinyloc.codegen.layer_code import Array, Constant, FormCost, Lowered
from tinyloc.codegen.operators.base import is_small, shape_problems
from tinyloc.codegen.operators.convolution import Convolution, factors, filter_of, taps_of
from tinyloc.codegen.operators.fully_connected import bias_of


class Conv2D(Convolution):
    def _misfits(self, graph: Graph, op: Operator) -> list[str]:
        x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
        problems = shape_problems(graph, op.outputs[0], (1, *output_size(op, x.shape, w.shape), w.shape[0]))
        if x.shape[3] % w.shape[3] or w.shape[0] % (x.shape[3] // w.shape[3]):
            problems.append(f"a filter of shape {w.shape} does not fit {x.shape[3]} channels")
        return problems

    def _rows(self, graph: Graph, op: Operator) -> Array:
        taps = filter_of(graph, op.inputs[1])
        return taps.reshape(len(taps), -1)

    def _geometry(self, graph: Graph, op: Operator) -> Geometry:
        return geometry(op, *(graph.tensors[t].shape for t in (op.inputs[0], op.inputs[1], op.outputs[0])))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        assert values[0] is not None
        g, taps = self._geometry(graph, op), filter_of(graph, op.inputs[1])
        depth = taps.shape[3]
        groups = g.input[2] // depth
        each = g.output[2] // groups
        sums = np.zeros(g.output, dtype=np.int64)
        for i, j, seen in taps_of(values[0][0].astype(np.int64) - x.zero_point, g):
            for group in range(groups):
                own = slice(group * each, (group + 1) * each)
                sums[..., own] += seen[..., group * depth : (group + 1) * depth] @ taps[own, i, j].T
        bias = bias_of(graph, op)
        if bias is not None:
            sums += bias
        return [self._requantisation(graph, op).reference(sums).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self._geometry(graph, op), filter_of(graph, op.inputs[1]), self._requantisation(graph, op)
        return lower_convolution(prefix, taps, bias_of(graph, op), g, x, r, is_small(op))

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self._geometry(graph, op), filter_of(graph, op.inputs[1]), self._requantisation(graph, op)
        return convolution_forms(taps, bias_of(graph, op), g, x, r)

    def scratch(self, graph: Graph, op: Operator) -> int:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self._geometry(graph, op), filter_of(graph, op.inputs[1]), self._requantisation(graph, op)
        return convolution_scratch(taps, bias_of(graph, op), g, x, r, is_small(op))

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        """A filter of one tap to as many channels: four pixels are gathered before they are written."""
        x, y, g = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]], self._geometry(graph, op)
        whole = graph.tensors[op.inputs[1]].shape[3] == x.shape[3]
        alike = x.shape == y.shape and g.kernel == g.stride == (1, 1) and whole and self.scratch(graph, op) > 0
        return ((op.inputs[0], op.outputs[0]),) if alike else ()


def by_channel(taps: Array, g: Geometry) -> Array | None:
    """Filters (KH, KW, outputs) of a convolution in as many groups as the image has channels: it is depthwise."""
    return taps[..., 0].transpose(1, 2, 0) if taps.shape[3] == 1 < g.input[2] else None


def convolution_scratch(
    taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation, small: bool = False
) -> int:
    """Bytes that lower_convolution needs."""
    if small or not in_blocks(taps, bias, x, r):
        return 0
    return window_bytes(g, taps.shape[3]) if by_channel(taps, g) is None else rows_bytes(g)


def convolution_forms(
    taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation
) -> tuple[FormCost, FormCost] | None:
    """What lower_convolution takes in each form."""
    if not in_blocks(taps, bias, x, r):
        return None
    kind = "depthwise_rows" if by_channel(taps, g) is not None else ""
    kind = kind or ("conv_blocks" if taps.shape[3] == g.input[2] else "conv_parts")
    return form_costs(kind, "conv", x, g.output[0] * g.output[1] * taps.size)


def lower_convolution(
    prefix: str, taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation, small: bool = False
) -> Lowered:
    """The call for taps (outputs, KH, KW, depth): in blocks or lines where they fit, else or if `small` plain."""
    if not small and in_blocks(taps, bias, x, r):
        own = by_channel(taps, g)
        if own is not None:
            return lower_rows(prefix, own, bias, g, x, r)
        return lower_blocks(prefix, taps, bias, g, x, r)
    channels, depth = g.output[2], taps.shape[3]
    how, arrays = scaling(prefix, factors(r), r)
    shape = f"[{channels}][{g.kernel[0]}][{g.kernel[1]}][{depth}]"
    constants = (
        Constant(f"{prefix}_weights", "int8_t", taps.ravel(), shape),
        Constant(f"{prefix}_bias", "int32_t", np.zeros(channels) if bias is None else bias, f"[{channels}]"),
        *arrays,
    )
    arguments = f"{prefix}_weights, {prefix}_bias, &scaling, &shape, {depth}, {x.zero_point}, y"
    call = f"tl_conv_{plain_suffix(x, r)}(x0, {arguments});"
    return Lowered((how, g.declaration, call), constants, ("tl_conv.h",), g.output[0] * g.output[1] * taps.size)
