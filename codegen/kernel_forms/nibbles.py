"""Weights of four bits, two a byte: FULLY_CONNECTED on int8 whose weights are all in -8..7, as INT4 tensors are.

Half the flash for the weights. On the Cortex-M4 a word of eight weights becomes two words of four signed bytes by a
mask and a shift, each weight times 16; the sums are 16 times too large until their last step, an exact shift.
"""

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.kernel_forms.packing import ROWS
from tinyloc.codegen.layer_code import Constant

LOW, HIGH = -8, 7
WORD = 8
"""Weights of a word."""
LEAST_BYTES = 64
"""Below this the code of the kernel is more than the weights save."""
SUM_LIMIT = 1 << 27
"""Of sums that are kept 16 times too large."""


def fits_nibbles(weights: npt.NDArray[np.int64], bound: int) -> bool:
    """Whether these weights (rows, depth) can be stored so; `bound` is the largest magnitude of a sum of theirs."""
    inside = bool(((weights >= LOW) & (weights <= HIGH)).all())
    return inside and weights.size >= LEAST_BYTES and bound < SUM_LIMIT


def pack_nibbles(prefix: str, weights: npt.NDArray[np.int64]) -> Constant:
    """Four rows together; of each, words of eight inputs: byte j holds the weights of inputs j (low half) and j + 4.

    Rows and depth are filled up with zeros to whole blocks.
    """
    rows, depth = weights.shape
    whole = np.zeros((-(-rows // ROWS) * ROWS, -(-depth // WORD) * WORD), np.int64)
    whole[:rows, :depth] = weights
    halves = whole.reshape(-1, ROWS, whole.shape[1] // WORD, 2, WORD // 2) & 15
    packed = (halves[:, :, :, 0] | halves[:, :, :, 1] << 4).transpose(0, 2, 1, 3).astype(np.uint8)
    comment = f"[{rows}][{depth}] of four bits, four rows and eight inputs a block"
    return Constant(f"{prefix}_weights", "int8_t", packed.ravel().view(np.int8), comment)


def pack_nibble_columns(prefix: str, weights: npt.NDArray[np.int64]) -> Constant:
    """A column an input, of words of eight channels: byte j holds channels j (low half) and j + 4, zeros at the end."""
    channels, depth = weights.shape
    whole = np.zeros((depth, -(-channels // WORD) * WORD), np.int64)
    whole[:, :channels] = weights.T
    halves = whole.reshape(depth, -1, 2, WORD // 2) & 15
    packed = (halves[:, :, 0] | halves[:, :, 1] << 4).astype(np.uint8)
    comment = f"[{depth}][{channels}] of four bits, a column an input, eight channels a word"
    return Constant(f"{prefix}_weights", "int8_t", packed.ravel().view(np.int8), comment)
