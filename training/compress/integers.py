"""An MLP in the int8 arithmetic of its exported graph: layer by layer, with the scales that the export will fix.

    s_x, z_x    scale and zero point of a layer's input; s_y, z_y of its output
    s_w         one scale a row of the weights: largest magnitude / 127
    sum = b_q + sum_k w_q[c, k] * (x_q[k] - z_x)        b_q = round(b / (s_x * s_w))
    y_q = clamp(round(sum * s_x * s_w / s_y) + z_y)     and at least z_y behind a ReLU

Ranges of s_y are those of the float network along the calibration stream, as export/quantise/ranges.py measures them;
of scores that no CRF adds up, `scales.score_range`. This holds when the weights lie on their int8 grid (`snapped`):
then float network and exported float file are the same.

Letters: N samples, P access points, C classes.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from tinyloc.training.compress.scales import READING_RANGE, affine, score_range, weight_integers, weight_scales
from tinyloc.training.models.mlp import MlpLocaliser

Scale = tuple[float, int]
"""Scale and zero point."""
LEAST, GREATEST = -128, 127


def linear_layers(model: MlpLocaliser) -> list[nn.Linear]:
    """Hidden layers and head, in order."""
    return [layer for layer in (*model.hidden, model.head) if isinstance(layer, nn.Linear)]


@torch.no_grad()
def activation_scales(model: MlpLocaliser, calibration: Tensor) -> list[Scale]:
    """Of the input, of each hidden layer behind its ReLU, and of the scores; calibration (N, P)."""
    layers = linear_layers(model)
    found = [affine(*READING_RANGE, "int8")]
    x = calibration
    for number, layer in enumerate(layers, start=1):
        x = layer(x)
        if number < len(layers):
            x = torch.relu(x)
        if number == len(layers) and model.crf is None:
            found.append(affine(*score_range(x.numpy()), "int8"))
        else:
            found.append(affine(min(0.0, float(x.min())), max(0.0, float(x.max())), "int8"))
    return found


@torch.no_grad()
def snapped(model: MlpLocaliser) -> None:
    """Move every weight to its int8 grid, in place."""
    for layer in linear_layers(model):
        layer.weight.copy_(weight_integers(layer.weight) * weight_scales(layer.weight))


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


def quantised_reading(x: Tensor, scale: Scale) -> Tensor:
    """Readings of any shape -> int8 values, as whole numbers in double precision.

    In double precision because a reading of whole dBm may lie exactly between two integers.
    """
    step, zero = scale
    return ((x.double() / float(np.float32(step))).round() + zero).clamp(LEAST, GREATEST)


def integer_scores(model: MlpLocaliser, scales: Sequence[Scale], x: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Readings (N, P) in 0..1 -> int8 scores (N, C)."""
    values = quantised_reading(torch.from_numpy(x), scales[0]).numpy().astype(np.int64)
    for layer in integer_layers(model, scales):
        values = layer(values)
    return values
