"""BATCH_MATMUL of two activations: y[m, n] = requantise(sum_k (a[m, k] - za) * (b[k, n] - zb)).

int8 sums are 32 bits and scaled with two roundings, int16 sums 64 bits and `wide`. On the device the sum is 32 bits
where the depth allows it (int8), 64 bits otherwise.
"""

import functools
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.operators.base import Array, KernelRule, Lowered, operand_names, quantised_problems, shape_problems
from tinyloc.codegen.operators.limits import reach, scale_problems
from tinyloc.codegen.operators.requantise import Requantisation


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
    """(batches, M, K, N)."""
    a, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
    depth = a.shape[-2] if op.attributes.get("adj_x") else a.shape[-1]
    rows, columns = y.shape[-2], y.shape[-1]
    return y.size // (rows * columns), rows, depth, columns


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
        if graph.is_constant(op.inputs[1]) or graph.is_constant(op.inputs[0]):
            problems.append("a constant operand; export the product as a linear layer (FULLY_CONNECTED)")
        if a.shape[:-2] != b.shape[:-2]:
            problems.append(f"batches {a.shape[:-2]} and {b.shape[:-2]} differ: broadcasting is not supported here")
        y, (rows, depth) = graph.tensors[op.outputs[0]], a.shape[-2:]
        if b.shape[-1 if op.attributes.get("adj_y") else -2] != depth:
            problems.append(f"{a.shape} and {b.shape} do not multiply")
        columns = b.shape[-2 if op.attributes.get("adj_y") else -1]
        problems += shape_problems(graph, op.outputs[0], (*a.shape[:-2], rows, columns))
        if y.element != a.element:
            problems.append(f"the result is {y.element}, the operands are {a.element}")
        r = requantisation(graph, op)
        problems += scale_problems(r.factor, depth * reach(a) * reach(b), wide=r.rounding == "wide")
        if op.attributes.get("adj_x"):
            problems.append("a transposed first operand is not supported; transpose the product instead")
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
        batches, rows, depth, columns = dimensions(graph, op)
        r = requantisation(graph, op)
        ((multiplier, shift),) = r.wide_factors() if r.rounding == "wide" else r.twice_factors()
        suffix = "s16" if ta.element == "int16" else "s8"
        strides = (depth, 1) if op.attributes.get("adj_y") else (1, columns)  # of b: (column, depth)
        a, b = (operand_names(graph, op)[t] for t in op.inputs)
        call = (
            f"tl_batch_matmul_{suffix}({a}, {b}, {batches}, {rows}, {depth}, {columns}, {strides[0]}, {strides[1]}, "
            f"{ta.zero_point}, {tb.zero_point}, {multiplier}, {shift}, {ty.zero_point}, y);"
        )
        return Lowered((call,), (), ("tl_batch_matmul.h",), batches * rows * depth * columns)
