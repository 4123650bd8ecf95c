"""FULLY_CONNECTED: y[c] = requantise(bias[c] + sum_k w[c, k] * (x[k] - zx)), scale a channel or one for all.

LiteRT's reference kernel rounds once, in double precision; see requantise.py for how the device does that in integers.
On the device the zero point of the input is folded into the bias, and weights are packed in the order that the inner
loop of firmware/kernels/tl_fully_connected.h reads them.
"""

import dataclasses
import functools
from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.activation import activation_problems, activation_range
from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number
from tinyloc.codegen.arithmetic.overflow_checks import scale_problems
from tinyloc.codegen.arithmetic.requantise import (
    Int64s,
    Requantisation,
    constant_rows,
    scaling,
    sum_bound,
    sum_bounds,
)
from tinyloc.codegen.graph import Graph, Operator, Tensor
from tinyloc.codegen.kernel_forms.nibbles import WORD, fits_nibbles, pack_nibble_columns, pack_nibbles
from tinyloc.codegen.kernel_forms.packing import pack_blocks, pack_rows
from tinyloc.codegen.layer_code import Array, Constant, FormCost, Lowered
from tinyloc.codegen.operators.base import KernelRule, is_small, quantised_problems

RELU = 1
FARTHEST = 255
"""Magnitude of an int8 less its zero point."""


def _weights(graph: Graph, op: Operator) -> Int64s:
    """(C, K)."""
    data = graph.tensors[op.inputs[1]].data
    assert data is not None
    return data.astype(np.int64).reshape(data.shape[0], -1)


def bias_of(graph: Graph, op: Operator, position: int = 2) -> Int64s | None:
    """The bias operand as int64, None where the model has none."""
    if len(op.inputs) <= position or op.inputs[position] == -1:
        return None
    data = graph.tensors[op.inputs[position]].data
    assert data is not None
    return data.astype(np.int64).ravel()


def channel_problems(graph: Graph, op: Operator, channels: int) -> list[str]:
    """Weights or a bias whose scales or sizes do not fit the output channels."""
    w = graph.tensors[op.inputs[1]]
    problems = []
    if w.quantisation is None or len(w.quantisation.scale) not in (1, channels):
        problems.append(f"the weights {w.name} need one scale, or one for each of {channels} channels")
    elif not all(s > 0.0 and np.isfinite(s) for s in w.quantisation.scale):
        problems.append(f"the weights {w.name} have a scale that is not a positive number")
    if len(op.inputs) > 2 and op.inputs[2] != -1:
        bias = graph.tensors[op.inputs[2]]
        if bias.data is None or bias.size != channels or bias.element not in ("int32", "int64"):
            problems.append(f"the bias {bias.name} must be {channels} constants of int32 or int64")
    return problems


def _in_nibbles(x: Tensor, weights: Int64s, largest: int = 128) -> bool:
    """Whether weights of four bits do. largest: magnitude of what they are multiplied with."""
    return (
        not in_data_mode()
        and x.element == "int8"
        and fits_nibbles(weights, largest * int(np.abs(weights).sum(axis=1).max()))
    )


def sums(graph: Graph, op: Operator, x: Array) -> Int64s:
    """sum_k w[c, k] * (x[k] - zx) + bias[c], (batches, C)."""
    weights, bias = _weights(graph, op), bias_of(graph, op)
    rows = x.astype(np.float64).reshape(-1, weights.shape[1]) - graph.tensors[op.inputs[0]].zero_point
    products: Int64s = (rows @ weights.T.astype(np.float64)).astype(np.int64)  # whole numbers far below 2**53: exact
    return products if bias is None else products + bias


