"""L2_NORMALIZATION of int8 over the last axis: x / sqrt(sum of x**2), in units of 1/128.

TFLite: reference_integer_ops::L2Normalization; the inverse root by five Newton steps on 3.28 fixed point, from 1.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.overflow_checks import reach
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Lowered
from tinyloc.codegen.operators.base import KernelRule, quantised_problems, shape_problems

OUTPUT_BITS = 7


def _high(a: int, b: int) -> int:
    """gemmlowp: SaturatingRoundingDoublingHighMul(int32)."""
    return (a * b + (1 << 30)) >> 31


def _shifted(a: int, bits: int) -> int:
    return max(-(2**31), min(a << bits, 2**31 - 1))


def inverse_root(value: int) -> tuple[int, int]:
    """(multiplier, right shift) of 1 / sqrt(value), 0 read as 1. TFLite: GetInvSqrtQuantizedMultiplierExp."""
    if value <= 1:
        return 2**31 - 1, 0
    shift = 11
    while value >= 1 << 29:
        value //= 4
        shift += 1
    pairs = (31 - value.bit_length()) // 2 - 1
    shift -= pairs
    fraction = value << 2 * pairs >> 1
    half = (fraction + 1) >> 1
    x = 1 << 28
    for _ in range(5):
        cube = _shifted(_high(_high(x, x), x), 6)
        x = _shifted(_high(3 << 27, x) - _high(half, cube), 3)
    x = _high(x, 1518500250)  # sqrt(1/2)
    return (x << -shift, 0) if shift < 0 else (x, shift)


class L2Normalization(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8",))
        if problems:
            return problems
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        if (y.scale, y.zero_point) != (2.0**-OUTPUT_BITS, 0):
            problems.append(f"{y.name} has scale {y.scale} and zero point {y.zero_point}; TFLite requires 1/128 and 0")
        if op.attributes.get("activation"):
            problems.append("a fused activation is not supported here; export the activation as a separate operator")
        if x.shape[-1] * reach(x) ** 2 >= 2**31:
            problems.append(f"a sum of {x.shape[-1]} squares overflows 32 bits")
        return problems + shape_problems(graph, op.outputs[0], x.shape)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x = graph.tensors[op.inputs[0]]
        assert values[0] is not None
        rows = values[0].astype(np.int64).reshape(-1, x.shape[-1]) - x.zero_point
        results = []
        for row in rows:
            multiplier, shift = inverse_root(int((row**2).sum()))
            results.append(np.clip(fixedpoint.scale_twice_rounded(row, multiplier, OUTPUT_BITS - shift), -128, 127))
        return [np.array(results, np.int8).reshape(x.shape)]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x = graph.tensors[op.inputs[0]]
        depth = x.shape[-1]
        return Lowered((f"tl_l2_normalise(x0, {x.size // depth}, {depth}, {x.zero_point}, y);",), (), ("tl_l2.h",))
