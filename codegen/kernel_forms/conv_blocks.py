"""Calls of the fast convolutions: whole, in groups of channels, and the phases of a TRANSPOSE_CONV.

firmware/kernels/tl_conv.h gathers windows of four output places, tl_conv_parts.h does so for a part of the output. A
TRANSPOSE_CONV of stride s writes s x s phases of its output; each is a convolution of stride 1 with those taps that
meet it, in reverse order, so that all phases together have the weights of the whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import in_data_mode, short_number
from tinyloc.codegen.arithmetic.data_mode import number as data_number
from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.kernel_forms.blocks import Block, block, gathered_bytes, rounding_constants
from tinyloc.codegen.layer_code import Array, Constant, FormCost, Lowered

DEEP = "sums of a channel may pass 24 bits: on a Cortex-M4 a multiplication does one channel, not two"


def suffix_of(x: Tensor) -> str:
    """Of kernels by element type."""
    return "s16" if x.element == "int16" else "s8"


def plain_suffix(x: Tensor, r: Requantisation) -> str:
    """Of plain kernels: int16 sums of 64 or of 32 bits."""
    return "s16_narrow" if x.element == "int16" and r.rounding == "twice" else suffix_of(x)


def form_costs(fast: str, small: str, x: Tensor, products: int, own_bytes: int = 0) -> tuple[FormCost, FormCost]:
    """Of a convolution whose kernels have these names, without the element type."""
    suffix = suffix_of(x)
    return FormCost(f"{fast}_{suffix}", products, own_bytes), FormCost(f"{small}_{suffix}", products)


def _runs(g: Geometry, depth: int) -> tuple[int, int]:
    """(runs of a window, values of each): rows, or taps where columns or the channels of a group are apart."""
    span = g.kernel[1] if g.dilation[1] == 1 and depth == g.input[2] else 1
    return g.kernel[0] * g.kernel[1] // span, span * depth


def window_bytes(g: Geometry, depth: int) -> int:
    """Scratch of the gathered windows."""
    return gathered_bytes(*_runs(g, depth))


def _fields(g: Geometry, made: Block, x: Tensor) -> str:
    zero = "" if x.element == "int16" else f"    .input_zero = {short_number(x.zero_point)},\n"
    return f"{{\n    .shape = {g.initialiser},\n{zero}    .block = {made.text},\n}}"


def lower_blocks(prefix: str, taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation) -> Lowered:
    """The call for taps (outputs, KH, KW, depth): whole, or group by group where depth is a part of the image's."""
    channels, depth = len(taps), taps.shape[3]
    groups = g.input[2] // depth
    shape = f"[{channels}][{g.kernel[0]}][{g.kernel[1]}][{depth}]"
    made = block(prefix, taps.reshape(channels, *_runs(g, depth)), bias, x, r, shape, groups)
    macs, suffix = g.output[0] * g.output[1] * taps.size, suffix_of(x)
    if groups == 1:
        layer = f"static const tl_conv_blocks_t layer = {_fields(g, made, x)};"
        call = f"tl_conv_blocks_{made.suffix}(&layer, x0, scratch, y);"
        note = DEEP if made.suffix == "deep" else ""
        return Lowered((layer, call), made.constants, ("tl_conv.h",), macs, note)
    strides = (g.output[1] * channels, channels)
    statements = (*_part("layer", g, made, x, strides, groups, depth, "y"), *_limits(g.output, r, suffix))
    return Lowered(statements, made.constants, ("tl_conv_parts.h",), macs, f"{groups} groups, one after the other")


def _part(
    name: str, g: Geometry, made: Block, x: Tensor, strides: tuple[int, int], groups: int, depth: int, y: str
) -> tuple[str, str]:
    row, pixel = strides
    layer = (
        f"static const tl_conv_parts_t {name} = {{\n.conv = {_fields(g, made, x)},\n.out_row = {row}, "
        f".out_pixel = {pixel}, .groups = {groups}, .depth = {depth},\n}};"
    )
    return layer, f"tl_conv_parts_{made.suffix}(&{name}, x0, scratch, {y});"


