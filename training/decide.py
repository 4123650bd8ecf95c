"""From scores to decisions, as the device makes them: Viterbi over each due window, then the mode of the path."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from tinyloc.bundle.schema import Preprocessing, Window
from tinyloc.training.data.dataset import Recording
from tinyloc.training.errors import TrainingError
from tinyloc.training.models.crf import CRF, first_maximum
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.preprocess import model_input
from tinyloc.training.windows import due, modes

NONE_DUE = -1


@torch.no_grad()
def stream(model: Localiser, recording: Recording, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Compute the scores of a recording, the state carried from sample to sample unless the samples are apart.

    Args:
        model: trained.
        recording: N samples of P access points.
        preprocessing: scaling of readings in dBm.

    Returns:
        (N, C).
    """
    x = torch.from_numpy(model_input(recording.rssi_dbm, preprocessing))
    scores: npt.NDArray[np.float32] = model.scores(x, recording.apart).numpy()
    return scores


def decide(model: Localiser, scores: Sequence[npt.NDArray[np.float32]], window: Window) -> npt.NDArray[np.int32]:
    """Decide with the CRF of a model, as `decide_scores`."""
    return decide_scores(model.crf, scores, window)


@torch.no_grad()
def decide_scores(crf: CRF | None, scores: Sequence[npt.NDArray[np.float32]], window: Window) -> npt.NDArray[np.int32]:
    """Decide the classes of recordings; windows of all recordings are decoded at once.

    Args:
        crf: that adds up the scores, None for the best class of each sample.
        scores: (N, C) of each recording.
        window: when decisions are due.

    Returns:
        Classes of all samples, one recording after the other, NONE_DUE where no decision is due.
    """
    lengths = [len(rows) for rows in scores]
    decisions = np.full(sum(lengths), NONE_DUE, np.int32)
    starts = np.cumsum([0, *lengths[:-1]])
    if window.online:
        assert crf is not None, "a recipe with a lag has a CRF"
        for start, recording in zip(starts, scores, strict=True):
            ends = due(len(recording), window.steps, window.hop)
            if len(ends):
                decided = crf.decode_online(torch.from_numpy(recording), window.steps - 1).numpy()
                decisions[start + ends] = decided[ends]
        return decisions
    ends = np.concatenate([start + due(n, window.steps, window.hop) for start, n in zip(starts, lengths, strict=True)])
    if not len(ends):
        return decisions
    rows = np.concatenate(scores)[ends[:, None] + np.arange(1 - window.steps, 1)]  # (W, steps, C)
    emissions = torch.from_numpy(rows)
    path = crf.decode(emissions) if crf is not None else first_maximum(emissions, dim=2)
    decisions[ends] = modes(path.numpy())
    return decisions


def decide_all(
    model: Localiser, recordings: Sequence[Recording], preprocessing: Preprocessing, window: Window
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Compute scores (N, C) and decisions (N,) of all recordings, one after the other.

    Raises:
        TrainingError: a score is not a number.
    """
    scores = [stream(model, recording, preprocessing) for recording in recordings]
    lost = [recording.name for recording, rows in zip(recordings, scores, strict=True) if not np.isfinite(rows).all()]
    if lost:
        raise TrainingError(f"scores of recording {lost[0]} are not finite numbers; lower its learning rate")
    return np.concatenate(scores), decide(model, scores, window)
