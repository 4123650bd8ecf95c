"""Rows that the fast kernels cannot do, in a layer of which they do the others.

The fast kernel runs over all rows, these being zeros; the plain kernel then writes their outputs.
"""

import dataclasses
from collections import Counter

import numpy as np

from tinyloc.codegen.arithmetic.data_mode import in_data_mode, require
from tinyloc.codegen.arithmetic.geometry import Geometry
from tinyloc.codegen.arithmetic.requantise import Int64s, Requantisation, scaling
from tinyloc.codegen.graph import Tensor
from tinyloc.codegen.kernel_forms.blocks import misfits
from tinyloc.codegen.kernel_forms.conv_blocks import plain_suffix, suffix_of
from tinyloc.codegen.layer_code import Constant, FormCost, Lowered
from tinyloc.errors import counted

FACTOR = 1 / 64
"""Factor of the rows of zeros; every fast kernel takes it."""


@dataclasses.dataclass(frozen=True)
class OddRows:
    """rows: ascending; why: for the manifest."""

    rows: tuple[int, ...]
    why: str
    few: bool
    """Whether the fast kernel is worth its while for the others."""


def odd_rows(rows: Int64s, bias: Int64s | None, x: Tensor, r: Requantisation) -> OddRows:
    """Filters (channels, products) that are left to the plain kernel."""
    found = misfits(rows, bias, x, r)
    reasons = ", ".join(f"{counted(n, 'row')} with {why}" for why, n in Counter(found.values()).items())
    require(not found or not in_data_mode(), f"{reasons}: the fast kernel, the program's only form, cannot do them")
    return OddRows(tuple(sorted(found)), reasons, 2 * len(found) <= len(rows))


def without(
    taps: Int64s, bias: Int64s | None, r: Requantisation, odd: OddRows
) -> tuple[Int64s, Int64s, Requantisation]:
    """taps (outputs, ...), bias and scaling with zeros in the odd rows."""
    own = list(odd.rows)
    taps, start = taps.copy(), np.zeros(len(taps), np.int64) if bias is None else bias.copy()
    factor = np.array(np.broadcast_to(r.factor, len(taps)))
    taps[own], start[own], factor[own] = 0, 0, FACTOR
    return taps, start, dataclasses.replace(r, factor=tuple(factor.tolist()))


def lower_plain(
    prefix: str,
    taps: Int64s,
    bias: Int64s | None,
    g: Geometry,
    x: Tensor,
    r: Requantisation,
    odd: OddRows | None = None,
) -> Lowered:
    """The plain kernel for taps (outputs, KH, KW, depth): for all rows, or for the odd ones."""
    channels, depth = len(taps), taps.shape[3]
    start = np.zeros(channels, np.int64) if bias is None else bias
    which = list(range(channels)) if odd is None else list(odd.rows)
    list_name, extra = "NULL", tuple[Constant, ...]()
    if odd is not None:
        prefix = f"{prefix}_odd"
        list_name = f"{prefix}_rows"
        extra = (Constant(list_name, "uint16_t", np.array(odd.rows), f"[{len(odd.rows)}], output channels"),)
        if len(r.factor) > 1:
            r = dataclasses.replace(r, factor=tuple(np.array(r.factor)[which].tolist()))
    own = taps[which]
    pairs = r.wide_factors() if r.rounding == "wide" else r.twice_factors()
    how, arrays = scaling(prefix, pairs, r)
    shape = f"[{len(own)}][{g.kernel[0]}][{g.kernel[1]}][{depth}]"
    constants = (
        Constant(f"{prefix}_weights", "int8_t", own.ravel(), shape),
        Constant(f"{prefix}_bias", "int32_t", start[which], f"[{len(own)}]"),
        *arrays,
        *extra,
    )
    arguments = (
        f"{prefix}_weights, {prefix}_bias, &scaling, &shape, {depth}, {x.zero_point}, {list_name}, {len(own)}, y"
    )
    call = f"tl_conv_{plain_suffix(x, r)}(x0, {arguments});"
    macs = g.output[0] * g.output[1] * own.size
    costs = (FormCost(f"conv_{suffix_of(x)}", macs),)
    return Lowered((how, g.declaration, call), constants, ("tl_conv.h",), macs, "", costs)


def with_odd(fast: Lowered, plain: Lowered, odd: OddRows) -> Lowered:
    """The fast kernel, then the plain one for the odd rows."""
    note = f"{odd.why}: the plain kernel does them"
    return Lowered(
        (*fast.statements, "{\n" + "\n".join(plain.statements) + "\n}"),
        (*fast.constants, *plain.constants),
        tuple(dict.fromkeys((*fast.headers, *plain.headers))),
        fast.macs,
        f"{fast.note}; {note}" if fast.note else note,
        plain.costs,
    )
