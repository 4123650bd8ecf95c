"""Order of weights in flash. The kernels in firmware/kernels read them front to back.

`pack_blocks`: the order is left to macros of firmware/kernels/tl_weights.h, because it differs from core to core.
`pack_rows`: four rows are taken together. Of each row, four weights make a word; the four words of a block lie side by
side. What of the depth does not fill a word follows, one byte a row, and rows that do not fill a block of four follow
one by one. Inside a word of an int16 layer the two middle bytes are swapped, so that SXTB16 gives the pairs (0, 1) and
(2, 3) that lie side by side in an int16 input; an int8 input is split by the same instruction and needs no swap.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.layer_code import Constant, Macro

ROWS = 4
DEPTH = 4
BLOCK, COLUMN, BIAS = Macro("TL_BLOCK", 16, 4), Macro("TL_COLUMN", 4, 1), Macro("TL_BIAS", 2, 1)


def pack_rows(weights: npt.NDArray[np.int8], element: str) -> npt.NDArray[np.int8]:
    """weights (rows, depth) -> flat, in reading order; `element` is the input's."""
    rows, depth = weights.shape
    full_rows, full_depth = rows - rows % ROWS, depth - depth % DEPTH
    order = [0, 2, 1, 3] if element == "int16" else [0, 1, 2, 3]
    packed = []
    for first in range(0, full_rows, ROWS):
        block = weights[first : first + ROWS]
        words = block[:, :full_depth].reshape(ROWS, full_depth // DEPTH, DEPTH)[:, :, order]
        packed.append(words.transpose(1, 0, 2).ravel())
        packed.append(block[:, full_depth:].T.ravel())
    last = weights[full_rows:].copy()
    words = last[:, :full_depth].reshape(len(last), full_depth // DEPTH, DEPTH)[:, :, order]
    last[:, :full_depth] = words.reshape(len(last), full_depth)
    packed.append(last.ravel())
    return np.concatenate(packed)


@dataclass(frozen=True)
class Blocks:
    """Weights of an int8 layer as tl_fully_connected_s8.h takes them, and its bias."""

    constants: tuple[Constant, ...]
    layer: str
    """A statement that declares the tl_fc_s8_t `layer`."""
    fields: str
    """Its initialiser."""


def pack_blocks(prefix: str, weights: npt.NDArray[np.int64], bias: npt.NDArray[np.int64]) -> Blocks:
    """weights (rows, depth), bias (rows,) with the input's zero point folded in.

    The order inside a block is the core's business: weights.c has plain numbers in macros of tl_weights.h.
    """
    rows, depth = weights.shape
    full_rows, full_depth = rows - rows % ROWS, depth - depth % DEPTH
    groups = weights[:full_rows].reshape(full_rows // ROWS, ROWS, depth)
    blocks = groups[:, :, :full_depth].reshape(len(groups), ROWS, full_depth // DEPTH, DEPTH).transpose(0, 2, 1, 3)
    columns = groups[:, :, full_depth:].transpose(0, 2, 1)
    last = weights[full_rows:]
    # the rows that fill no block are not biased
    sums = np.where(np.arange(rows) < full_rows, weights.sum(axis=1), 0)
    parts = (
        ("blocks", "uint32_t", blocks, f"[{full_rows}][{full_depth}], blocks of four rows and four inputs", BLOCK),
        ("columns", "uint32_t", columns, f"[{full_rows}][{depth - full_depth}], inputs that fill no block", COLUMN),
        ("rows", "int8_t", last, f"[{rows - full_rows}][{depth}], rows that fill no block", None),
        ("bias", "int32_t", np.stack([bias, sums], axis=1), f"[{rows}], input zero point folded in", BIAS),
    )
    constants = tuple(
        Constant(f"{prefix}_{what}", ctype, values.ravel(), comment, macro)
        for what, ctype, values, comment, macro in parts
        if values.size
    )
    fields = {what: f"{prefix}_{what}" if values.size else "NULL" for what, _, values, _, _ in parts}
    if full_rows:  # offsets of 0 are added to both; C does not define NULL + 0
        fields["blocks"] = fields["blocks"] if blocks.size else fields["columns"]
        fields["columns"] = fields["columns"] if columns.size else fields["blocks"]
    fields |= {"depth": str(depth), "channels": str(rows)}
    lines = "".join(f"    .{field} = {value},\n" for field, value in fields.items())
    return Blocks(constants, f"static const tl_fc_s8_t layer = {{\n{lines}}};", f"{{\n{lines}}}")
