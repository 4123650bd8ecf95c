"""Scores levelled: the same number taken from all classes of a scan changes no decision and no probability.

Scores of strong scans are all greater than those of weak ones, and 8 bits that span both resolve neither. So the head
y = W h + b is replaced by

    (W - 1 v') h + b - u,        v, u: the best score of a scan as a linear function v' h + u, by least squares

Behind it the best score of every scan is near 0: see `scales.score_range` for what that leaves to be resolved. A path
through a CRF loses the same number whichever classes it takes, so nothing changes there either.
"""

import torch
from torch import Tensor

from tinyloc.training.models.mlp import MlpLocaliser

RIDGE = 1e-3
"""Keeps v small where hidden units are silent; in units of the mean square of what is fitted from."""


@torch.no_grad()
def level_scores(model: MlpLocaliser, readings: Tensor) -> None:
    """Level the head in place, from model input (N, P): the best scores of all readings then lie near 0."""
    *hidden, head = model.linear_layers()
    x = readings
    for layer in hidden:
        x = torch.relu(layer(x))
    best = head(x).amax(dim=1).double()  # (N,)
    seen = torch.cat([x, torch.ones(len(x), 1)], dim=1).double()  # (N, H + 1)
    ridge = RIDGE * seen.square().mean() * len(seen) * torch.eye(seen.shape[1], dtype=torch.float64)
    fitted = torch.linalg.solve(seen.T @ seen + ridge, seen.T @ best)  # (H + 1,)
    head.weight.sub_(fitted[:-1].float())
    head.bias.sub_(fitted[-1].float())
