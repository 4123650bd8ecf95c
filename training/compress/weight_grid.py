"""The int8 grid of a layer's weights, one step a row: what training rounds to and the export writes."""

import torch
from torch import Tensor

WEIGHT_LIMIT = 127


def weight_scales(weight: Tensor) -> Tensor:
    """Return the step (C, 1) of each row's int8 grid of a weight (C, K); 1 for a row of zeros."""
    largest = weight.detach().abs().amax(dim=1, keepdim=True)
    return torch.where(largest > 0, largest / WEIGHT_LIMIT, torch.ones_like(largest))


def weight_integers(weight: Tensor) -> Tensor:
    """Round a weight (C, K) to whole numbers -127..127 of the same shape and type."""
    return (weight / weight_scales(weight)).round().clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
