"""RING_CONV, ours: a DEPTHWISE_CONV_2D whose filter reaches over all rows of a ring, and so makes one output a channel.

What passes/ring.py makes of the causal convolution at the newest sample. The filter turns with the rows: it lies twice
in memory, and the head says where it starts. Sums and rounding are those of DEPTHWISE_CONV_2D, on every bit.
Operands: ring (1, T, 1, C), filter (1, T, 1, C), bias, head; attributes: those of the convolution.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import in_data_mode, number
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.kernel_forms.blocks import fits_blocks, rounding_constants
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, operand_names
from tinyloc.codegen.operators.convolution import requantisation
from tinyloc.codegen.operators.depthwise_conv_2d import DepthwiseConv2D
from tinyloc.codegen.operators.fully_connected import bias_of

KIND = "RING_CONV"


class RingConv(KernelRule):
    """Made by passes/ring.py, which asks `can_turn` first."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []

    def can_turn(self, graph: Graph, op: Operator) -> bool:
        """Whether a DEPTHWISE_CONV_2D sums over all rows of (1, T, 1, C), one filter a channel, in 32 bits."""
        x, w, y = (graph.tensors[t] for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
        if w.shape != x.shape or x.shape[2] != 1 or y.size != x.shape[3] or w.data is None:
            return False
        return fits_blocks(self._filter(graph, op).T, bias_of(graph, op), x, self._requantisation(graph, op))

    @staticmethod
    def _filter(graph: Graph, op: Operator) -> Array:
        """(T, C)."""
        w = graph.tensors[op.inputs[1]]
        assert w.data is not None
        return w.data.reshape(w.shape[1], w.shape[3]).astype(np.int64)

    @staticmethod
    def _requantisation(graph: Graph, op: Operator) -> Requantisation:
        x, w, y = (graph.tensors[t] for t in (op.inputs[0], op.inputs[1], op.outputs[0]))
        return requantisation(x, w, y, op.attributes.get("activation", 0))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        ring, head = values[0], values[3]
        assert ring is not None and head is not None
        return DepthwiseConv2D().reference(graph, op, [np.roll(ring, -int(head[0]) - 1, axis=1), *values[1:3]])

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        x, taps, r = graph.tensors[op.inputs[0]], self._filter(graph, op), self._requantisation(graph, op)
        slots, channels = taps.shape
        bias, names = bias_of(graph, op), operand_names(graph, op)
        start = (np.zeros(channels, np.int64) if bias is None else bias) - x.zero_point * taps.sum(axis=0)
        rounding, limited = rounding_constants(prefix, r), op.attributes.get("activation", 0) != 0
        twice = np.concatenate([taps, taps])[: 2 * slots - 1]
        constants = (
            Constant(f"{prefix}_weights", "int8_t", twice.ravel(), f"[{slots}][{channels}] twice, oldest first"),
            Constant(f"{prefix}_bias", "int32_t", start, f"[{channels}], input zero point folded in"),
            *rounding,
        )
        fields = {
            "weights": constants[0].name,
            "bias": constants[1].name,
            **dict(zip(("multiplier", "shift"), (c.name for c in rounding), strict=False)),
            "slots": slots,
            "channels": channels,
            "per_channel": int(len(r.factor) > 1),
            "zero": 1 if x.element == "int16" else number(2 * r.zero_point + 1),
            "low": number(r.low) if limited else r.low,
            "high": number(r.high) if limited else r.high,
        }
        layer = f"static const tl_ring_conv_t layer = {{{', '.join(f'.{k} = {v}' for k, v in fields.items())}}};"
        suffix = ("s16" if x.element == "int16" else "s8") + ("_here" if in_data_mode() else "")
        call = f"tl_ring_conv_{suffix}(&layer, {names[op.inputs[0]]}, {names[op.inputs[3]]}[0], y);"
        return Lowered((layer, call), constants, ("tl_ring_conv.h",), int(taps.size))
