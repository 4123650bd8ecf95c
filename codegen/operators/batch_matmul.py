"""BATCH_MATMUL: y[m, n] = requantise(sum_k (a[m, k] - za) * (b[k, n] - zb)), batches
broadcast; operands may be constant.

int8 sums are 32 bits and scaled with two roundings, int16 sums 64 bits and `wide`. On the device the sum is 32 bits
where the depth allows it (int8), 64 bits otherwise.
"""

import functools
from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number, require
from tinyloc.codegen.arithmetic.overflow_checks import reach, scale_problems
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Graph, Operator, Tensor, broadcast_shape
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, operand_names, quantised_problems, shape_problems

NARROW_DEPTH = (1 << 30) // 255**2
"""Below it a sum of int8 products keeps within 30 bits, whatever the zero points."""


def requantisation(graph: Graph, op: Operator) -> Requantisation:
    """Scaling of the sums; the factor's product is in single precision, as TFLite computes it."""
    a, b, y = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
    return _requantisation(a, b, y)


@functools.cache
def _requantisation(a: Tensor, b: Tensor, y: Tensor) -> Requantisation:
    factor = float(np.float32(a.scale) * np.float32(b.scale)) / float(np.float32(y.scale))
    low, high = (-128, 127) if y.element == "int8" else (-32768, 32767)
    return Requantisation("wide" if y.element == "int16" else "twice", (factor,), y.zero_point, low, high, y.element)


def dimensions(graph: Graph, op: Operator) -> tuple[int, int, int, int]:
    """(batches of the result, M, K, N)."""
    a, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    depth = a.shape[-2 if op.attributes.get("adj_x") else -1]
    return y.size // (y.shape[-2] * y.shape[-1]), y.shape[-2], depth, y.shape[-1]


def swapped(values: Array, swap: bool) -> Array:
    """The last two axes exchanged."""
    return np.swapaxes(values, -1, -2) if swap else values


class BatchMatMul(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if problems:
            return problems
        a, b = (graph.tensors[t] for t in op.inputs)
        if a.element != b.element:
            problems.append(f"operands of {a.element} and {b.element}: only equal types are supported")
        if min(len(a.shape), len(b.shape)) < 2:
            return [*problems, f"operands of shape {a.shape} and {b.shape}: both need two axes"]
        adj_x, adj_y = bool(op.attributes.get("adj_x")), bool(op.attributes.get("adj_y"))
        rows, depth = a.shape[-2:][::-1] if adj_x else a.shape[-2:]
        other_depth, columns = b.shape[-2:][::-1] if adj_y else b.shape[-2:]
        if other_depth != depth:
            return [*problems, f"{a.shape} and {b.shape} do not multiply"]
        y = graph.tensors[op.outputs[0]]
        batch = broadcast_shape((a.shape[:-2], b.shape[:-2]))
        problems += shape_problems(graph, op.outputs[0], (*batch, rows, columns))
        if y.element != a.element:
            problems.append(f"the result is {y.element}, the operands are {a.element}")
        r = requantisation(graph, op)
        problems += scale_problems(r.factor, depth * reach(a) * reach(b), wide=r.rounding == "wide")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        assert values[0] is not None and values[1] is not None
        a = swapped(values[0].astype(np.int64) - ta.zero_point, bool(op.attributes.get("adj_x")))
        b = swapped(values[1].astype(np.int64) - tb.zero_point, bool(op.attributes.get("adj_y")))
        sums = np.matmul(a, b)
        flat = requantisation(graph, op).reference(sums.reshape(-1, 1))
        return [flat.reshape(ty.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        ta, tb, ty = (graph.tensors[t] for t in (*op.inputs, op.outputs[0]))
        _, rows, depth, columns = dimensions(graph, op)
        r = requantisation(graph, op)
        ((multiplier, shift),) = r.wide_factors() if r.rounding == "wide" else r.twice_factors()
        names, constants = operand_names(graph, op), []
        for t in dict.fromkeys(op.inputs):
            data, tensor = graph.tensors[t].data, graph.tensors[t]
            if data is not None:
                names[t] = f"{prefix}_{'a' if t == op.inputs[0] else 'b'}"
                comment = f"{list(tensor.shape)} {tensor.name}"
                constants.append(Constant(names[t], f"{tensor.element}_t", data.ravel(), comment))
        fields = {
            "rows": rows,
            "depth": depth,
            "columns": columns,
            "a_row": 1 if op.attributes.get("adj_x") else depth,
            "a_depth": rows if op.attributes.get("adj_x") else 1,
            "b_column": depth if op.attributes.get("adj_y") else 1,
            "b_depth": 1 if op.attributes.get("adj_y") else columns,
            "a_zero": number(ta.zero_point),
            "b_zero": number(tb.zero_point),
            "multiplier": number(multiplier),
            "shift": number(shift),
            "zero_point": number(ty.zero_point),
        }
        narrow = r.rounding == "twice" and depth < NARROW_DEPTH
        if narrow and (in_data_mode() or (multiplier and -30 <= shift < 0)):
            shift = shift if multiplier else -1
            require(-30 <= shift < 0, f"its sums are scaled by {multiplier * 2.0 ** (shift - 31):.3g}, not below 1/2")
            fields |= {"shift": number(-shift), "half": number(1 << (-shift - 1)), "narrow": 1}
        lines = ["static const tl_matmul_t shape = {", *(f"    .{k} = {v}," for k, v in fields.items()), "};"]
        batch = ty.shape[:-2]
        loops = [(i, size) for i, size in enumerate(batch) if size > 1]
        for depth_of_loop, (i, size) in enumerate(loops):
            lines.append("    " * depth_of_loop + f"for (int32_t i{i} = 0; i{i} < {size}; i{i}++) {{")
        a, b = (f"{names[t]}{_batch_offset(graph.tensors[t], batch)}" for t in op.inputs)
        suffix = "s16" if ta.element == "int16" else "s8"
        lines.append("    " * len(loops) + f"tl_batch_matmul_{suffix}({a}, {b}, &shape, y);")
        if loops:
            lines.append("    " * len(loops) + f"y += {rows * columns};")
        lines += ["    " * i + "}" for i in reversed(range(len(loops)))]
        return Lowered(tuple(lines), tuple(constants), ("tl_batch_matmul.h",), ty.size * depth)


def _batch_offset(tensor: Tensor, batch: tuple[int, ...]) -> str:
    """C text that moves an operand's pointer to the matrix of the loops' batch; an axis of one is broadcast."""
    terms, first = [], len(batch) - (len(tensor.shape) - 2)
    for axis, size in enumerate(tensor.shape[:-2]):
        if size > 1:
            stride = prod(tensor.shape[axis + 1 :])
            terms.append(f" + i{first + axis} * {stride}")
    return "".join(terms)
