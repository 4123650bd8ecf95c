"""PAD and PADV2: a border of the zero point, or of a given value, around a tensor of up to six axes."""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, quantised_problems, shape_problems


class Pad(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16"))
        for tensor in op.inputs[1:]:
            if not graph.is_constant(tensor):
                problems.append(f"{graph.tensors[tensor].name} is computed: borders must be constants")
        if problems:
            return problems
        x = graph.tensors[op.inputs[0]]
        problems += moved_problems(graph, op, 1)
        if len(op.inputs) > 2:
            value = graph.tensors[op.inputs[2]]
            if value.element != x.element or value.size != 1:
                problems.append(f"the border's value {value.name} must be one {x.element}")
        borders = self._borders(graph, op)
        if len(borders) != len(x.shape) or any(n < 0 for pair in borders for n in pair):
            return [*problems, f"borders {borders} of a tensor of shape {x.shape}"]
        shape = tuple(n + before + after for n, (before, after) in zip(x.shape, borders, strict=True))
        return problems + shape_problems(graph, op.outputs[0], shape)

    @staticmethod
    def _borders(graph: Graph, op: Operator) -> list[tuple[int, int]]:
        """(before, after) of each axis."""
        data = graph.tensors[op.inputs[1]].data
        assert data is not None
        return [(int(before), int(after)) for before, after in data.reshape(-1, 2)]

    @staticmethod
    def _value(graph: Graph, op: Operator) -> int:
        data = graph.tensors[op.inputs[2]].data if len(op.inputs) > 2 else None
        return graph.tensors[op.outputs[0]].zero_point if data is None else int(data.item())

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        return [np.pad(values[0], self._borders(graph, op), constant_values=self._value(graph, op))]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        """Fill, then lay the rows of the input into the output."""
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        borders = self._borders(graph, op)
        strides = [prod(y.shape[i + 1 :]) for i in range(len(y.shape))]
        start = sum(before * stride for (before, _), stride in zip(borders, strides, strict=True))
        # axes from here on are whole in both: they are one run of bytes
        whole = len(x.shape)
        while whole > 0 and borders[whole - 1] == (0, 0):
            whole -= 1
        run = prod(x.shape[max(whole - 1, 0) :])
        outer = [(x.shape[i], strides[i]) for i in range(max(whole - 1, 0)) if x.shape[i] > 1]
        value = self._value(graph, op)
        if y.element == "int8" or value in (0, -1):
            lines = [f"TL_MEMSET(y, {value}, {y.bytes});"]
        else:
            lines = [f"for (int32_t i = 0; i < {y.size}; i++) {{", f"    y[i] = {value};", "}"]
        for depth, (size, _) in enumerate(outer):
            lines.append("    " * depth + f"for (int32_t i{depth} = 0; i{depth} < {size}; i{depth}++) {{")
        at = " + ".join([str(start), *(f"i{depth} * {stride}" for depth, (_, stride) in enumerate(outer))])
        lines.append("    " * len(outer) + f"tl_copy(y + {at}, x0, {run * BYTES[x.element]});")
        if outer:
            lines.append("    " * len(outer) + f"x0 += {run};")
        lines += ["    " * depth + "}" for depth in reversed(range(len(outer)))]
        return Lowered(tuple(lines), (), ("tl_copy.h",))
