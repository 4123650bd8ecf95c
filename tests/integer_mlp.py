"""An MLP in the integers of its exported graph, in plain NumPy: reference of the training with such integers."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from tinyloc.training.compress.integers import GREATEST, LEAST, Scale, linear_layers, quantised_reading
from tinyloc.training.compress.weight_grid import weight_integers, weight_scales
from tinyloc.training.models.mlp import MlpLocaliser


@dataclass(frozen=True)
class IntegerLayer:
    """One layer as the device computes it."""

    weight: npt.NDArray[np.int64]  # (C, K)
    bias: npt.NDArray[np.int64]  # (C,)
    factor: npt.NDArray[np.float64]  # (C,) s_x * s_w / s_y
    zero_in: int
    zero_out: int
    relu: bool

    def __call__(self, x: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """(N, K) -> (N, C), int8 values."""
        sums = (x - self.zero_in) @ self.weight.T + self.bias
        scaled = np.floor(sums * self.factor + 0.5).astype(np.int64) + self.zero_out
        return np.clip(scaled, self.zero_out if self.relu else LEAST, GREATEST)


@torch.no_grad()
def integer_layers(model: MlpLocaliser, scales: Sequence[Scale]) -> list[IntegerLayer]:
    """The network in integers; scales as of `activation_scales`, rounded to single precision as a TFLite file has."""
    layers = linear_layers(model)
    found = []
    for number, layer in enumerate(layers):
        (s_x, z_x), (s_y, z_y) = scales[number], scales[number + 1]
        s_in, s_out = float(np.float32(s_x)), float(np.float32(s_y))
        s_w = weight_scales(layer.weight)[:, 0].double().numpy()
        bias_scale = (s_in * s_w).astype(np.float32).astype(np.float64)
        found.append(
            IntegerLayer(
                weight=weight_integers(layer.weight).numpy().astype(np.int64),
                bias=np.rint(layer.bias.double().numpy() / bias_scale).astype(np.int64),
                factor=s_in * s_w / s_out,
                zero_in=z_x,
                zero_out=z_y,
                relu=number < len(layers) - 1,
            )
        )
    return found


def integer_scores(model: MlpLocaliser, scales: Sequence[Scale], x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Readings (N, P) in 0..1 -> int8 scores (N, C), by the integer layers of the training."""
    values = quantised_reading(torch.from_numpy(x), scales[0]).numpy().astype(np.int64)
    for layer in integer_layers(model, scales):
        values = layer(values)
    return values
