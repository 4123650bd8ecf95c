"""Pools and reductions of many samples at once, in real numbers and in integers."""

from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.operators.pool_2d import Pool2D
from tinyloc.codegen.semantics.operator_table import rule_of

POOLS = ("AVERAGE_POOL_2D", "MAX_POOL_2D")
REDUCTIONS = ("MEAN", "REDUCE_MAX", "REDUCE_MIN")


def reduced_axes(graph: Graph, op: Operator) -> tuple[int, ...]:
    """Axes of values (N, *shape) that a reduction removes."""
    data, rank = graph.tensors[op.inputs[1]].data, len(graph.tensors[op.inputs[0]].shape)
    assert data is not None
    return tuple(sorted({int(axis) % rank + 1 for axis in np.asarray(data).ravel()}))


def reduced(graph: Graph, op: Operator, x: Tensor) -> Tensor:
    """The result (N, *shape) in real numbers."""
    reduce = {"MEAN": torch.mean, "REDUCE_MAX": torch.amax, "REDUCE_MIN": torch.amin}[op.kind]
    y: Tensor = reduce(x, dim=reduced_axes(graph, op))  # type: ignore[operator]
    return y.reshape(len(x), *graph.tensors[op.outputs[0]].shape)


def pooled(graph: Graph, op: Operator, x: Tensor) -> Tensor:
    """A pool (N, 1, H, W, C) of images (N, 1, H, W, C) in real numbers. What lies outside is not counted."""
    g = cast(Pool2D, rule_of(graph, op)).geometry(graph, op)
    images = x.reshape(len(x), *g.input).permute(0, 3, 1, 2)
    if op.kind == "MAX_POOL_2D":
        y = functional.max_pool2d(_framed(images, g, -torch.inf), g.kernel, g.stride)
    else:
        counted = _framed(torch.ones_like(images[:1]), g, 0.0)
        sums = functional.avg_pool2d(_framed(images, g, 0.0), g.kernel, g.stride, divisor_override=1)
        y = sums / functional.avg_pool2d(counted, g.kernel, g.stride, divisor_override=1)
    return y[:, :, : g.output[0], : g.output[1]].permute(0, 2, 3, 1)[:, None]


def _framed(images: Tensor, g: Geometry, value: float) -> Tensor:
    sides = []
    for axis in (1, 0):
        reach = (g.output[axis] - 1) * g.stride[axis] + g.kernel[axis]
        sides += [g.padding[axis], max(reach - g.input[axis] - g.padding[axis], 0)]
    return functional.pad(images, sides, value=value)


def beside(images: Tensor) -> Tensor:
    """Images (N, 1, H, W, C) as one of N * C channels, (1, H, W, N * C): a pool treats each channel alone."""
    return images[:, 0].permute(1, 2, 0, 3).flatten(2)[None]


def apart(image: Tensor, samples: int) -> Tensor:
    """The inverse of `beside`."""
    return image[0].reshape(*image.shape[1:3], samples, -1).permute(2, 0, 1, 3)[:, None]
