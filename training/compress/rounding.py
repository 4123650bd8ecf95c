"""Adaptive rounding of int8 weights (AdaRound: Nagel, Amjad, van Baalen, Louizos, Blankevoort 2020), for an MLP.

Rounding to the nearest is best for a weight alone, not for the sum it is in. Here each weight w = s * (floor(w / s) +
h(v)) learns by v whether it is rounded up (h = 1) or down (h = 0), so that the layer's output on real readings stays:
squared error behind the ReLU in units of that of the nearest integers, plus a term that drives h to 0 or 1. Layers
follow one another: each sees its input as the rounded layers before it made it, and aims at the unrounded network's
output.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from tinyloc.training.compress.integers import linear_layers
from tinyloc.training.compress.weight_grid import WEIGHT_LIMIT, weight_integers, weight_scales
from tinyloc.training.models.mlp import MlpLocaliser

STRETCH = (-0.1, 1.1)
"""h = clamp(sigmoid(v) * (1.1 + 0.1) - 0.1, 0, 1) reaches 0 and 1."""


@dataclass(frozen=True)
class RoundingSettings:
    """Of the optimisation. Iterations, warm-up and sharpness as the paper's; the weight is for errors in our unit."""

    iterations: int = 1000
    batch: int = 256
    learning_rate: float = 0.01
    weight: float = 10.0
    """Of the term that drives h to 0 or 1."""
    sharpness: tuple[float, float] = (20.0, 2.0)
    """Exponent of that term, from the first iteration to the last."""
    warm_up: float = 0.2
    """Share of the iterations without it."""


def round_adaptively(
    model: MlpLocaliser, x: Tensor, generator: torch.Generator, settings: RoundingSettings | None = None
) -> None:
    """Move every weight to its int8 grid, up or down as the layers' outputs on x (N, P) need, in place.

    A layer that comes out worse than with the nearest integers keeps those.
    """
    layers = linear_layers(model)
    with torch.no_grad():
        exact = rounded = model.standardise(x)
    for number, layer in enumerate(layers):
        relu = number < len(layers) - 1
        with torch.no_grad():
            target = _output(layer, layer.weight, exact, relu)
        weight = _round_layer(layer, rounded, target, relu, generator, settings or RoundingSettings())
        with torch.no_grad():
            layer.weight.copy_(weight)
            exact, rounded = target, _output(layer, weight, rounded, relu)


def _output(layer: nn.Linear, weight: Tensor, x: Tensor, relu: bool) -> Tensor:
    y = functional.linear(x, weight, layer.bias)
    return torch.relu(y) if relu else y


def _round_layer(
    layer: nn.Linear, x: Tensor, target: Tensor, relu: bool, generator: torch.Generator, settings: RoundingSettings
) -> Tensor:
    """The layer's weights on their grid."""
    scale = weight_scales(layer.weight)
    exact = (layer.weight.detach() / scale).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT)
    down = exact.floor()
    low, high = STRETCH
    start = ((exact - down - low) / (high - low)).clamp(1e-4, 1 - 1e-4)
    v = torch.logit(start).requires_grad_()
    optimiser = torch.optim.Adam([v], lr=settings.learning_rate)
    bias = layer.bias.detach()
    with torch.no_grad():
        nearest = weight_integers(layer.weight) * scale
        unit = functional.mse_loss(_output(layer, nearest, x, relu), target).clamp(min=1e-20)
    for iteration in range(settings.iterations):
        rows = torch.randint(len(x), (min(settings.batch, len(x)),), generator=generator)
        up = (torch.sigmoid(v) * (high - low) + low).clamp(0, 1)
        y = functional.linear(x[rows], (down + up) * scale, bias)
        loss = functional.mse_loss(torch.relu(y) if relu else y, target[rows]) / unit
        done = iteration / settings.iterations
        if done > settings.warm_up:
            first, last = settings.sharpness
            sharpness = first + (last - first) * (done - settings.warm_up) / (1 - settings.warm_up)
            loss = loss + settings.weight * (1 - (2 * up - 1).abs().pow(sharpness)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        learnt = (down + (v >= 0)).clamp(-WEIGHT_LIMIT, WEIGHT_LIMIT) * scale
        errors = [functional.mse_loss(_output(layer, one, x, relu), target) for one in (learnt, nearest)]
        return learnt if errors[0] < errors[1] else nearest
