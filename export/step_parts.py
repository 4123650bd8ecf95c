"""Pieces of step forms that several architectures share; shapes as in step_form.py: (1, n) throughout."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.models.mamba import NORM_EPSILON
from tinyloc.training.models.standardise import EPSILON

MANY_INPUTS = 64
"""Access points of which a scan hears a few: the sums of the layer behind them differ much in size."""


class Linear(nn.Module):
    """A linear layer whose weight (C, K) and bias (C) may be computed from those of a model: gradients reach them."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        super().__init__()
        self.weight: Tensor
        self.bias: Tensor | None
        self.register_buffer("weight", weight.clone())
        self.register_buffer("bias", None if bias is None else bias.clone())

    def forward(self, x: Tensor) -> Tensor:
        """(..., K) -> (..., C)."""
        return functional.linear(x, self.weight, self.bias)


class NormScale(nn.Module):
    """x / sqrt(mean(x^2) + epsilon), in two strides.

    Behind the first block a mean square may span several hundred to one, which neither 16 bits nor TFLite's RSQRT (a
    table of 513 evenly spaced points) can follow. Dividing by the root of the mean absolute value first halves that
    span in decibels. What error this makes the second stride takes out again, because it measures what came of it.
    Epsilon only keeps a silent input finite; it is small enough not to matter where it is added.

    exp(-log(a) / 2) is written here because ONNX has no reciprocal root; passes/rsqrt.py makes RSQRT of it.
    """

    def __init__(self, hidden: int) -> None:
        super().__init__()
        mean = torch.full((1, hidden), 1.0 / hidden)
        self.mean_magnitude = Linear(mean, torch.tensor([NORM_EPSILON]))
        self.mean_square = Linear(mean, torch.tensor([NORM_EPSILON]))

    def forward(self, x: Tensor) -> Tensor:
        """(1, H) -> (1, H)."""
        x = x * torch.exp(-0.5 * torch.log(self.mean_magnitude(torch.abs(x))))
        return x * torch.exp(-0.5 * torch.log(self.mean_square(x * x)))


def averaging(size: int, epsilon: float = 0.0) -> Linear:
    """mean(x) + epsilon of (1, size) as FULLY_CONNECTED -> (1, 1)."""
    return Linear(torch.full((1, size), 1.0 / size), torch.tensor([epsilon]) if epsilon else None)


class Centred(nn.Module):
    """(x - mean) / sqrt(variance + epsilon): LayerNorm before its weights, and the standardisation of readings."""

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.mean, self.variance = averaging(size), averaging(size, epsilon)

    def forward(self, x: Tensor) -> Tensor:
        """(1, n) -> (1, n)."""
        centred = x - self.mean(x)
        return centred * torch.exp(-0.5 * torch.log(self.variance(centred * centred)))


class CentredInStrides(nn.Module):
    """As Centred, for values whose variance spans several hundred to one: in two strides, as NormScale.

    Such is the sum of the few columns of a wide layer that a scan of many access points picks: a scan that hears one of
    them, weakly, is a hundredth of one that hears twenty. Epsilon counts in full here, scaled by the first stride.
    """

    def __init__(self, size: int, epsilon: float) -> None:
        super().__init__()
        self.mean, self.magnitude, self.variance = averaging(size), averaging(size, NORM_EPSILON), averaging(size)
        self.epsilon = epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(1, n) -> (1, n)."""
        centred = x - self.mean(x)
        first = torch.exp(-0.5 * torch.log(self.magnitude(torch.abs(centred))))  # (1, 1)
        near = centred * first
        return near * torch.exp(-0.5 * torch.log(self.variance(near * near) + first * first * self.epsilon))


class Norm(nn.Module):
    """LayerNorm with its weights; where one linear layer alone reads it, fold them into that with `behind_norm`."""

    def __init__(self, norm: nn.LayerNorm, inputs: int = 0) -> None:
        """inputs: of the wide layer whose sums it takes, 0 for others."""
        super().__init__()
        kind = CentredInStrides if inputs >= MANY_INPUTS else Centred
        self.centred = kind(norm.weight.numel(), norm.eps)
        self.weight: Tensor
        self.bias: Tensor
        self.register_buffer("weight", norm.weight[None].clone())
        self.register_buffer("bias", norm.bias[None].clone())

    def forward(self, x: Tensor) -> Tensor:
        """(1, H) -> (1, H)."""
        return self.centred(x) * self.weight + self.bias


def behind_norm(layer: nn.Linear, norm: nn.LayerNorm) -> Linear:
    """`layer` with the weights of the LayerNorm before it folded in."""
    return Linear(layer.weight * norm.weight, layer.bias + layer.weight @ norm.bias)


def standardiser(size: int, standardise: bool) -> nn.Module:
    """What the model does to a reading (1, P) first."""
    return Centred(size, EPSILON) if standardise else nn.Identity()
