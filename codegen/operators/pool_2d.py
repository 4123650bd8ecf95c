"""AVERAGE_POOL_2D and MAX_POOL_2D, NHWC, batch 1. What lies outside the image is not counted.

The mean of the quantised values is rounded to nearest, halves away from zero; scales of input and output are equal.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.activation import activation_problems, activation_range
from tinyloc.codegen.arithmetic.data_mode import number
from tinyloc.codegen.arithmetic.geometry import Geometry, geometry, output_size
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, quantised_problems, shape_problems
from tinyloc.codegen.operators.convolution import size_problems, taps_of


class Pool2D(KernelRule):
    """`average`, else the maximum."""

    def __init__(self, average: bool) -> None:
        self.average = average

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16")) + activation_problems(op)
        x = graph.tensors[op.inputs[0]]
        if problems:
            return problems
        if len(x.shape) != 4 or x.shape[0] != 1:
            return [f"an image of shape {x.shape}: only rank 4, batch 1 is supported"]
        if min(op.attributes[name] for name in ("stride_h", "stride_w", "filter_h", "filter_w")) < 1:
            return ["a stride or a window below 1"]
        problems += moved_problems(graph, op, 1)
        size = output_size(op, x.shape, self._kernel(op))
        if op.attributes["padding"] and (
            op.attributes["filter_h"] > x.shape[1] or op.attributes["filter_w"] > x.shape[2]
        ):
            problems.append(f"a window larger than {x.name} {x.shape}")
        problems += shape_problems(graph, op.outputs[0], (1, *size, x.shape[3]))
        return problems or size_problems(self.geometry(graph, op))

    @staticmethod
    def _kernel(op: Operator) -> tuple[int, int, int]:
        return 0, op.attributes["filter_h"], op.attributes["filter_w"]

    def geometry(self, graph: Graph, op: Operator) -> Geometry:
        """Sizes of window and images."""
        return geometry(op, graph.tensors[op.inputs[0]].shape, self._kernel(op), graph.tensors[op.outputs[0]].shape)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        y = graph.tensors[op.outputs[0]]
        assert values[0] is not None
        g, image = self.geometry(graph, op), values[0][0].astype(np.int64)
        if self.average:
            total = sum(seen for _, _, seen in taps_of(image, g))
            count = sum(seen for _, _, seen in taps_of(np.ones_like(image), g))
            assert isinstance(total, np.ndarray) and isinstance(count, np.ndarray)
            result = np.sign(total) * ((np.abs(total) + count // 2) // count)
        else:
            result = np.max([seen for _, _, seen in taps_of(image, g, RANGE[y.element][0])], axis=0)
        low, high = activation_range(y, op.attributes.get("activation", 0))
        return [np.clip(result, low, high).astype(y.element).reshape(y.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        y = graph.tensors[op.outputs[0]]
        g = self.geometry(graph, op)
        low, high = activation_range(y, op.attributes.get("activation", 0))
        name = f"tl_{'average' if self.average else 'max'}_pool_{'s16' if y.element == 'int16' else 's8'}"
        return Lowered((f"{name}(x0, {g.text}, {number(low)}, {number(high)}, y);",), (), ("tl_pool.h",))
