"""DEPTHWISE_CONV_2D with any filter, four channels at a time, see firmware/kernels/tl_depthwise_taps.h.

The longer side of the filter lies along a row of taps: rows and columns of image, filter and result change places
where that is its height. No scratch is needed.
"""

from typing import Literal

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import short_number
from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.kernel_forms.blocks import fields, folded_bias, limits, rounding_constants, rounding_fields
from tinyloc.codegen.kernel_forms.conv_blocks import suffix_of
from tinyloc.codegen.kernel_forms.depthwise_rows import in_rows, line_cycles, turned
from tinyloc.codegen.layer_code import Array, Constant, Lowered

LANES = 4
BORDER = 1.7
"""What an image's border costs, whose windows are made in three parts a row; an average of small images."""
ORDER = {"int8": [0, 1, 2, 3], "int16": [0, 2, 1, 3]}
"""Of four channels' weights of one tap."""


def in_taps(g: Geometry) -> bool:
    """Whether this is faster than lines: where a line has few outputs."""
    height, width = min(g.kernel), max(g.kernel)
    sums = height * (14 * width + 25) / LANES
    output = 18 + sums * (BORDER if any(g.padding) else 1.0)
    return g.output[0] * g.output[1] * output < min(line_cycles(g), line_cycles(turned(g)))


def by_channel_form(g: Geometry) -> Literal["rows", "lines", "taps"]:
    """Which of the kernels tl_depthwise_*.h does a layer."""
    if in_rows(g):
        return "rows"
    return "taps" if in_taps(g) else "lines"


def pack_taps(taps: Array, filters: int, element: str) -> Array:
    """taps (KH, KW, out channels), `filters` of them a channel -> flat, in reading order.

    The last four channels overlap those before them; fewer than four are filled with zeros.
    """
    height, width, outputs = taps.shape
    channels = outputs // filters
    own = taps.reshape(height * width, channels, filters)
    if channels < LANES:
        own = np.concatenate([own, np.zeros((len(own), LANES - channels, filters), own.dtype)], axis=1)
    last = max(channels - LANES, 0)
    starts = [min(first, last) for first in range(0, channels, LANES)]
    quads = [own[:, first : first + LANES][:, ORDER[element]] for first in starts]
    packed: Array = np.stack(quads).transpose(3, 0, 1, 2).ravel()  # filter, quad, tap, lane
    return packed


def lower_taps(prefix: str, taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation) -> Lowered:
    """The call for taps (KH, KW, out channels)."""
    pixels, out_pixels = (g.input[2], g.input[1] * g.input[2]), (g.output[2], g.output[1] * g.output[2])
    channels, macs = g.output[2], g.output[0] * g.output[1] * taps.size
    rounding = rounding_constants(prefix, r)
    told = "" if x.element == "int16" else ", input zero point folded in"
    folded = folded_bias(taps.reshape(-1, channels).T, bias, x, raised=0)
    if g.kernel[0] > g.kernel[1]:
        g, taps = turned(g), taps.transpose(1, 0, 2)
        pixels, out_pixels = pixels[::-1], out_pixels[::-1]
    packed = pack_taps(taps, channels // g.input[2], x.element)
    constants = (
        Constant(f"{prefix}_weights", "int8_t", packed, f"[{channels}]{list(g.kernel)}, four channels at a time"),
        Constant(f"{prefix}_bias", "int32_t", folded, f"[{channels}]{told}"),
        *rounding,
    )
    values: dict[str, object] = {
        "shape": g.initialiser,
        "row": pixels[1],
        "pixel": pixels[0],
        "out_row": out_pixels[1],
        "out_pixel": out_pixels[0],
        **({} if x.element == "int16" else {"input_zero": short_number(x.zero_point)}),
        "weights": constants[0].name,
        "bias": constants[1].name,
        **rounding_fields(r, rounding),
        **limits(r),
    }
    layer = f"static const tl_depthwise_taps_t layer = {fields(values)};"
    call = f"tl_depthwise_taps_{suffix_of(x)}(&layer, x0, y);"
    return Lowered((layer, call), constants, ("tl_depthwise_taps.h",), macs)
