"""A CRF in units of the quantised scores."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Crf
from tinyloc.codegen.arithmetic.fixedpoint import round_half_away
from tinyloc.codegen.graph import Tensor

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class IntegerCrf:
    """A CRF in units of the quantised scores."""

    transitions: Ints  # (C, C), [from][to]
    start: Ints
    end: Ints


def integer_crf(crf: Crf, scores: Tensor) -> IntegerCrf:
    """Divide each value of a CRF by the scale of the scores and round it, halves away from zero.

    Returns:
        Transitions (C, C), start (C,) and end (C,) as int64, in units of the scores.
    """

    def quantise(values: Sequence[float]) -> Ints:
        return np.array([round_half_away(v / float(np.float32(scores.scale))) for v in values], dtype=np.int64)

    return IntegerCrf(np.array([quantise(row) for row in crf.transitions]), quantise(crf.start), quantise(crf.end))
