"""Operators that put their input's elements elsewhere, some more than once, as strided views of it:

TILE, BROADCAST_TO, REVERSE_V2, DEPTH_TO_SPACE, SPACE_TO_DEPTH, and BATCH_TO_SPACE_ND and SPACE_TO_BATCH_ND without
border (passes/split_space_to_batch.py splits the border off). Where a result is not its input in one piece,
passes/copy_scattered_views.py makes a copy of it with these strides.
"""

from collections.abc import Callable

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array
from tinyloc.codegen.operators.base import ViewRule
from tinyloc.codegen.operators.view import part_problems

View = Callable[[Array, Operator, list[Array]], Array]


class Rearrangement(ViewRule):
    """`view` gives the result, in any shape, from (input, operator, constant operands)."""

    def __init__(self, view: View) -> None:
        self.view = view

    def views(self, graph: Graph, op: Operator, x: Array) -> list[Array]:
        return [self.view(x, op, [np.asarray(graph.tensors[t].data) for t in op.inputs[1:]])]

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if x.element != y.element:
            return [f"from {x.element} to {y.element}: only equal types are supported"]
        return part_problems(self, graph, op)


def _tile(x: Array, _: Operator, constants: list[Array]) -> Array:
    repeats = [int(n) for n in constants[0].ravel()]
    doubled = x.reshape([n for size in x.shape for n in (1, size)])
    return np.broadcast_to(doubled, [n for pair in zip(repeats, x.shape, strict=True) for n in pair])


def _broadcast(x: Array, _: Operator, constants: list[Array]) -> Array:
    return np.broadcast_to(x, [int(n) for n in constants[0].ravel()])


def _reverse(x: Array, _: Operator, constants: list[Array]) -> Array:
    return np.flip(x, [int(axis) for axis in constants[0].ravel()])


def _depth_to_space(x: Array, op: Operator, _: list[Array]) -> Array:
    size = op.attributes["block_size"]
    batch, height, width, depth = x.shape
    return x.reshape(batch, height, width, size, size, depth // size**2).transpose(0, 1, 3, 2, 4, 5)


def _space_to_depth(x: Array, op: Operator, _: list[Array]) -> Array:
    size = op.attributes["block_size"]
    batch, height, width, depth = x.shape
    return x.reshape(batch, height // size, size, width // size, size, depth).transpose(0, 1, 3, 2, 4, 5)


def _space_to_batch(x: Array, _: Operator, constants: list[Array]) -> Array:
    block = [int(n) for n in constants[0].ravel()]
    batch, rest = x.shape[0], x.shape[1 + len(block) :]
    split = [n for size, step in zip(x.shape[1:], block, strict=False) for n in (size // step, step)]
    axes, after = range(len(block)), 1 + 2 * len(block)
    order = [*(2 + 2 * i for i in axes), 0, *(1 + 2 * i for i in axes), *range(after, after + len(rest))]
    return x.reshape(batch, *split, *rest).transpose(order)


def _batch_to_space(x: Array, _: Operator, constants: list[Array]) -> Array:
    block = [int(n) for n in constants[0].ravel()]
    batch, rest = x.shape[0] // int(np.prod(block)), x.shape[1 + len(block) :]
    axes, after = range(len(block)), 1 + 2 * len(block)
    order = [len(block), *(n for i in axes for n in (1 + len(block) + i, i)), *range(after, after + len(rest))]
    return x.reshape(*block, batch, *x.shape[1 : 1 + len(block)], *rest).transpose(order)


REARRANGEMENTS: dict[str, Rearrangement] = {
    "BATCH_TO_SPACE_ND": Rearrangement(_batch_to_space),
    "BROADCAST_TO": Rearrangement(_broadcast),
    "DEPTH_TO_SPACE": Rearrangement(_depth_to_space),
    "REVERSE_V2": Rearrangement(_reverse),
    "SPACE_TO_BATCH_ND": Rearrangement(_space_to_batch),
    "SPACE_TO_DEPTH": Rearrangement(_space_to_depth),
    "TILE": Rearrangement(_tile),
}
