"""How good decisions are. Needs neither torch nor a model.

Macro F1 is scikit-learn's: the plain mean of F1 over every label that occurs among the true labels or the decisions.
A sample whose class was never trained has label -1. No decision can be right there: it is an error in the accuracy,
a false positive of the class decided, and the label -1 itself counts as one more class, with F1 = 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import accuracy_score, confusion_matrix, f1_score

from tinyloc.bundle.schema import Outputs, TestSet, Window
from tinyloc.training.data.dataset import UNSEEN
from tinyloc.training.windows import due, true_labels, true_positions

Integers = npt.NDArray[np.integer[Any]]
Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Scores:
    """Of D decisions."""

    macro_f1: float
    accuracy: float
    decisions: int
    unseen: int
    """Decisions whose true class was never trained: errors, whatever was decided."""
    errors_m: dict[str, float] | None
    """mean, p50, p75, p90, max of the position error in metres, where positions exist."""

    def as_dict(self) -> dict[str, float]:
        """Flat, for metrics.json: errors as error_mean_m, error_p50_m, ..."""
        flat = {"macro_f1": self.macro_f1, "accuracy": self.accuracy}
        flat |= {"decisions": float(self.decisions), "unseen": float(self.unseen)}
        return flat | {f"error_{name}_m": value for name, value in (self.errors_m or {}).items()}


def macro_f1(label: Integers, decision: Integers) -> float:
    """Compute macro F1 (0..1) of decisions (D,) against labels (D,); the head of this file defines it."""
    return float(f1_score(label, decision, average="macro", zero_division=0.0))


def confusion(label: Integers, decision: Integers, classes: int) -> npt.NDArray[np.int64]:
    """Count decisions by [true][decided] class, (C, C); decisions with an unseen true class are left out."""
    seen = label != UNSEEN
    counts: npt.NDArray[np.int64] = confusion_matrix(label[seen], decision[seen], labels=np.arange(classes))
    return counts.astype(np.int64)


def position_errors(decided_m: Floats, true_m: Floats) -> dict[str, float] | None:
    """Compute mean, p50, p75, p90 and max of the Euclidean distance in metres.

    Args:
        decided_m: decided positions (D, 3).
        true_m: true positions (D, 3), NaN where unknown.

    Returns:
        None when no row has a true position.
    """
    distance = np.linalg.norm(decided_m.astype(np.float64) - true_m, axis=1)
    distance = distance[~np.isnan(distance)]
    if not len(distance):
        return None
    p50, p75, p90 = np.percentile(distance, [50, 75, 90])
    named = {"mean": distance.mean(), "p50": p50, "p75": p75, "p90": p90, "max": distance.max()}
    return {name: float(value) for name, value in named.items()}


def score(
    label: Integers,
    decision: Integers,
    position_m: Floats | None = None,
    class_position_m: Floats | Sequence[Sequence[float]] | None = None,
) -> Scores:
    """Compute all figures of D decisions over C classes.

    Args:
        label: true classes (D,), -1 for a class that training does not have.
        decision: decided classes (D,), from 0.
        position_m: true positions (D, 3) in metres, NaN where unknown; needed for position errors.
        class_position_m: position of each class (C, 3) in metres.

    Raises:
        ValueError: no decision at all.
    """
    if not len(label):
        raise ValueError("no decision to score; the recordings are shorter than one window")
    errors = None
    if position_m is not None and class_position_m is not None:
        errors = position_errors(np.asarray(class_position_m)[decision], position_m)
    return Scores(
        macro_f1=macro_f1(label, decision),
        accuracy=float(accuracy_score(label, decision)),
        decisions=len(label),
        unseen=int((label == UNSEEN).sum()),
        errors_m=errors,
    )


@dataclass(frozen=True)
class Due:
    """The D decisions that are due in a test set, and what is true at each."""

    sample: npt.NDArray[np.int64]  # (D,) the sample at which the decision is due
    label: npt.NDArray[np.int32]  # (D,) mode of the window's labels
    position_m: npt.NDArray[np.float32]  # (D, 3) mean of the window's positions


def due_decisions(test_set: TestSet, window: Window) -> Due:
    """Find where decisions are due in a test set, recording by recording."""
    samples, labels, positions = [], [], []
    for part in test_set.recordings():
        label, position = test_set.label[part], test_set.position_m[part]
        samples.append(part.start + due(len(label), window.steps, window.hop))
        labels.append(true_labels(label, window))
        positions.append(true_positions(position, window))
    return Due(np.concatenate(samples), np.concatenate(labels), np.concatenate(positions).astype(np.float32))


def score_test_set(
    test_set: TestSet, decision: Integers, window: Window, outputs: Outputs, decided_m: Floats | None = None
) -> Scores:
    """Compute the figures of decisions on a test set of N samples.

    Args:
        test_set: true classes and positions.
        decision: (N,) classes; values where no decision is due are not read.
        window: when decisions are due.
        outputs: positions of the classes.
        decided_m: (N, 3) metres, when a decision is not at the place of its class.
    """
    truth = due_decisions(test_set, window)
    found = score(truth.label, decision[truth.sample], truth.position_m, outputs.positions_m)
    if decided_m is None:
        return found
    return replace(found, errors_m=position_errors(decided_m[truth.sample], truth.position_m))
