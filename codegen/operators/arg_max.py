"""ARG_MAX along one axis; the first of equal values wins. Its result stands for itself: int32 or int64, no scale."""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, quantised_problems, shape_problems


class ArgMax(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, op.inputs[:1], ("int8", "int16"))
        x, axis, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        if axis.data is None:
            return [*problems, f"the axis {axis.name} is computed; it must be constant"]
        if y.element not in ("int32", "int64"):
            problems.append(f"{y.name} is {y.element}, not int32 or int64")
        if not -len(x.shape) <= int(axis.data.item()) < len(x.shape):
            return [*problems, f"axis {int(axis.data.item())} of a tensor of shape {x.shape}"]
        at = self._axis(graph, op)
        return problems + shape_problems(graph, op.outputs[0], (*x.shape[:at], *x.shape[at + 1 :]))

    @staticmethod
    def _axis(graph: Graph, op: Operator) -> int:
        data = graph.tensors[op.inputs[1]].data
        assert data is not None
        return int(data.item()) % len(graph.tensors[op.inputs[0]].shape)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        return [np.argmax(values[0], axis=self._axis(graph, op)).astype(graph.tensors[op.outputs[0]].element)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y, axis = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]], self._axis(graph, op)
        outer, size, inner = prod(x.shape[:axis]), x.shape[axis], prod(x.shape[axis + 1 :])
        lines = (
            f"for (int32_t i = 0; i < {outer}; i++) {{",
            f"    for (int32_t k = 0; k < {inner}; k++) {{",
            f"        const {x.element}_t *row = x0 + i * {size * inner} + k;",
            "        int32_t best = 0;",
            f"        for (int32_t j = 1; j < {size}; j++) {{",
            f"            best = row[j * {inner}] > row[best * {inner}] ? j : best;",
            "        }",
            f"        *y++ = ({y.element}_t)best;",
            "    }",
            "}",
        )
        return Lowered(lines)
