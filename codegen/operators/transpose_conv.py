"""TRANSPOSE_CONV: each pixel adds x * w to a kernel-sized patch of the output, patches `stride` apart; NHWC, batch 1.

Written from the output's side: y[h, w] sums over those taps (i, j) for which (h + pad - i) and (w + pad - j) are
multiples of the stride. Rounding as in CONV_2D. conv_blocks.py says how its phases become convolutions.
Operands: shape, filter, image, bias.
"""

import dataclasses
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.geometry import Geometry, geometry, output_size
from tinyloc.codegen.arithmetic.requantise import scaling
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.kernel_forms.blocks import fits_blocks
from tinyloc.codegen.kernel_forms.conv_blocks import (
    Phase,
    form_costs,
    lower_phases,
    phases,
    phases_bytes,
    plain_suffix,
)
from tinyloc.codegen.layer_code import Array, Constant, FormCost, Lowered
from tinyloc.codegen.operators.base import is_small
from tinyloc.codegen.operators.convolution import Convolution, factors, filter_of
from tinyloc.codegen.operators.fully_connected import bias_of


class TransposeConv(Convolution):
    IMAGE, BIAS = 2, 3

    def _misfits(self, graph: Graph, op: Operator) -> list[str]:
        x, w, y = (graph.tensors[t] for t in (op.inputs[2], op.inputs[1], op.outputs[0]))
        if len(y.shape) != 4 or (y.shape[0], y.shape[3]) != (1, w.shape[0]) or x.shape[3] != w.shape[3]:
            return [f"a filter of shape {w.shape} does not lead from {x.shape} to {y.shape}"]
        return []

    def _rows(self, graph: Graph, op: Operator) -> Array:
        taps = filter_of(graph, op.inputs[1])
        return taps.reshape(len(taps), -1)

    def geometry(self, graph: Graph, op: Operator) -> Geometry:
        """That of the convolution which this one is the transpose of: its input is our output.

        An output may have any size, as in LiteRT: what lies beyond the patches is the bias, patches are cut off.
        """
        y, w, x = (graph.tensors[t].shape for t in (op.outputs[0], op.inputs[1], op.inputs[2]))
        padded = geometry(op, y, w, (1, *output_size(op, y, w), x[3]))
        return dataclasses.replace(padded, output=(x[1], x[2], x[3]))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, y = graph.tensors[op.inputs[2]], graph.tensors[op.outputs[0]]
        assert values[2] is not None
        g, taps = self.geometry(graph, op), filter_of(graph, op.inputs[1])
        image = values[2][0].astype(np.int64) - x.zero_point
        sums = np.zeros(y.shape[1:], dtype=np.int64)
        for row in range(g.output[0]):
            for column in range(g.output[1]):
                for i in range(g.kernel[0]):
                    for j in range(g.kernel[1]):
                        h, w = row * g.stride[0] - g.padding[0] + i, column * g.stride[1] - g.padding[1] + j
                        if 0 <= h < y.shape[1] and 0 <= w < y.shape[2]:
                            sums[h, w] += taps[:, i, j] @ image[row, column]
        bias = bias_of(graph, op, 3)
        if bias is not None:
            sums += bias
        return [self.requantisation(graph, op).reference(sums).reshape(y.shape)]

    def _phases(self, graph: Graph, op: Operator) -> list[Phase] | None:
        """None where the plain kernel does it."""
        return None if is_small(op) else self._fast_phases(graph, op)

    def _fast_phases(self, graph: Graph, op: Operator) -> list[Phase] | None:
        x, taps, r = graph.tensors[op.inputs[2]], filter_of(graph, op.inputs[1]), self.requantisation(graph, op)
        fits = fits_blocks(taps.reshape(len(taps), -1), bias_of(graph, op, 3), x, r)
        return phases(self.geometry(graph, op)) if fits else None

    def scratch(self, graph: Graph, op: Operator) -> int:
        found = self._phases(graph, op)
        return 0 if found is None else phases_bytes(found, graph.tensors[op.inputs[2]].shape[3])

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        found, taps = self._fast_phases(graph, op), filter_of(graph, op.inputs[1])
        if found is None:
            return None
        x = graph.tensors[op.inputs[2]]
        biases = 4 * (len(found) - 1) * len(taps)
        return form_costs("conv_parts", "transpose_conv", x, x.shape[1] * x.shape[2] * taps.size, biases)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y = graph.tensors[op.inputs[2]], graph.tensors[op.outputs[0]]
        g, taps, r = self.geometry(graph, op), filter_of(graph, op.inputs[1]), self.requantisation(graph, op)
        bias, found = bias_of(graph, op, 3), self._phases(graph, op)
        if found is not None:
            return lower_phases(prefix, taps, bias, found, g, x, r)
        how, arrays = scaling(prefix, factors(r), r)
        channels = y.shape[3]
        shape = f"[{channels}][{g.kernel[0]}][{g.kernel[1]}][{x.shape[3]}]"
        constants = (
            Constant(f"{prefix}_weights", "int8_t", taps.ravel(), shape),
            Constant(f"{prefix}_bias", "int32_t", np.zeros(channels) if bias is None else bias, f"[{channels}]"),
            *arrays,
        )
        own = Geometry((*x.shape[1:],), (*y.shape[1:],), g.kernel, g.stride, g.dilation, g.padding)  # type: ignore[arg-type]
        arguments = f"x0, {prefix}_weights, {prefix}_bias, &scaling, &shape, {x.zero_point}, y"
        call = f"tl_transpose_conv_{plain_suffix(x, r)}({arguments});"
        macs = x.shape[1] * x.shape[2] * taps.size
        return Lowered((how, own.declaration, call), constants, ("tl_transpose_conv.h",), macs)
