"""From scores to decisions, as the device makes them: Viterbi over each due window, then the mode of the path."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from tinyloc.export.bundle import Preprocessing, Window
from tinyloc.training.data.dataset import Recording
from tinyloc.training.models.crf import first_maximum
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.preprocess import model_input
from tinyloc.training.windows import due, modes

NONE_DUE = -1


@torch.no_grad()
def stream(model: Localiser, recording: Recording, preprocessing: Preprocessing) -> npt.NDArray[np.float32]:
    """Scores (N, C) of a recording, the state carried from its first sample to its last."""
    x = torch.from_numpy(model_input(recording.rssi_dbm, preprocessing))
    scores: npt.NDArray[np.float32] = model.scores(x).numpy()
    return scores


@torch.no_grad()
def decide(model: Localiser, scores: npt.NDArray[np.float32], window: Window) -> npt.NDArray[np.int32]:
    """Scores (N, C) of one recording -> class (N,), NONE_DUE where no decision is due."""
    decisions = np.full(len(scores), NONE_DUE, np.int32)
    ends = due(len(scores), window.steps, window.hop)
    if not len(ends):
        return decisions
    if window.online:
        assert model.crf is not None, "a recipe with a lag has a CRF"
        decisions[ends] = model.crf.decode_online(torch.from_numpy(scores), window.steps - 1).numpy()[ends]
        return decisions
    emissions = torch.from_numpy(scores[ends[:, None] + np.arange(1 - window.steps, 1)])  # (W, steps, C)
    path = model.crf.decode(emissions) if model.crf is not None else first_maximum(emissions, dim=2)
    decisions[ends] = modes(path.numpy())
    return decisions


def decide_all(
    model: Localiser, recordings: Sequence[Recording], preprocessing: Preprocessing, window: Window
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int32]]:
    """Scores (N, C) and decisions (N,) of all recordings, one after the other."""
    scores = [stream(model, recording, preprocessing) for recording in recordings]
    decisions = [decide(model, rows, window) for rows in scores]
    return np.concatenate(scores), np.concatenate(decisions)
