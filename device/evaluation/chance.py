"""How a model stands beside always naming the commonest class, and its decisions in the order of time."""

from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import Bundle, TestSet
from tinyloc.device.evaluation.evaluation_record import Chance, Timeline
from tinyloc.training.metrics import Due
from tinyloc.training.protocol.bootstrap import differences
from tinyloc.training.protocol.figures import Decisions, figures, judged

Integers = npt.NDArray[np.integer[Any]]
ERROR, CLASSES = "error_mean_m", "macro_f1"


def chance_of(
    bundle: Bundle, due: Due, decided: Integers, decided_m: npt.NDArray[np.floating[Any]] | None, unit: Integers | None
) -> Chance | None:
    """Compare decisions with the commonest class of the test set, on the metric that the model is made for.

    Args:
        bundle: of the model. A model that decides positions is judged by its mean error, others by macro F1.
        due: the D decisions that are due.
        decided: (D,) legal classes.
        decided_m: (N, 3) where decisions put the user, of a model that decides positions.
        unit: (D,) what the bootstrap draws as a whole; without it, single decisions.

    Returns:
        None where no true class is known.
    """
    known = due.label >= 0
    if not known.any():
        return None
    commonest = int(np.bincount(due.label[known]).argmax())
    places = None if bundle.outputs.positions_m is None else np.asarray(bundle.outputs.positions_m)
    always = np.full(len(decided), commonest, np.int32)

    def found(classes: Integers, metres: npt.NDArray[np.floating[Any]] | None) -> Decisions:
        return judged(due.label, classes, metres, due.position_m)

    at_class = None if places is None else places[decided]
    model = found(decided, at_class if decided_m is None else decided_m[due.sample])
    other = found(always, None if places is None else places[always])
    metric = ERROR if bundle.outputs.position == "mean" and ERROR in figures(model) else CLASSES
    units = np.arange(len(decided)) if unit is None else unit
    difference = differences(model, other, units)[metric]
    return Chance(
        metric=metric,
        device=figures(model)[metric],
        commonest=figures(other)[metric],
        low=difference.low,
        high=difference.high,
        class_name=bundle.outputs.classes[commonest],
    )


def timeline_of(
    bundle: Bundle,
    test_set: TestSet,
    due: Due,
    decided: Integers,
    margin: Integers,
    scale: float,
    unit: Integers | None,
) -> Timeline:
    """The decisions in order, with the margin in units of the float scores where it is one of scores."""
    votes = bundle.window.steps > 1 and bundle.crf is None
    factor = 1.0 if votes else scale
    return Timeline(
        sample=due.sample.tolist(),
        recording=test_set.recording[due.sample].tolist(),
        label=due.label.tolist(),
        decided=decided.tolist(),
        margin=np.round(margin[due.sample] * factor, 4).tolist(),
        unit=[] if unit is None else unit.tolist(),
        votes=votes,
        rate_hz=bundle.window.rate_hz,
    )
