"""COPY, ours: a part of a tensor, or its axes in another order, written one element after the other.

What SPLIT, SLICE, STRIDED_SLICE, TRANSPOSE and UNPACK become where their result does not lie in one piece in their
input. Attributes: `sizes` of the output's axes, `strides` of each in the flat input, `offset` of the first element.
"""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule


def merged_axes(sizes: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """(size, stride) of as few axes as say the same, outermost first; axes of one element vanish."""
    axes: list[tuple[int, int]] = []
    for size, stride in zip(sizes, strides, strict=True):
        if size == 1:
            continue
        if axes and axes[-1][1] == size * stride:
            axes[-1] = (axes[-1][0] * size, stride)
        else:
            axes.append((size, stride))
    return axes


class Copy(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        index = np.full((), op.attributes["offset"])
        for size, stride in zip(op.attributes["sizes"], op.attributes["strides"], strict=True):
            index = index[..., None] + np.arange(size) * stride
        return [values[0].ravel()[index].reshape(graph.tensors[op.outputs[0]].shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        axes = merged_axes(op.attributes["sizes"], op.attributes["strides"])
        offset = op.attributes["offset"]
        run = axes.pop()[0] if axes and axes[-1][1] == 1 else 1
        lines = []
        terms = []
        for depth, (size, stride) in enumerate(axes):
            name = f"i{depth}"
            lines.append("    " * depth + f"for (int32_t {name} = 0; {name} < {size}; {name}++) {{")
            terms.append(f"{name} * {stride}" if stride != 1 else name)
        index = " + ".join([*terms, str(offset)] if offset or not terms else terms)
        element = graph.tensors[op.outputs[0]].element
        inside = "    " * len(axes)
        if run == 1:
            lines.append(f"{inside}*y++ = x0[{index}];")
        else:
            lines.append(f"{inside}tl_copy(y, x0 + {index}, {run * BYTES[element]});")
            lines.append(f"{inside}y += {run};")
        lines += ["    " * depth + "}" for depth in reversed(range(len(axes)))]
        return Lowered(tuple(lines), (), ("tl_copy.h",), 0, f"copies {prod(op.attributes['sizes'])} elements")
