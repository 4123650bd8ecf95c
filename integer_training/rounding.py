"""Adaptive rounding of weights (AdaRound: Nagel, Amjad, van Baalen, Louizos, Blankevoort 2020), for every architecture.

Rounding to the nearest is best for a weight alone, not for the sum it is in. Here each weight w = s * (floor(w / s) +
h(v)) learns by v whether it is rounded up (h = 1) or down (h = 0), so that the layer's output on real readings stays:
squared error in units of that of the nearest integers, plus a term that drives h to 0 or 1. Layers follow one another
in the order of the graph: each sees its operand as the rounded layers before it made it, and aims at the unrounded
network's output.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from tinyloc.export.quantise import constants
from tinyloc.export.quantise.widths import Widths
from tinyloc.integer_training.float_step import Weights
from tinyloc.integer_training.twin import IntegerTwin

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
    twin: IntegerTwin, x: Tensor, generator: torch.Generator, settings: RoundingSettings | None = None
) -> None:
    """Move every weight of the twin's model to its integer grid, up or down as the layers' outputs on x need, in place.

    x: (B, T, P) windows of model input. A layer that comes out worse than with the nearest integers keeps those.
    """
    step, widths = twin.float_step, Widths(twin.widths)
    with torch.no_grad():
        real = {name: value.clone() for name, value in step.constants().items()}
        targets = {name: y for name, (_, y) in twin.real_layers(x, real).items()}
    learnt = {one.name: one for one in step.learnt()}
    for name in targets:
        if name not in learnt:
            continue
        with torch.no_grad():
            operand, _ = twin.real_layers(x, real)[name]
        one = learnt[name]
        bits = widths.of(one.layer).weights
        output = twin.layer(one, real)
        real[name] = _round_layer(one, bits, real[name], operand, targets[name], output, generator, settings)
    step.set_weights({name: real[name].numpy() for name in learnt})


Output = Callable[[Tensor, Tensor], Tensor]
"""A layer's result of its operand (N, ...) and its weights."""


def _round_layer(
    one: Weights, bits: int, real: Tensor, x: Tensor, target: Tensor, output: Output, generator: torch.Generator,
    settings: RoundingSettings | None,
) -> Tensor:  # fmt: skip
    """The layer's weights on their grid."""
    settings = settings or RoundingSettings()
    limit = 2 ** (bits - 1) - 1
    integers = constants.weights(real.numpy(), one.rule.axis, bits)
    nearest = torch.from_numpy(constants.real_values(integers, one.rule.axis))
    shape = [1] * real.dim()
    shape[one.rule.axis] = -1
    scale = torch.from_numpy(integers.exact.astype(np.float32)).reshape(shape)
    exact = (real / scale).clamp(-limit, limit)
    down = exact.floor()
    low, high = STRETCH
    start = ((exact - down - low) / (high - low)).clamp(1e-4, 1 - 1e-4)
    v = torch.logit(start).requires_grad_()
    optimiser = torch.optim.Adam([v], lr=settings.learning_rate)
    with torch.no_grad():
        unit = functional.mse_loss(output(x, nearest), target).clamp(min=1e-20)
    for iteration in range(settings.iterations):
        rows = torch.randint(len(x), (min(settings.batch, len(x)),), generator=generator)
        up = (torch.sigmoid(v) * (high - low) + low).clamp(0, 1)
        loss = functional.mse_loss(output(x[rows], (down + up) * scale), target[rows]) / unit
        done = iteration / settings.iterations
        if done > settings.warm_up:
            first, last = settings.sharpness
            sharpness = first + (last - first) * (done - settings.warm_up) / (1 - settings.warm_up)
            loss = loss + settings.weight * (1 - (2 * up - 1).abs().pow(sharpness)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        whole = (down + (v >= 0)).clamp(-limit, limit)
        learnt = (whole.double() * torch.from_numpy(integers.exact).reshape(shape)).float()
        errors = [functional.mse_loss(output(x, weights), target) for weights in (learnt, nearest)]
        return learnt if errors[0] < errors[1] else nearest