def requantisation(graph: Graph, op: Operator) -> Requantisation:
    """How LiteRT's reference kernel scales this layer's sums, or TFLM's."""
    x, w, y = (graph.tensors[t] for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
    r = _requantisation(x, w, y, op.attributes.get("activation", 0))
    if not op.attributes.get("as_tflm"):
        return r
    bias = op.inputs[2] if len(op.inputs) > 2 else -1
    wide = x.element == "int16" and (bias == -1 or graph.tensors[bias].element == "int64")
    return dataclasses.replace(r, rounding="wide" if wide else "twice")


@functools.lru_cache(4096)
def _requantisation(x: Tensor, w: Tensor, y: Tensor, activation: int) -> Requantisation:
    assert w.quantisation is not None
    sx, sy = float(np.float32(x.scale)), float(np.float32(y.scale))
    factor = tuple(sx * float(np.float32(s)) / sy for s in w.quantisation.scale)
    return Requantisation("once", factor, y.zero_point, *activation_range(y, activation), y.element)


class FullyConnected(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (op.inputs[0], op.outputs[0]), ("int8", "int16")) + activation_problems(op)
        w = graph.tensors[op.inputs[1]]
        if w.data is None:
            return [*problems, f"the weights {w.name} are computed, not constant; use BATCH_MATMUL (keep them 3-D)"]
        if w.element != "int8" or w.quantisation is None:
            return [
                *problems,
                f"the weights {w.name} are {w.element} or have no scale: only quantised int8 weights are",
            ]
        if any(w.quantisation.zero_point):
            problems.append(f"the weights {w.name} have a zero point other than 0; quantise them symmetrically")
        x = graph.tensors[op.inputs[0]]
        if x.size % w.shape[-1]:
            problems.append(f"{x.size} inputs do not fill rows of {w.shape[-1]} weights")
        y, channels = graph.tensors[op.outputs[0]], w.shape[0]
        if x.element != y.element:
            problems.append(f"from {x.element} to {y.element}: only equal types are supported")
        if len(w.shape) != 2 or y.size * w.shape[-1] != x.size * channels:
            problems.append(f"weights of shape {w.shape} do not lead from {x.shape} to {y.shape}")
        problems += channel_problems(graph, op, channels)
        if problems:
            return problems
        bound = sum_bound(_weights(graph, op), bias_of(graph, op), x)
        if bound >= 2**31:
            problems.append(f"sums reach {bound}: they overflow 32 bits; make the layer narrower or use int8")
            return problems
        r = requantisation(graph, op)
        if r.rounding != "once":
            return scale_problems(r.factor, bound, wide=r.rounding == "wide")
        try:
            self._live(graph, op, r)
        except ArithmeticError as error:
            problems.append(str(error))
        return problems

    @staticmethod
    def _live(graph: Graph, op: Operator, r: Requantisation) -> None:
        """Raise ArithmeticError where rows cannot be scaled; constant ones are replaced by passes/dead_channels.py."""
        weights, bias, x = _weights(graph, op), bias_of(graph, op), graph.tensors[op.inputs[0]]
        live = ~constant_rows(weights, bias, x, r)
        if x.shape[-1] != weights.shape[1]:
            live[:] = True
        if live.any():
            factor = tuple(np.broadcast_to(r.factor, len(weights))[live])
            dataclasses.replace(r, factor=factor).once_factors(sum_bounds(weights, bias, x)[live])

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        assert values[0] is not None
        scaled = requantisation(graph, op).reference(sums(graph, op, values[0]))
        return [scaled.reshape(graph.tensors[op.outputs[0]].shape)]

    def forms(self, graph: Graph, op: Operator) -> tuple[FormCost, FormCost] | None:
        x, weights = graph.tensors[op.inputs[0]], _weights(graph, op)
        if op.attributes.get("sparse") or _in_nibbles(x, weights):
            return None
        suffix, products = "s8" if x.element == "int8" else "s16", x.size * len(weights)
        kernel = "fully_connected"
        return FormCost(f"{kernel}_{suffix}", products), FormCost(f"{kernel}_small_{suffix}", products)

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        weights, bias = _weights(graph, op), bias_of(graph, op)
        channels, depth = weights.shape
        batches = x.size // depth
        r = requantisation(graph, op)
        limited = op.attributes.get("activation", 0) not in ((0, RELU) if y.element == "int8" else (0,))
        how, arrays = scaling(prefix, r.once_factors(sum_bounds(weights, bias, x)), r, limited)
        sparse = bool(op.attributes.get("sparse"))
        folded = np.zeros(channels, np.int64) if bias is None else bias
        if sparse:
            return self._lower_sparse(x, weights, folded, prefix, how, arrays)
        folded = folded - x.zero_point * weights.sum(axis=1)
        statements: tuple[str, ...]
        constants: tuple[Constant, ...]
        note = ""
        suffix = "s8" if x.element == "int8" else "s16"
        header = f"tl_fully_connected_{suffix}.h"
        if _in_nibbles(x, weights):
            bias_array = Constant(f"{prefix}_bias", "int32_t", folded, f"[{channels}], input zero point folded in")
            constants = (pack_nibbles(prefix, weights), bias_array)
            fields = f"{prefix}_weights, {prefix}_bias, {depth}, {channels}"
            statements = (how, f"static const tl_nibbles_t layer = {{{fields}}};")
            call = "tl_fully_connected_nibbles_s8(x0, &layer, &scaling, y);"
            note, header = "its weights fit four bits: two a byte", "tl_nibbles.h"
        elif is_small(op):
            constants = (
                Constant(f"{prefix}_weights", "int8_t", weights.ravel(), f"[{channels}][{depth}]"),
                Constant(f"{prefix}_bias", "int32_t", folded, f"[{channels}], input zero point folded in"),
            )
            statements, header = (how,), "tl_fully_connected_small.h"
            fields = f"x0, {prefix}_weights, {prefix}_bias, &scaling, {depth}, {channels}, y"
            call = f"tl_fully_connected_small_{suffix}({fields});"
        elif x.element == "int8":
            packed = pack_blocks(prefix, weights, folded)
            constants, statements = packed.constants, (how, packed.layer)
            call = "tl_fully_connected_s8(x0, &layer, &scaling, y);"
        else:
            comments = f"[{channels}][{depth}], packed four rows at a time", f"[{channels}]"
            constants = (
                Constant(f"{prefix}_weights", "int8_t", pack_rows(weights.astype(np.int8), x.element), comments[0]),
                Constant(f"{prefix}_bias", "int32_t", folded, comments[1]),
            )
            statements = (how,)
            call = f"tl_fully_connected_s16(x0, {prefix}_weights, {prefix}_bias, &scaling, {depth}, {channels}, y);"
        if batches > 1:
            call = f"for (int32_t row = 0; row < {batches}; row++, x0 += {depth}, y += {channels}) {{ {call} }}"
        assert y.size == batches * channels
        return Lowered((*statements, call), (*constants, *arrays), (header,), batches * channels * depth, note)

    @staticmethod
    def _lower_sparse(
        x: Tensor, weights: Int64s, bias: Int64s, prefix: str, how: str, arrays: tuple[Constant, ...]
    ) -> Lowered:
        channels, depth = weights.shape
        nibbles = channels > WORD // 2 and _in_nibbles(x, weights, FARTHEST)
        suffix = ("nibbles_" if nibbles else "") + ("s8" if x.element == "int8" else "s16")
        call = (
            f"tl_sparse_fully_connected_{suffix}(entries, count, {prefix}_weights, {prefix}_bias, &scaling, "
            f"{number(x.zero_point)}, {channels}, y);"
        )
        columns = weights.T.astype(np.int8).ravel()
        constants = (
            pack_nibble_columns(prefix, weights)
            if nibbles
            else Constant(f"{prefix}_weights", "int8_t", columns, f"[{depth}][{channels}], a column an input"),
            Constant(f"{prefix}_bias", "int32_t", bias, f"[{channels}]"),
            *arrays,
        )
        note = "walks the heard inputs only: a silent one equals the zero point"
        note += "; its weights fit four bits: two a byte" if nibbles else ""
        header = "tl_sparse_nibbles.h" if nibbles else "tl_sparse.h"
        return Lowered((how, call), constants, (header,), channels * depth, note)
