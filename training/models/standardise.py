"""Standardisation of each sample over its own readings, as the LSTM/MLP study does before its networks."""

import torch
from torch import Tensor, nn

EPSILON = 1e-4
"""Keeps a silent scan finite; one reading of 3 % of the scale among 8 access points has such a variance."""


class Standardise(nn.Module):
    """(x - mean) / sqrt(variance + EPSILON), mean and variance over the P readings of one sample (divided by P)."""

    def forward(self, x: Tensor) -> Tensor:
        """(..., P) -> (..., P)."""
        centred = x - x.mean(-1, keepdim=True)
        return centred * torch.rsqrt(centred.square().mean(-1, keepdim=True) + EPSILON)
