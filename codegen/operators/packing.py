"""Order of weights in flash. The kernels in firmware/kernels read them front to back.

Four rows are taken together. Of each row, four weights make a word; the four words of a block lie side by side. What of
the depth does not fill a word follows, one byte a row, and rows that do not fill a block of four follow in plain order.
Inside a word of an int16 layer the two middle bytes are swapped, so that SXTB16 gives the pairs (0, 1) and (2, 3) that
lie side by side in an int16 input; an int8 input is split by the same instruction and needs no swap.
"""

import numpy as np
import numpy.typing as npt

ROWS = 4
DEPTH = 4


def pack_rows(weights: npt.NDArray[np.int8], element: str) -> npt.NDArray[np.int8]:
    """weights (rows, depth) -> flat, in reading order; `element` is the input's."""
    rows, depth = weights.shape
    full_rows, full_depth = rows - rows % ROWS, depth - depth % DEPTH
    order = [0, 2, 1, 3] if element == "int16" else [0, 1, 2, 3]
    packed = []
    for first in range(0, full_rows, ROWS):
        block = weights[first : first + ROWS]
        words = block[:, :full_depth].reshape(ROWS, -1, DEPTH)[:, :, order]
        packed.append(words.transpose(1, 0, 2).ravel())
        packed.append(block[:, full_depth:].T.ravel())
    packed.append(weights[full_rows:].ravel())
    return np.concatenate(packed)
