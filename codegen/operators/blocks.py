"""Convolutions on int8 as blocks of four pixels and two channels, see firmware/kernels/tl_blocks.h.

Weights lie in the order that the inner loop reads them: two channels together, of each two products in turn one byte a
channel. Products follow the gathered window: runs (a row of the window, or a tap where taps are apart), padded to an
even size; of each four values in a run the middle two change places, as SXTB16 splits a word.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.operators.base import Array, Constant
from tinyloc.codegen.operators.requantise import Int64s, Requantisation, sum_bound

RAISE = 129
"""TL_RAISE: gathered values are x + 129, from 1 to 256."""
PIXELS, CHANNELS = 4, 2


def reading_order(size: int) -> list[int]:
    """Values of a run in the order of the gathered window: 0 2 1 3, 4 6 5 7, ..., the rest as they are."""
    whole = size - size % 4
    return [at ^ 3 if at < whole and at % 4 in (1, 2) else at for at in range(size)]


def pack_filters(filters: Int64s) -> npt.NDArray[np.int8]:
    """filters (channels, runs, size of a run) -> flat, in reading order; odd sizes are filled with zeros."""
    channels, runs, size = filters.shape
    packed = np.zeros((channels + channels % 2, runs, size + size % 2), np.int8)
    packed[:channels, :, :size] = filters[:, :, reading_order(size)]
    pairs = packed.reshape(len(packed) // CHANNELS, CHANNELS, -1)  # two channels, their products
    return pairs.transpose(0, 2, 1).ravel()


def can_be_rounded(r: Requantisation) -> bool:
    """Whether tl_requantise_twice does for these factors: each below 1/2."""
    return r.rounding == "twice" and r.element == "int8" and all(s < 0 or m == 0 for m, s in r.twice_factors())


def fits_blocks(rows: Int64s, bias: Int64s | None, x: Tensor, r: Requantisation) -> bool:
    """Whether blocks do for filters (channels, products): int8, sums that SMMULR takes, weights above -128."""
    return x.element == "int8" and can_be_rounded(r) and rows.min() > -128 and sum_bound(rows, bias, x) < 1 << 30


def folded_bias(rows: Int64s, bias: Int64s | None, input_zero: int) -> Int64s:
    """What the sum of products with raised values starts from; rows (channels, products)."""
    return (np.zeros(len(rows), np.int64) if bias is None else bias) - (input_zero + RAISE) * rows.sum(axis=1)


@dataclass(frozen=True)
class Block:
    """The fields of a tl_block_t in C, and the arrays that they name."""

    text: str
    constants: tuple[Constant, ...]


def rounding_constants(prefix: str, r: Requantisation) -> tuple[Constant, Constant]:
    """Multipliers and shifts of tl_requantise_twice, one a channel or one for all."""
    factors = r.twice_factors()
    return (
        Constant(f"{prefix}_multiplier", "int32_t", np.array([m for m, _ in factors], np.int64), f"[{len(factors)}]"),
        Constant(f"{prefix}_shift", "int8_t", np.array([max(-s - 1, 0) for _, s in factors]), f"[{len(factors)}]"),
    )


def limits(r: Requantisation) -> dict[str, int]:
    """How a rounded sum becomes an output."""
    return {"zero": 2 * r.zero_point + 1, "low": r.low, "high": r.high}


def fields(values: dict[str, object]) -> str:
    """A designated initialiser."""
    return "{" + ", ".join(f".{name} = {value}" for name, value in values.items()) + "}"


def block(prefix: str, filters: Int64s, bias: Int64s | None, input_zero: int, r: Requantisation, layout: str) -> Block:
    """filters (channels, runs, size of a run); `layout` describes them for the generated file."""
    channels = len(filters)
    rows = filters.reshape(channels, -1)
    folded = folded_bias(rows, bias, input_zero)
    negatives = (rows < 0).sum(axis=1)
    width = 1 if negatives.max() < 256 else 2
    weights = pack_filters(filters)
    multiplier, shift = rounding_constants(prefix, r)
    constants = (
        Constant(f"{prefix}_weights", "int8_t", weights, f"{layout}, packed two channels at a time"),
        Constant(f"{prefix}_bias", "int32_t", folded, f"[{channels}], input zero point folded in"),
        multiplier,
        shift,
        Constant(f"{prefix}_negatives", "uint8_t", little_endian(negatives, width), f"[{channels}], negative weights"),
    )
    text = fields(
        {
            "weights": constants[0].name,
            "bias": constants[1].name,
            "multiplier": multiplier.name,
            "shift": shift.name,
            "negatives": f"TL_LANES_ONLY({constants[4].name})",
            "per_channel": int(len(r.factor) > 1),
            "negatives_bytes": width,
            "channels": channels,
            "words": weights.size // (channels + channels % 2) // 2,
            **limits(r),
        }
    )
    return Block(text, constants)


def little_endian(values: Array, width: int) -> Array:
    """Numbers of `width` bytes as bytes."""
    return np.frombuffer(values.astype(f"<u{width}").tobytes(), np.uint8)


def gathered_bytes(runs: int, size: int) -> int:
    """Scratch for four windows of this number of runs, each of `size` values."""
    return runs * (size + size % 2) * PIXELS * 2
