"""Quantisation-aware training of an MLP: the forward pass computes what the int8 graph will, gradients pass through.

Rounding has no useful gradient; the backward pass takes it for the identity (Bengio, Leonard, Courville 2013), and
lets nothing through where a value saturates. The scales are those that the export fixes (integers.py): weights by
their own rows, activations by the calibration stream, measured anew whenever the model is evaluated.
"""

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tinyloc.training.compress.integers import (
    GREATEST,
    LEAST,
    Scale,
    activation_scales,
    linear_layers,
    quantised_reading,
    snapped,
)
from tinyloc.training.compress.weight_grid import weight_integers, weight_scales
from tinyloc.training.models.localiser import Localiser, State
from tinyloc.training.models.mlp import MlpLocaliser


class _Round(torch.autograd.Function):
    """Nearest whole number; the gradient is passed on as it is."""

    @staticmethod
    def forward(_context: object, x: Tensor) -> Tensor:
        return x.round()

    @staticmethod
    def backward(_context: object, gradient: Tensor) -> Tensor:
        return gradient


def rounded(x: Tensor) -> Tensor:
    """Round x of any shape, with the gradient of x (straight-through estimator)."""
    return cast(Tensor, _Round.apply(x))  # type: ignore[no-untyped-call]


def fake_activation(x: Tensor, scale: Scale) -> Tensor:
    """Round x of any shape to the values that int8 of this scale and zero point can hold; same shape and units."""
    step, zero = scale
    return (torch.clamp(rounded(x / step) + zero, LEAST, GREATEST) - zero) * step


def fake_weight(weight: Tensor) -> Tensor:
    """Round weights (C, K) to int8 with one scale per row; the gradient is that of `weight`."""
    return weight + (weight_integers(weight) * weight_scales(weight) - weight).detach()


class QuantisedMlp(Localiser):
    """An MLP whose `network` rounds as its exported int8 graph does. It trains the weights of the MLP it wraps."""

    def __init__(self, mlp: MlpLocaliser, calibration: Tensor) -> None:
        """calibration (N, P): the stream of model input that the export measures ranges on."""
        super().__init__(mlp.settings, mlp.inputs, mlp.classes)
        self.mlp = mlp
        self.calibration = calibration
        self.scales: Sequence[Scale] = []
        self.measure()

    @property
    def head(self) -> nn.Module:
        """Of the MLP: what distillation and the position loss look at."""
        return self.mlp.head

    @property
    def drops(self) -> nn.Module:
        """Of the MLP: its hidden layers' outputs."""
        return self.mlp.drops

    def train(self, mode: bool = True) -> "QuantisedMlp":
        """Switch mode; the ranges are measured on the way, for weights as they are now."""
        super().train(mode)
        self.measure()
        return self

    @torch.no_grad()
    def measure(self) -> None:
        """Set the scales of activations from the calibration stream through the network of rounded weights."""
        kept = [layer.weight.clone() for layer in linear_layers(self.mlp)]
        snapped(self.mlp)
        self.scales = activation_scales(self.mlp, self.calibration)
        for layer, weight in zip(linear_layers(self.mlp), kept, strict=True):
            layer.weight.copy_(weight)

    def network(self, x: Tensor) -> Tensor:
        """(B, T, P) -> (B, T, C)."""
        step, zero = self.scales[0]
        x = ((quantised_reading(x, self.scales[0]) - zero) * step).to(x)
        layers = linear_layers(self.mlp)
        for number, layer in enumerate(layers):
            weight = fake_weight(layer.weight)
            bias_scale = self.scales[number][0] * weight_scales(layer.weight)[:, 0]
            rounded_layer = {"weight": weight, "bias": rounded(layer.bias / bias_scale) * bias_scale}
            y = functional_call(layer, rounded_layer, (x,))  # calls the layer, so that whoever watches it sees
            if number < len(layers) - 1:
                y = torch.relu(y)
            x = fake_activation(y, self.scales[number + 1])
            if number < len(layers) - 1:
                x = self.mlp.drops[number](x)
        return x

    def step(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        """(B, P), () -> (B, C), ()."""
        return self.network(x), state

    def initial_state(self, batch: int = 1) -> State:
        """Nothing."""
        return ()

    def finished(self) -> MlpLocaliser:
        """The MLP, every weight on its int8 grid."""
        snapped(self.mlp)
        return self.mlp.eval()
