"""How many decisions a device answers where it may answer "unknown", and how good the answered ones are."""

from pathlib import Path

import numpy as np
import numpy.typing as npt

from tinyloc.bundle.schema import MISSING_DBM, Arithmetic, Bundle, TestSet
from tinyloc.codegen.frontend.source import least_margin
from tinyloc.device.evaluation.collect_answers import Answers
from tinyloc.device.evaluation.evaluation_record import Coverage
from tinyloc.device.evaluation.host_answers import HostAnswers
from tinyloc.training.metrics import Due, macro_f1


def coverage(
    bundle: Bundle, bundle_dir: Path, arithmetic: Arithmetic, test_set: TestSet, due: Due, answers: Answers,
    expected: HostAnswers,
) -> Coverage | None:  # fmt: skip
    """Compute the coverage of the due decisions; None where every sample gets an answer.

    The host's side is counted for models of single samples without forward fill: there the scores decide alone.
    """
    rule = bundle.outputs.unknown
    if rule is None:
        return None
    heard = (test_set.rssi_dbm != MISSING_DBM).sum(axis=1)
    refused = answers.unknown
    mismatches = None
    if bundle.window.steps == 1 and not bundle.preprocessing.hold_samples:
        least = least_margin(bundle, bundle_dir, arithmetic)
        by_host = host_refuses(expected.scores, heard, least, rule.least_heard)
        mismatches = int((by_host != refused)[due.sample].sum())
    answered = due.sample[~refused[due.sample]]
    label, decided = due.label[~refused[due.sample]], answers.class_index[answered]
    return Coverage(
        answered=len(answered) / len(due.sample),
        accuracy=float((label == decided).mean()) if len(answered) else None,
        macro_f1=macro_f1(label, decided) if len(answered) else None,
        silent=int((heard[due.sample] == 0).sum()),
        mismatches=mismatches,
    )


def host_refuses(
    scores: npt.NDArray[np.int32], heard: npt.NDArray[np.int64], least: int, least_heard: int
) -> npt.NDArray[np.bool_]:
    """(N,) "unknown" by integers: best minus second score (N, C), and the access points heard (N,)."""
    second, best = np.sort(scores.astype(np.int64), axis=1)[:, -2:].T
    return np.asarray(((least > 0) & (best - second < least)) | (heard < least_heard))
