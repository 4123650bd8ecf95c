"""DEPTHWISE_CONV_2D by lines of four channels, see firmware/kernels/tl_depthwise_rows.h and tl_depthwise_lines.h.

A line is a row of the image, or a column where that makes fewer and fuller groups of outputs: the kernel only knows the
distances in memory. Rows and columns then change places in the shape, in the filter and in the padding. A filter of
3 x 3 has a kernel of its own. Lines of few outputs are left to depthwise_taps.py.
"""

import dataclasses
import math

from tinyloc.codegen.arithmetic.data_mode import short_number
from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.arithmetic.requantise import Requantisation
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.kernel_forms.blocks import fields, folded_bias, limits, rounding_constants, rounding_fields
from tinyloc.codegen.kernel_forms.conv_blocks import suffix_of
from tinyloc.codegen.layer_code import Array, Constant, Lowered

LINE_CYCLES, FOUR_CYCLES, TWO_CYCLES = 150, 110, 70
"""Of a 3 x 3 filter on one channel, on the Cortex-M4: a line's overhead, four outputs, one or two at the end."""


def turned(g: Geometry) -> Geometry:
    """Rows and columns exchanged."""

    def swap(pair: tuple[int, int]) -> tuple[int, int]:
        return pair[1], pair[0]

    return Geometry(
        (*swap(g.input[:2]), g.input[2]),
        (*swap(g.output[:2]), g.output[2]),
        swap(g.kernel),
        swap(g.stride),
        swap(g.dilation),
        swap(g.padding),
    )


def _cycles(g: Geometry) -> int:
    """Estimate for one channel: lines, and their groups of outputs."""
    fours, rest = divmod(g.output[1], 4)
    line = LINE_CYCLES + FOUR_CYCLES * (fours + (rest == 3)) + TWO_CYCLES * (rest in (1, 2))
    return g.output[0] * line


def by_columns(g: Geometry) -> bool:
    """Whether lines are better taken down the columns."""
    if not in_rows(g):
        return line_cycles(turned(g)) < line_cycles(g)
    return g.stride[0] <= 2 and _cycles(turned(g)) < _cycles(g)


def in_rows(g: Geometry) -> bool:
    """Whether a filter is 3 x 3 with neighbouring taps, one a channel, at a stride that its kernel has."""
    return g.kernel == (3, 3) and g.dilation == (1, 1) and g.output[2] == g.input[2] and g.stride[1] <= 2


def line_cycles(g: Geometry) -> float:
    """Estimate for one output channel on the Cortex-M4 by tl_depthwise_lines.h, lines being rows."""
    rows, pairs = g.kernel[0], g.kernel[1] // 2 + 1
    read = min(rows, g.stride[0]) * g.input[1] * 3 * g.input[2] / g.output[2]
    sums = 60 + rows * (13 * pairs + 12)
    return g.output[0] * (read + 70 + 9 * rows * pairs + phases(g) * 10 + -(-g.output[1] // 4) * sums)


def phases(g: Geometry) -> int:
    """In how many parts the outputs of a line are made, so that windows of each part begin equally far apart."""
    return g.dilation[1] // math.gcd(g.dilation[1], g.stride[1])


@dataclasses.dataclass(frozen=True)
class Ring:
    """Lines that a filter reaches over, of four channels; `pitch` is even, in int16 values.

    `beyond`: values that the last group of four outputs reads beyond the last line; `words`: for a channel's taps.
    """

    rows: int
    pitch: int
    beyond: int
    words: int

    @property
    def bytes(self) -> int:
        return 2 * (4 * self.rows * self.pitch + self.beyond) + 4 * self.words


def _ring(g: Geometry) -> Ring:
    rows = (g.kernel[0] - 1) * g.dilation[0] + 1
    reach = (g.output[1] - 1) * g.stride[1] + (g.kernel[1] - 1) * g.dilation[1] + 1
    width = max(reach, g.padding[1] + g.input[1])
    if in_rows(g):
        return Ring(rows, width + width % 2, 8, 0)
    lane = -(-width // g.dilation[1])
    lane += lane * g.dilation[1] % 2
    beyond = 3 * g.stride[1] * phases(g) // g.dilation[1] + 4
    return Ring(rows, lane * g.dilation[1], beyond + beyond % 2, g.kernel[0] * (g.kernel[1] // 2 * 2 + 2))


def rows_bytes(g: Geometry) -> int:
    """Scratch of these kernels."""
    return _ring(turned(g) if by_columns(g) else g).bytes


def lower_rows(prefix: str, taps: Array, bias: Array | None, g: Geometry, x: Tensor, r: Requantisation) -> Lowered:
    """The call for taps (KH, KW, out channels)."""
    pixels, out_pixels = (g.input[2], g.input[1] * g.input[2]), (g.output[2], g.output[1] * g.output[2])
    note, kernel = "", "rows" if in_rows(g) else "lines"
    if by_columns(g):
        g, taps = turned(g), taps.transpose(1, 0, 2)
        pixels, out_pixels = pixels[::-1], out_pixels[::-1]
        note = "walks down the columns"
    ring, channels = _ring(g), g.output[2]
    rounding = rounding_constants(prefix, r)
    folded = folded_bias(taps.reshape(-1, channels).T, bias, x)
    told = "" if x.element == "int16" else ", input zero point folded in"
    constants = (
        Constant(f"{prefix}_weights", "int8_t", taps.transpose(2, 0, 1).ravel(), f"[{channels}]{list(g.kernel)}"),
        Constant(f"{prefix}_bias", "int32_t", folded, f"[{channels}]{told}"),
        *rounding,
    )
    own = {"rows": ring.rows, "phases": phases(g), "beyond": ring.beyond} if kernel == "lines" else {}
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
        "pitch": ring.pitch,
        **own,
    }
    layer = f"static const tl_depthwise_rows_t layer = {fields(values)};"
    call = f"tl_depthwise_{kernel}_{suffix_of(x)}(&layer, x0, scratch, y);"
    macs = g.output[0] * g.output[1] * taps.size
    return Lowered((layer, call), constants, (f"tl_depthwise_{kernel}.h",), macs, note)
