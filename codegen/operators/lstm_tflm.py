"""One LSTM step in the arithmetic of TensorFlow Lite for Microcontrollers: sigmoid and tanh are tables.

LiteRT's tanh knows cell states of 0 to 6 integer bits; of a smaller one it computes none, and its answers are constant.
TFLM takes any. TFLM: LstmStepManager, UpdateLstmCell and UpdateLstmHidden in lstm_eval_int8.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.arithmetic import fixedpoint
from tinyloc.codegen.arithmetic.requantise import Int64s
from tinyloc.codegen.operators import logistic16

CELL_BITS = range(-8, 7)
"""Integer bits of a cell state; below, its largest value is less than 2**-8."""


def power(exponent: int) -> tuple[int, int]:
    """2**exponent as (multiplier, shift)."""
    return 1 << 30, exponent + 1


def limited(values: Int64s) -> Int64s:
    """As an int16 that saturates."""
    return np.clip(values, -32768, 32767)


def tanh_of_cell(cell: Int64s, bits: int) -> Int64s:
    """In 0.15, of a cell state with so many integer bits; logistic16's tanh takes thrice a number in 3.12."""
    left = bits - 3
    return logistic16.tanh(cell * 3 << left if left >= 0 else cell * 3 + (1 << (-left - 1)) >> -left)


def next_cell(sums: Sequence[tuple[Int64s, Int64s]], cell: Int64s, bits: int, clip: int) -> tuple[Int64s, Int64s]:
    """(next cell state, output gate) of all units.

    Args:
        sums: of the input, forget, cell and output gate: in 3.12 what the input and what the hidden state add.
        cell: the cell state, with `bits` integer bits.
        clip: its largest magnitude, 32768 when it has no bound.
    """
    gates = [limited(limited(of_input) + limited(of_state)) for of_input, of_state in sums]
    into, forget, out = (logistic16.sigmoid(3 * gates[i]) for i in (0, 1, 3))
    update = logistic16.tanh(3 * gates[2])
    kept = limited(fixedpoint.scale_twice_rounded(forget * cell, *power(-15)))
    new = limited(fixedpoint.scale_twice_rounded(into * update, *power(-15 - bits)))
    return np.clip(limited(kept + new), -clip, clip), out
