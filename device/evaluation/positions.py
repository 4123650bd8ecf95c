"""Where the decisions of a test set put the user: on the device, by the host's integers, and in float."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Bundle, TestSet
from tinyloc.codegen.arithmetic.position import AXES, MM, IntegerPositions
from tinyloc.device.evaluation.collect_answers import Answers
from tinyloc.device.evaluation.host_answers import HostAnswers
from tinyloc.training.places import mean_position

Metres = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Decided:
    """Positions in metres (N, 3), one a sample of the test set; heights are those of the classes decided."""

    device: Metres
    host: Metres
    float_model: Metres
    differs: npt.NDArray[np.bool_]  # (N,) where device and host differ in a millimetre


def mean_places(
    rule: IntegerPositions, bundle: Bundle, test_set: TestSet, answers: Answers, expected: HostAnswers
) -> Decided:
    """Of a model that decides positions."""
    by_host = rule.decide(expected.scores)
    classes = np.asarray(bundle.outputs.positions_m, np.float64)

    def metres(mm: npt.NDArray[np.int64], decided: npt.NDArray[np.int32]) -> Metres:
        return np.hstack([mm / MM, classes[np.clip(decided, 0, len(classes) - 1)][:, AXES:]])

    return Decided(
        device=metres(answers.position_mm, answers.class_index),
        host=metres(by_host, expected.class_index),
        float_model=mean_position(test_set.float_scores, classes),
        differs=(answers.position_mm != by_host).any(axis=1),
    )
