"""Convolutions of many samples at once, in real numbers and in integers.

Sums of integer products are computed in double precision, where they are exact, and scaled by the compiler's rule.
"""

from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.convolution import Convolution
from tinyloc.codegen.operators.fully_connected import bias_of
from tinyloc.codegen.semantics.operator_table import rule_of

KINDS = ("CONV_2D", "DEPTHWISE_CONV_2D")


def geometry_of(graph: Graph, op: Operator) -> Geometry:
    """Sizes and padding of a convolution."""
    return _rule(graph, op).geometry(graph, op)


def convolved(graph: Graph, op: Operator, x: Tensor, w: Tensor, bias: Tensor | None) -> Tensor:
    """The sums (N, 1, H, W, O) of a convolution.

    Args:
        graph: with the operator.
        op: CONV_2D or DEPTHWISE_CONV_2D.
        x: images (N, 1, H, W, C).
        w: filters (O, KH, KW, C), or (1, KH, KW, O) of a depthwise one.
        bias: (O,) or None.
    """
    g = geometry_of(graph, op)
    images = x.reshape(len(x), *g.input).permute(0, 3, 1, 2)
    before, after = [], []
    for axis in range(2):
        reach = (g.output[axis] - 1) * g.stride[axis] + (g.kernel[axis] - 1) * g.dilation[axis] + 1
        before.append(g.padding[axis])
        after.append(max(reach - g.input[axis] - g.padding[axis], 0))
    images = functional.pad(images, (before[1], after[1], before[0], after[0]))
    depthwise = op.kind == "DEPTHWISE_CONV_2D"
    filters = w.permute(3, 0, 1, 2) if depthwise else w.permute(0, 3, 1, 2)
    groups = g.input[2] // filters.shape[1]
    y = functional.conv2d(images, filters, bias, g.stride, 0, g.dilation, groups)
    return y[:, :, : g.output[0], : g.output[1]].permute(0, 2, 3, 1)[:, None]


def convolved_integers(graph: Graph, op: Operator, x: Tensor) -> Tensor:
    """The integers (N, 1, H, W, O) of a convolution of integer images (N, 1, H, W, C), as the device computes them."""
    image, filters = graph.tensors[op.inputs[0]], graph.tensors[op.inputs[1]]
    assert filters.data is not None
    w = torch.from_numpy(np.asarray(filters.data).astype(np.float64))
    known = bias_of(graph, op)
    bias = None if known is None else torch.from_numpy(known.astype(np.float64))
    sums = convolved(graph, op, x.double() - image.zero_point, w, bias)
    scaled = _rule(graph, op).requantisation(graph, op).reference(sums.numpy().astype(np.int64))
    return torch.from_numpy(scaled)


def _rule(graph: Graph, op: Operator) -> Convolution:
    return cast(Convolution, rule_of(graph, op))
