"""CONV_2D: y[h, w, o] = requantise(bias[o] + sum_ijc w[o, i, j, c] * (x[..., c] - zx)), NHWC, batch 1.

int8 sums are scaled with two roundings, int16 sums (64-bit bias) `wide`. Outside the image x is its zero point.
A filter with fewer channels than the image is a grouped convolution: output channel o reads the group
o * groups // outputs.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.geometry import Geometry, geometry, output_size
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.kernel_forms.conv_blocks import form_costs, lower_blocks, window_bytes
from tinyloc.codegen.kernel_forms.conv_pixel import is_pixel, lower_pixel
from tinyloc.codegen.kernel_forms.depthwise_rows import lower_rows, rows_bytes
from tinyloc.codegen.kernel_forms.depthwise_taps import by_channel_form, lower_taps
from tinyloc.codegen.kernel_forms.odd_rows import OddRows, lower_plain, odd_rows, with_odd, without
from tinyloc.codegen.layer_code import Array, FormCost, Lowered
from tinyloc.codegen.operators.base import is_small, shape_problems
from tinyloc.codegen.operators.convolution import Convolution, filter_of, taps_of
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

    def geometry(self, graph: Graph, op: Operator) -> Geometry:
        return geometry(op, *(graph.tensors[t].shape for t in (op.inputs[0], op.inputs[1], op.outputs[0])))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        assert values[0] is not None
        g, taps = self.geometry(graph, op), filter_of(graph, op.inputs[1])
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
        return [self.requantisation(graph, op).reference(sums).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self.geometry(graph, op), filter_of(graph, op.inputs[1]), self.requantisation(graph, op)
        return lower_convolution(prefix, taps, bias_of(graph, op), g, x, r, is_small(op))

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self.geometry(graph, op), filter_of(graph, op.inputs[1]), self.requantisation(graph, op)
        return convolution_forms(taps, bias_of(graph, op), g, x, r)

    def scratch(self, graph: Graph, op: Operator) -> int:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self.geometry(graph, op), filter_of(graph, op.inputs[1]), self.requantisation(graph, op)
        return convolution_scratch(taps, bias_of(graph, op), g, x, r, is_small(op))

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        """A filter of one tap to as many channels: four pixels are gathered before they are written."""
        x, y, g = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]], self.geometry(graph, op)
        whole = graph.tensors[op.inputs[1]].shape[3] == x.shape[3]
        alike = x.shape == y.shape and g.kernel == g.stride == (1, 1) and whole and self.scratch(graph, op) > 0
        taps, bias, r = filter_of(graph, op.inputs[1]), bias_of(graph, op), self.requantisation(graph, op)
        alike = alike and not _odd(taps, bias, x, r).rows  # those read the image once more
        return ((op.inputs[0], op.outputs[0]),) if alike else ()


def by_channel(taps: Array, g: Geometry) -> Array | None:
    """Filters (KH, KW, outputs) of a convolution in as many groups as the image has channels: it is depthwise."""
    return taps[..., 0].transpose(1, 2, 0) if taps.shape[3] == 1 < g.input[2] else None


def _odd(taps: Array, bias: Array | None, x: Tensor, r: Requantisation) -> OddRows:
    return odd_rows(taps.reshape(len(taps), -1), bias, x, r)


def convolution_scratch(
    taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation, small: bool = False
) -> int:
    """Bytes that lower_convolution needs."""
    if small or not _odd(taps, bias, x, r).few:
        return 0
    if is_pixel(g, taps.shape[3], x):
        return 0
    if by_channel(taps, g) is None:
        return window_bytes(g, taps.shape[3])
    return 0 if by_channel_form(g) == "taps" else rows_bytes(g)


def convolution_forms(
    taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation
) -> tuple[FormCost, FormCost] | None:
    """What lower_convolution takes in each form."""
    if not _odd(taps, bias, x, r).few:
        return None
    if is_pixel(g, taps.shape[3], x):
        kind = "fully_connected"
    elif by_channel(taps, g) is not None:
        kind = f"depthwise_{by_channel_form(g)}"
    else:
        kind = "conv_blocks" if taps.shape[3] == g.input[2] else "conv_parts"
    return form_costs(kind, "conv", x, g.output[0] * g.output[1] * taps.size)


def lower_convolution(
    prefix: str, taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation, small: bool = False
) -> Lowered:
    """The call for taps (outputs, KH, KW, depth): in blocks or lines where they fit, else or if `small` plain."""
    odd = _odd(taps, bias, x, r)
    if small or not odd.few:
        plain = lower_plain(prefix, taps, bias, g, x, r)
        return plain if small else dataclasses.replace(plain, note=f"plain kernel: {odd.why}")
    ordinary = without(taps, bias, r, odd) if odd.rows else (taps, bias, r)
    own = by_channel(ordinary[0], g)
    if is_pixel(g, taps.shape[3], x):
        fast = lower_pixel(prefix, ordinary[0], ordinary[1], x, ordinary[2])
    elif own is not None:
        fast = (lower_taps if by_channel_form(g) == "taps" else lower_rows)(prefix, own, ordinary[1], g, x, ordinary[2])
    else:
        fast = lower_blocks(prefix, ordinary[0], ordinary[1], g, x, ordinary[2])
    return with_odd(fast, lower_plain(prefix, taps, bias, g, x, r, odd), odd) if odd.rows else fast
