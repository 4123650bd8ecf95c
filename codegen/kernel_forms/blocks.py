"""Convolutions as blocks of four pixels and two channels, see firmware/kernels/tl_blocks.h.

Weights lie in the order that the inner loop reads them: two channels together, of each two products in turn one byte a
channel. Products follow the gathered window: runs (a row of the window, or a tap where taps are apart), padded to an
even size; of each four int8 values in a run the middle two change places, as SXTB16 splits a word.

Sums of int16 are scaled once, floor(sum * m / 2**s + 1/2) with m of 15 bits. From s = 16 to s = 32 that is the upper
half of sum * (m << (32 - s)), rounded, which SMMULR gives in one instruction; other factors are left to the plain
kernels, as are sums that may leave 32 bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.data_mode import short_number
from tinyloc.codegen.arithmetic.requantise import Int64s, Requantisation, sum_bounds
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.layer_code import Array, Constant, Macro

RAISE = 129
"""TL_RAISE: gathered values are x + 129, from 1 to 256."""
PIXELS, CHANNELS = 4, 2
TWO_CHANNELS = Macro("TL_TWO_CHANNELS", CHANNELS, CHANNELS)
LARGEST_VALUE, HIGH_SUM = 256, 1 << 23
"""Of raised values; sums of a second channel that tl_block_pairs.h finds in 24 bits are less."""


def reading_order(size: int) -> list[int]:
    """Values of a run in the order of the gathered window: 0 2 1 3, 4 6 5 7, ..., the rest as they are."""
    whole = size - size % 4
    return [at ^ 3 if at < whole and at % 4 in (1, 2) else at for at in range(size)]


def pack_filters(filters: Int64s, element: str = "int8") -> npt.NDArray[np.int8]:
    """filters (channels, runs, size of a run) -> flat, in reading order; odd sizes are filled with zeros."""
    channels, runs, size = filters.shape
    packed = np.zeros((channels + channels % 2, runs, size + size % 2), np.int8)
    packed[:channels, :, :size] = filters[:, :, reading_order(size) if element == "int8" else slice(size)]
    pairs = packed.reshape(len(packed) // CHANNELS, CHANNELS, -1)  # two channels, their products
    return pairs.transpose(0, 2, 1).ravel()


def upper_multipliers(r: Requantisation) -> Int64s:
    """m << (32 - s) a channel of int16, -1 where that is not of 32 bits."""
    pairs = r.wide_factors()
    return np.array([0 if m == 0 else m << (32 - s) if 16 <= s <= 32 else -1 for m, s in pairs], np.int64)


def misfits(rows: Int64s, bias: Int64s | None, x: Tensor, r: Requantisation) -> dict[int, str]:
    """Filters (channels, products) that blocks cannot do, and why: sums and factors must fit SMMULR, int8 weights be
    over -128."""
    bounds = sum_bounds(rows, bias, x)
    reasons: Sequence[tuple[npt.NDArray[np.bool_], str]]
    if x.element == "int16":
        if r.rounding != "wide":
            return dict.fromkeys(range(len(rows)), "a bias of 32 bits: sums are rounded twice")
        factors = np.broadcast_to(upper_multipliers(r), len(rows))
        reasons = ((factors < 0, "a factor outside 2^-18 to 1/2"), (bounds >= 1 << 31, "sums beyond 32 bits"))
    else:
        small = [s < 0 or m == 0 for m, s in r.twice_factors()]
        reasons = (
            (~np.broadcast_to(small, len(rows)), "a factor of 1/2 or more"),
            (bounds >= 1 << 30, "sums of 2^30 and more"),
            (rows.min(axis=1) == -128, "a weight of -128"),
        )
    return {int(row): why for bad, why in reversed(reasons) for row in np.flatnonzero(bad)}


def fits_blocks(rows: Int64s, bias: Int64s | None, x: Tensor, r: Requantisation) -> bool:
    """Whether blocks do for all filters (channels, products)."""
    return not misfits(rows, bias, x, r)


def folded_bias(rows: Int64s, bias: Int64s | None, x: Tensor, raised: int = RAISE) -> Int64s:
    """What the sum of products with values, of int8 raised ones, starts from; rows (channels, products)."""
    start = np.zeros(len(rows), np.int64) if bias is None else bias
    return start if x.element == "int16" else start - (x.zero_point + raised) * rows.sum(axis=1)


def is_deep(rows: Int64s, x: Tensor) -> bool:
    """Whether products of int8 (channels, products) may add up to more than tl_block_pairs.h takes."""
    reach = np.maximum(rows.clip(min=0).sum(axis=1), -rows.clip(max=0).sum(axis=1))
    return x.element == "int8" and int(reach.max()) * LARGEST_VALUE >= HIGH_SUM


@dataclass(frozen=True)
class Block:
    """The fields of a tl_block_t in C, the arrays that they name, and the ending of the kernel that takes them."""

    text: str
    constants: tuple[Constant, ...]
    suffix: str


def rounding_constants(prefix: str, r: Requantisation) -> tuple[Constant, ...]:
    """The multipliers, and of int8 the shifts of tl_requantise_twice, one a channel or one for all."""
    if r.element == "int16":
        upper = upper_multipliers(r)
        assert upper.min() >= 0
        return (Constant(f"{prefix}_multiplier", "int32_t", upper, f"[{len(upper)}]"),)
    factors = r.twice_factors()
    return (
        Constant(f"{prefix}_multiplier", "int32_t", np.array([m for m, _ in factors], np.int64), f"[{len(factors)}]"),
        Constant(f"{prefix}_shift", "int8_t", np.array([max(-s - 1, 0) for _, s in factors]), f"[{len(factors)}]"),
    )


def rounding_fields(r: Requantisation, constants: tuple[Constant, ...]) -> dict[str, object]:
    """The fields that name them, and say whether there is one a channel."""
    names = dict(zip(("multiplier", "shift"), (constant.name for constant in constants), strict=False))
    return {**names, "per_channel": int(len(r.factor) > 1)}


def limits(r: Requantisation) -> dict[str, str]:
    """How a rounded sum becomes an output; int16 has no zero point."""
    zero = {} if r.element == "int16" else {"zero": short_number(2 * r.zero_point + 1)}
    return {**zero, "low": short_number(r.low), "high": short_number(r.high)}


def fields(values: dict[str, object]) -> str:
    """A designated initialiser."""
    return "{" + ", ".join(f".{name} = {value}" for name, value in values.items()) + "}"


def block(
    prefix: str,
    filters: Int64s,
    bias: Int64s | None,
    x: Tensor,
    r: Requantisation,
    layout: str,
    groups: int = 1,
    rounding: tuple[Constant, ...] = (),
) -> Block:
    """filters (channels, runs, size of a run), of all groups; `layout` describes them for the generated file.

    rounding: the arrays of rounding_constants where the layer has several blocks.
    """
    channels = len(filters) // groups
    rows = filters.reshape(len(filters), -1)
    folded = folded_bias(rows, bias, x)
    packed = [pack_filters(part, x.element) for part in np.split(filters, groups)]
    weights = np.concatenate(packed)
    rounding = rounding or rounding_constants(prefix, r)
    deep = is_deep(rows, x)
    macro = TWO_CHANNELS if x.element == "int8" and not deep else None
    told = "" if x.element == "int16" else ", input zero point folded in"
    constants = [
        Constant(f"{prefix}_weights", "int8_t", weights, f"{layout}, packed two channels at a time", macro),
        Constant(f"{prefix}_bias", "int32_t", folded, f"[{len(filters)}]{told}"),
        *rounding,
    ]
    values: dict[str, object] = {"weights": constants[0].name, "bias": constants[1].name}
    values |= rounding_fields(r, rounding)
    if x.element == "int8":
        negatives = (rows < 0).sum(axis=1)
        comment = f"[{len(filters)}], negative weights"
        constants.append(Constant(f"{prefix}_negatives", "uint8_t", little_endian(negatives, 2), comment))
        values |= {"negatives": f"TL_LANES_ONLY({constants[-1].name})"}
    words = packed[0].size // (channels + channels % 2) // 2
    text = fields({**values, "channels": channels, "words": words, **limits(r)})
    return Block(text, tuple(constants), "s16" if x.element == "int16" else "deep" if deep else "s8")


def little_endian(values: Array, width: int) -> Array:
    """Write non-negative numbers of any shape as bytes, `width` each, lowest first."""
    return np.frombuffer(values.astype(f"<u{width}").tobytes(), np.uint8)


def gathered_bytes(runs: int, size: int) -> int:
    """Scratch for four windows of this number of runs, each of `size` values."""
    return runs * (size + size % 2) * PIXELS * 2
