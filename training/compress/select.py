"""Which access points a model needs: what the validation split loses when one of them falls silent.

Letters: N samples, P access points, C classes.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from tinyloc.bundle.schema import Preprocessing
from tinyloc.training.data.dataset import UNSEEN, Recording
from tinyloc.training.errors import TrainingError
from tinyloc.training.models.localiser import Localiser
from tinyloc.training.preprocess import model_input

Gains = npt.NDArray[np.float64]


@torch.no_grad()
def gains(model: Localiser, recordings: Sequence[Recording], preprocessing: Preprocessing) -> Gains:
    """Rate access points by the rise of the summed cross-entropy when one is never heard.

    Samples of unseen classes do not count.

    Args:
        model: trained on all access points.
        recordings: to measure on.
        preprocessing: scaling of readings in dBm.

    Returns:
        (P,); 0 for one that no sample hears, negative for one that does harm.
    """
    total = np.zeros(len(preprocessing.access_points))
    for recording in recordings:
        x = torch.from_numpy(model_input(recording.rssi_dbm, preprocessing))  # (N, P)
        label = torch.from_numpy(recording.label).long()
        before = _losses(model, x, label, recording.apart)
        for point in range(x.shape[1]):
            touched = x[:, point] > 0
            if not bool(touched.any()):
                continue
            carried = bool(model.state_names) and not recording.apart
            rows = torch.ones_like(touched) if carried else touched  # a state carries it further
            without = x[rows].clone()
            without[:, point] = 0.0
            total[point] += float((_losses(model, without, label[rows], recording.apart) - before[rows]).sum())
    return total


def _losses(model: Localiser, x: Tensor, label: Tensor, apart: bool) -> Tensor:
    """(N,) cross-entropy of each sample's own scores, 0 where the class is unseen."""
    scores = model.scores(x, apart)
    return torch.nn.functional.cross_entropy(scores, label, ignore_index=UNSEEN, reduction="none")


def best(gain: Gains, most: int) -> list[int]:
    """Choose at most `most` access points of the largest gain above 0; of equal ones the first. Indices ascend.

    Raises:
        TrainingError: none helps.
    """
    order = np.argsort(-gain, kind="stable")[:most]
    kept = sorted(int(index) for index in order if gain[index] > 0)
    if not kept:
        raise TrainingError(
            "no access point helps the validation split: the model that ranks them learnt nothing; "
            "train longer, or remove compression.access_points from the recipe"
        )
    return kept
