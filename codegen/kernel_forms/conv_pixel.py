"""CONV_2D in int8 with one output place that sees the whole image, see firmware/kernels/tl_conv_pixel.h."""

import numpy as np

from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.kernel_forms.blocks import fields, limits, rounding_constants, rounding_fields
from tinyloc.codegen.kernel_forms.packing import pack_blocks
from tinyloc.codegen.layer_code import Array, Lowered


def is_pixel(g: Geometry, depth: int, x: Tensor) -> bool:
    """Whether the single window is the image as it lies in memory."""
    whole = g.kernel == g.input[:2] and g.padding == (0, 0) and g.dilation == (1, 1) and depth == g.input[2]
    return x.element == "int8" and g.output[:2] == (1, 1) and whole


def lower_pixel(prefix: str, taps: Array, bias: Array | None, x: Tensor, r: Requantisation) -> Lowered:
    """The call for taps (outputs, KH, KW, depth)."""
    rows = taps.reshape(len(taps), -1)
    start = np.zeros(len(rows), np.int64) if bias is None else bias
    packed = pack_blocks(prefix, rows, start - x.zero_point * rows.sum(axis=1))
    rounding = rounding_constants(prefix, r)
    values = {"rows": packed.fields, **rounding_fields(r, rounding), **limits(r)}
    layer = f"static const tl_conv_pixel_t layer = {fields(values)};"
    constants = (*packed.constants, *rounding)
    return Lowered((layer, "tl_conv_pixel_s8(&layer, x0, y);"), constants, ("tl_conv_pixel.h",), rows.size)
