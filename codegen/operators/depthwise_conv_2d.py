"""DEPTHWISE_CONV_2D: y[h, w, c] = requantise(bias[c] + sum_ij w[i, j, c] * (x[..., c // m] - zx)), NHWC, batch 1.

int8 sums are scaled with two roundings, int16 sums (64-bit bias) `wide`. Outside the image x is its zero point.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.geometry import Geometry, geometry, output_size
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.kernel_forms.conv_blocks import form_costs
from tinyloc.codegen.kernel_forms.depthwise_rows import lower_rows, rows_bytes
from tinyloc.codegen.kernel_forms.depthwise_taps import by_channel_form, lower_taps
from tinyloc.codegen.kernel_forms.odd_rows import OddRows, lower_plain, odd_rows, with_odd, without
from tinyloc.codegen.layer_code import Array, FormCost, Lowered
from tinyloc.codegen.operators.base import is_small, shape_problems
from tinyloc.codegen.operators.conv_2d import convolution_scratch, lower_convolution
from tinyloc.codegen.operators.convolution import Convolution, filter_of, taps_of
from tinyloc.codegen.operators.fully_connected import bias_of


def _multiplier(graph: Graph, op: Operator) -> int:
    """Filters a channel; TFLite's own kernels go by the shapes, not by the option."""
    return graph.tensors[op.inputs[1]].shape[-1] // graph.tensors[op.inputs[0]].shape[-1]


def _single(taps: Array) -> Array:
    """The filters (outputs, KH, KW, 1) of a convolution of one channel, from (KH, KW, outputs)."""
    return taps.transpose(2, 0, 1)[..., None]


class DepthwiseConv2D(Convolution):
    def _misfits(self, graph: Graph, op: Operator) -> list[str]:
        x, w = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
        size = output_size(op, x.shape, w.shape)
        problems = shape_problems(graph, op.outputs[0], (x.shape[0], *size, w.shape[3]))
        if w.shape[0] != 1 or x.shape[-1] * _multiplier(graph, op) != w.shape[-1]:
            problems.append(f"a filter of shape {w.shape} does not fit {x.shape[-1]} channels")
        return problems

    def _rows(self, graph: Graph, op: Operator) -> Array:
        taps = filter_of(graph, op.inputs[1])
        return taps.reshape(-1, taps.shape[3]).T

    @staticmethod
    def _filter(graph: Graph, op: Operator) -> Array:
        """(KH, KW, C)."""
        taps: Array = filter_of(graph, op.inputs[1])[0]
        return taps

    def geometry(self, graph: Graph, op: Operator) -> Geometry:
        return geometry(op, *(graph.tensors[t].shape for t in (op.inputs[0], op.inputs[1], op.outputs[0])))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        assert values[0] is not None
        g = self.geometry(graph, op)
        image = np.repeat(values[0][0].astype(np.int64) - x.zero_point, _multiplier(graph, op), axis=-1)
        taps = self._filter(graph, op)
        sums = np.zeros(g.output, dtype=np.int64)
        for i, j, seen in taps_of(image, g):
            sums += seen * taps[i, j]
        bias = bias_of(graph, op)
        if bias is not None:
            sums += bias
        return [self.requantisation(graph, op).reference(sums).reshape(y.shape)]

    def scratch(self, graph: Graph, op: Operator) -> int:
        g, x, r = self.geometry(graph, op), graph.tensors[op.inputs[0]], self.requantisation(graph, op)
        form = self._form(graph, op)
        if form == "conv":
            return convolution_scratch(_single(self._filter(graph, op)), bias_of(graph, op), g, x, r)
        return rows_bytes(g) if form in ("rows", "lines") else 0

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        """An image of the result's shape: a row is in the ring before any pixel of it is written."""
        x, y, g = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]], self.geometry(graph, op)
        alike = x.shape == y.shape and g.stride == (1, 1) and self._form(graph, op) in ("rows", "lines")
        alike = alike and not self._odd(graph, op).rows  # those read the image once more
        return ((op.inputs[0], op.outputs[0]),) if alike else ()

    def _form(self, graph: Graph, op: Operator) -> str | None:
        """`conv`: a single channel, CONV_2D does; `rows`, `lines`, `taps`: tl_depthwise_*.h; None: the plain kernel."""
        return None if is_small(op) else self._fast_form(graph, op)

    def _odd(self, graph: Graph, op: Operator) -> OddRows:
        x, r = graph.tensors[op.inputs[0]], self.requantisation(graph, op)
        return odd_rows(self._rows(graph, op), bias_of(graph, op), x, r)

    def _fast_form(self, graph: Graph, op: Operator) -> str | None:
        if not self._odd(graph, op).few:
            return None
        if graph.tensors[op.inputs[0]].shape[3] == 1:
            return "conv"
        return by_channel_form(self.geometry(graph, op))

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        form, g = self._fast_form(graph, op), self.geometry(graph, op)
        if form is None:
            return None
        fast = "conv_blocks" if form == "conv" else f"depthwise_{form}"
        products = g.output[0] * g.output[1] * self._filter(graph, op).size
        return form_costs(fast, "depthwise", graph.tensors[op.inputs[0]], products)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        g, taps, r = self.geometry(graph, op), self._filter(graph, op), self.requantisation(graph, op)
        bias, form = bias_of(graph, op), self._form(graph, op)
        single = _single(taps)
        if form == "conv":
            return lower_convolution(prefix, single, bias, g, x, r)
        if form is not None:
            odd, lower = self._odd(graph, op), lower_taps if form == "taps" else lower_rows
            if not odd.rows:
                return lower(prefix, taps, bias, g, x, r)
            live, start, scaled = without(single, bias, r, odd)
            fast = lower(prefix, live[..., 0].transpose(1, 2, 0), start, g, x, scaled)
            return with_odd(fast, lower_plain(prefix, single, bias, g, x, r, odd), odd)
        plain = lower_plain(prefix, single, bias, g, x, r)
        return plain if is_small(op) else dataclasses.replace(plain, note=f"plain kernel: {self._odd(graph, op).why}")
