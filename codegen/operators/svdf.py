"""SVDF: a recurrent layer of low rank. Each filter weighs the input; a memory keeps its last values; weights over time
and the sum of `rank` filters make a unit.

    s[f, M - 1] = clamp(round2(factor1 * sum_k w[f, k] * (x[k] - zx))) + zs    the oldest value falls out
    y[u] = clamp(zy + round2(factor2 * (bias[u] + sum of t[f, m] * (s[f, m] - zs) over all m and the filters f of u)))

LiteRT: EvalIntegerSVDF, whose state is int16 without a zero point; sums wrap around at 32 bits. TFLM has a state of
int8 too, with int8 weights over time: LiteRT does not run it. There a new value wraps around where its zero point takes
it out of int8 (tflite-micro of October 2026; its later sources limit it). Both ignore the fused activation.
Operands: input, weights, weights over time, bias or none, state. Outputs: the result, the next state.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.overflow_checks import reach
from tinyloc.codegen.arithmetic.requantise import Int64s, sum_bound
from tinyloc.codegen.graph import RANGE, Graph, Operator
from tinyloc.codegen.kernel_forms.packing import ROWS, pack_blocks
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, quantised_problems

FEATURE, TIME, BIAS, STATE = 1, 2, 3, 4
SUM_LIMIT = 1 << 30


@dataclass(frozen=True)
class _Layer:
    """Weights (filters, inputs), weights over time (filters, memory), bias (units,), factors as (multiplier, shift)."""

    feature: Int64s
    time: Int64s
    bias: Int64s
    to_state: tuple[int, int]
    to_output: tuple[int, int]


def _layer(graph: Graph, op: Operator) -> _Layer:
    x, w, t, state = (graph.tensors[i] for i in (op.inputs[0], op.inputs[FEATURE], op.inputs[TIME], op.inputs[STATE]))
    y = graph.tensors[op.outputs[0]]
    assert w.data is not None and t.data is not None
    bias = graph.tensors[op.inputs[BIAS]].data if op.inputs[BIAS] != -1 else None
    sx, sw, st, ss, sy = (np.float32(tensor.scale) for tensor in (x, w, t, state, y))
    return _Layer(
        w.data.astype(np.int64),
        t.data.astype(np.int64),
        np.zeros(y.size, np.int64) if bias is None else bias.astype(np.int64).ravel(),
        fixedpoint.quantise_multiplier(float(sx * sw / ss)),
        fixedpoint.quantise_multiplier(float(ss * st / sy)),
    )


class Svdf(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        if len(op.inputs) <= STATE or op.inputs[STATE] == -1 or len(op.outputs) != 2:
            return ["has no state"]
        x, w, t, state = (graph.tensors[i] for i in (*op.inputs[:3], op.inputs[STATE]))
        y = graph.tensors[op.outputs[0]]
        problems = quantised_problems(graph, (op.inputs[0], op.inputs[FEATURE], op.outputs[0]), ("int8",))
        problems += quantised_problems(graph, (op.inputs[TIME], op.inputs[STATE]), ("int8", "int16"))
        if problems:
            return problems
        if t.element != state.element:
            return [f"the weights over time are {t.element}, the state is {state.element}: they must be the same"]
        for weights in (w, t):
            if weights.data is None or len(weights.shape) != 2 or weights.zero_point:
                problems.append(f"the weights {weights.name} must be constants of rank 2 without a zero point")
        if problems:
            return problems
        rank, (filters, inputs), memory = op.attributes["rank"], w.shape, t.shape[1]
        if rank < 1 or filters % rank or t.shape[0] != filters:
            problems.append(f"{filters} filters and weights over time of {t.shape} do not make units of rank {rank}")
        elif x.size != inputs or y.size != filters // rank:
            problems.append(
                f"{filters} filters of rank {rank} over {inputs} inputs do not lead from {x.shape} to {y.shape}"
            )
        elif state.size != filters * memory:
            problems.append(f"the state has {state.size} values, {filters} filters keep {memory} each")
        bias = graph.tensors[op.inputs[BIAS]] if op.inputs[BIAS] != -1 else None
        if bias is not None and (bias.data is None or bias.size != y.size or bias.element != "int32"):
            problems.append(f"the bias {bias.name} must be {y.size} constants of int32")
        return problems or self._scale_problems(graph, op)

    @staticmethod
    def _scale_problems(graph: Graph, op: Operator) -> list[str]:
        layer, x = _layer(graph, op), graph.tensors[op.inputs[0]]
        bound = max(sum_bound(layer.feature, None, x), 2 * reach(x) * int(np.abs(layer.feature).sum(axis=1).max()))
        if bound << max(layer.to_state[1], 0) >= SUM_LIMIT or layer.to_state[1] < -30:
            return [f"sums of a filter reach {bound}: scaled, they overflow 32 bits; calibrate the model again"]
        if not -31 <= layer.to_output[1] <= 0:
            return [
                f"the result's scale {graph.tensors[op.outputs[0]].scale} is out of range; calibrate the model again"
            ]
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        x, before = values[0], values[STATE]
        assert x is not None and before is not None
        layer, state, y = _layer(graph, op), graph.tensors[op.inputs[STATE]], graph.tensors[op.outputs[0]]
        filters, memory = layer.time.shape
        sums = layer.feature @ (x.ravel().astype(np.int64) - graph.tensors[op.inputs[0]].zero_point)
        newest = np.clip(fixedpoint.scale_twice_rounded(sums, *layer.to_state), *RANGE[state.element])
        stored = (newest + state.zero_point).astype(state.element).astype(np.int64)
        after = np.concatenate([before.reshape(filters, memory)[:, 1:].astype(np.int64), stored[:, None]], axis=1)
        each = (layer.time * (after - state.zero_point)).sum(axis=1)
        units = layer.bias + each.reshape(y.size, -1).sum(axis=1)
        wrapped = units.astype(np.int32)  # as in 32 bits
        result = fixedpoint.scale_twice_rounded(wrapped, *layer.to_output) + y.zero_point
        return [
            np.clip(result, -128, 127).astype(np.int8).reshape(y.shape),
            after.astype(state.element).reshape(state.shape),
        ]

    def in_place(self, graph: Graph, op: Operator) -> Sequence[tuple[int, int]]:
        return ((op.inputs[STATE], op.outputs[1]),)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        layer, x, state = _layer(graph, op), graph.tensors[op.inputs[0]], graph.tensors[op.inputs[STATE]]
        (filters, inputs), memory = layer.feature.shape, layer.time.shape[1]
        rows = np.pad(layer.feature, ((0, -filters % ROWS), (0, 0)))  # whole blocks
        packed = pack_blocks(f"{prefix}_feature", rows, -x.zero_point * rows.sum(axis=1))
        constants = (
            *packed.constants,
            Constant(
                f"{prefix}_time", f"{state.element}_t", layer.time.ravel(), f"[{filters}][{memory}], oldest first"
            ),
            Constant(f"{prefix}_bias", "int32_t", layer.bias, f"[{len(layer.bias)}]"),
        )
        fields = {
            "feature": "&feature",
            "time": f"{prefix}_time",
            "bias": f"{prefix}_bias",
            "inputs": inputs,
            "filters": filters,
            "memory": memory,
            "rank": op.attributes["rank"],
            "state_multiplier": layer.to_state[0],
            "state_shift": layer.to_state[1],
            "state_zero": state.zero_point,
            "multiplier": layer.to_output[0],
            "shift": -layer.to_output[1],
            "zero_point": graph.tensors[op.outputs[0]].zero_point,
        }
        lines = "\n".join(f"    .{name} = {value}," for name, value in fields.items())
        suffix = "s16" if state.element == "int16" else "s8"
        statements = (
            packed.layer.replace("tl_fc_s8_t layer", "tl_fc_s8_t feature"),
            f"static const tl_svdf_t layer = {{\n{lines}\n}};",
            f"tl_svdf_{suffix}(&layer, x0, x1, y0, y1);",
        )
        return Lowered(statements, constants, ("tl_svdf.h",), filters * (inputs + memory))
