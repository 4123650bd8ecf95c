"""HARD_SWISH of int8: x * relu6(x + 3) / 6 in 16-bit fixed point. Becomes a table, so no C of its own.

TFLite: reference_ops::HardSwish, HardSwishPrepare. The input is widened by 7 bits; one multiplier brings it to the
output's scale, another to units of 3 / 32768, saturating, which is the gate; their product is truncated.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, quantised_problems

LOWEST, HIGHEST = -32768, 32767


def _multiplier16(factor: np.float32) -> tuple[int, int]:
    """(16-bit multiplier, exponent)."""
    multiplier, exponent = fixedpoint.quantise_multiplier(float(factor))
    return (HIGHEST if multiplier >= 2**31 - 1 - (1 << 15) else (multiplier + (1 << 15)) >> 16), exponent


def _factors(graph: Graph, op: Operator) -> tuple[tuple[int, int], tuple[int, int]]:
    """(to the output's scale, to the gate's), computed in single precision as there."""
    x, y = (np.float32(graph.tensors[t].scale) for t in (op.inputs[0], op.outputs[0]))
    wide = np.float32(1.0 / 128.0) * x
    return _multiplier16(wide / y), _multiplier16(wide / np.float32(3.0 / 32768.0))


class HardSwish(ElementWise):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8",))
        if not problems and _factors(graph, op)[0][1] > 0:
            problems.append("the scale of the output is below 1/128 of the input's; calibrate again")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (q,) = values
        assert q is not None
        tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        (to_output, output_exponent), (to_gate, gate_exponent) = _factors(graph, op)
        wide = (q.astype(np.int64) - tx.zero_point) << 7
        value = (wide * to_output + (1 << 14)) >> 15
        gate = np.clip(wide << max(gate_exponent - 1, 0), LOWEST, HIGHEST)
        gate = (gate * to_gate + (1 << 14)) >> 15
        if gate_exponent > 0:
            gate = np.clip(gate << 1, LOWEST, HIGHEST)
        if gate_exponent < 0:
            gate = fixedpoint.rounding_shift_right(gate, -gate_exponent)
        gate = (gate + (1 << 15)) >> 1
        product = gate * value
        truncated = np.sign(product) * (np.abs(product) >> 15)
        result = fixedpoint.rounding_shift_right(truncated, -output_exponent) + ty.zero_point
        return [np.clip(result, -128, 127).astype(np.int8)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        raise AssertionError("HARD_SWISH is folded into a table before code is generated")