def _limits(output: tuple[int, int, int], r: Requantisation, suffix: str) -> tuple[str, ...]:
    """The activation, on the whole output."""
    info = np.iinfo(r.element)
    if (r.low, r.high) == (info.min, info.max) and not in_data_mode():
        return ()
    low, high = data_number(r.low), data_number(r.high)
    return (f"tl_limits_{suffix}(y, {output[0] * output[1] * output[2]}, {low}, {high});",)


@dataclass(frozen=True)
class Phase:
    """Every stride-th place of the output from `start` on, as a convolution of stride 1 with some of the taps."""

    start: tuple[int, int]
    geometry: Geometry
    rows: range  # of the filter, in the order in which the convolution sees them
    columns: range


def _phases_along(pad: int, stride: int, kernel: int, output: int) -> list[tuple[int, int, range, int]] | None:
    """(first place, places, taps in order, padding before) of each phase along one axis; None where one has no taps, or
    begins beyond the image's first pixel."""
    found = []
    for phase in range(min(stride, output)):
        first = (phase - pad) % stride
        taps = range(phase, kernel, stride)
        # place h sees the pixel (h + pad - tap) / stride
        before = len(taps) - 1 - (first + pad - phase) // stride
        if not taps or first >= output or before < 0:
            return None
        found.append((first, -(-(output - first) // stride), taps[::-1], before))
    return found


def phases(g: Geometry) -> list[Phase] | None:
    """Of a TRANSPOSE_CONV, given the convolution that it is the transpose of; None where only the plain kernel can."""
    along = [_phases_along(g.padding[i], g.stride[i], g.kernel[i], g.input[i]) for i in range(2)]
    if along[0] is None or along[1] is None or g.dilation != (1, 1):
        return None
    return [
        Phase(
            (top, left),
            Geometry(g.output, (high, wide, g.input[2]), (len(rows), len(columns)), (1, 1), (1, 1), (above, beside)),
            rows,
            columns,
        )
        for top, high, rows, above in along[0]
        for left, wide, columns, beside in along[1]
    ]


def phases_bytes(found: Sequence[Phase], depth: int) -> int:
    """Scratch for the largest window."""
    return max(window_bytes(phase.geometry, depth) for phase in found)


def lower_phases(
    prefix: str, taps: Array, bias: Array | None, found: Sequence[Phase], g: Geometry, x: Tensor, r: Requantisation
) -> Lowered:
    """The calls for taps (outputs, KH, KW, depth) of a TRANSPOSE_CONV; g: as for `phases`."""
    channels, depth = len(taps), taps.shape[3]
    rounding = rounding_constants(prefix, r)
    statements: list[str] = []
    constants: dict[str, Constant] = {}
    for number, phase in enumerate(found):
        own = taps[:, phase.rows][:, :, phase.columns]
        shape = f"[{channels}][{len(phase.rows)}][{len(phase.columns)}][{depth}]"
        runs = own.reshape(channels, *_runs(phase.geometry, depth))
        made = block(f"{prefix}_{number}", runs, bias, x, r, shape, 1, rounding)
        constants |= {constant.name: constant for constant in made.constants}
        strides = (g.stride[0] * g.input[1] * channels, g.stride[1] * channels)
        start = (phase.start[0] * g.input[1] + phase.start[1]) * channels
        y = f"y + {start}" if start else "y"
        statements += _part(f"phase{number}", phase.geometry, made, x, strides, 1, depth, y)
    statements += _limits((*g.input[:2], channels), r, suffix_of(x))
    note = f"written as {len(found)} convolutions, one for each phase of its stride"
    macs = g.output[0] * g.output[1] * taps.size
    return Lowered(tuple(statements), tuple(constants.values()), ("tl_conv_parts.h",), macs, note)
