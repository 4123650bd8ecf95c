"""Scales and weights of an MLP in the int8 arithmetic of its exported graph, as the export will fix them.

    s_x, z_x    scale and zero point of a layer's input; s_y, z_y of its output
    s_w         one scale a row of the weights: largest magnitude / 127
    sum = b_q + sum_k w_q[c, k] * (x_q[k] - z_x)        b_q = round(b / (s_x * s_w))
    y_q = clamp(round(sum * s_x * s_w / s_y) + z_y)     and at least z_y behind a ReLU

Ranges of s_y are those of the float network along the calibration stream, as export/quantise/ranges.py measures them;
of scores that no CRF adds up, `scales.score_range`. This holds when the weights lie on their int8 grid (`snapped`):
then float network and exported float file are the same. tests/integer_mlp.py computes these layers in plain NumPy; a
test compares them with the exported file.

Letters: N samples, P access points, C classes.
"""

import numpy as np
import torch
from torch import Tensor, nn

from tinyloc.training.compress.scales import READING_RANGE, affine, score_range
from tinyloc.training.compress.weight_grid import weight_integers, weight_scales
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


def quantised_reading(x: Tensor, scale: Scale) -> Tensor:
    """Readings of any shape -> int8 values, as whole numbers in double precision.

    In double precision because a reading of whole dBm may lie exactly between two integers.
    """
    step, zero = scale
    return ((x.double() / float(np.float32(step))).round() + zero).clamp(LEAST, GREATEST)
