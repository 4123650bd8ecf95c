"""The student as the device runs it: int8 weights, int16 activations, int32 sums (firmware/fusion/student.c).

A layer: sum_i w[o][i] * x[i] + bias[o] in int32, times a float scale for each output; ReLU; rounded half away from zero
to int16 at the next layer's scale. The largest sum is bounded when the student is quantised.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.rules import Forecast
from tinyloc.training.fusion.scaling import Frame, forecast

Floats = npt.NDArray[np.float64]
TOP = 32767
WIDEST = 96
"""TL_STUDENT_WIDEST of the firmware."""
INPUT_SCALE = 4.0 / 8191
"""Inputs are clipped to ±4, so 14 bits of them: the sums of 32 bits then hold 127 * 8191 * 2000 inputs."""


@dataclass(frozen=True)
class Layer:
    """`weights` (O, I) int8, `bias` (O,) int32 in units of weight scale * input scale, `scale` (O,): sum -> real."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    scale: npt.NDArray[np.float32]
    next_scale: float  # of the int16 that the next layer reads; 0: the output stays real


@dataclass(frozen=True)
class IntegerStudent:
    """A predictor (rules.Predictor) of integer layers."""

    layers: tuple[Layer, ...]
    frame: Frame

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights, biases and scales."""
        return sum(layer.weights.nbytes + layer.bias.nbytes + layer.scale.nbytes for layer in self.layers)

    def outputs(self, inputs: Floats) -> Floats:
        """(B, INPUTS) real to (B, OUTPUTS) real."""
        x = _round(inputs / INPUT_SCALE)
        for layer in self.layers:
            # every sum is below 2**31, so float64 products are exact
            real = (x @ layer.weights.T.astype(float) + layer.bias) * layer.scale.astype(float)
            if not layer.next_scale:
                return real
            x = np.minimum(_round(np.maximum(real, 0.0) / layer.next_scale), TOP)
        return x

    def __call__(self, history: Floats) -> Forecast:
        return forecast(history, self.outputs(self.frame.inputs(history)))


def quantise(weights: list[tuple[Floats, Floats]], calibration: Floats, frame: Frame) -> IntegerStudent:
    """An integer student from the real (weight (O, I), bias (O,)) of each layer and some inputs (n, INPUTS)."""
    x, scale_in = np.clip(calibration, -4.0, 4.0), INPUT_SCALE
    layers = []
    for index, (weight, bias) in enumerate(weights):
        last = index + 1 == len(weights)
        step = np.maximum(np.abs(weight).max(axis=1), 1e-6) / 127
        x = x @ weight.T + bias
        x = x if last else np.maximum(x, 0.0)
        # headroom of a half for inputs unlike the calibration's
        next_scale = 0.0 if last else float(np.float32(max(float(x.max()), 1e-3) * 1.5 / TOP))
        integers = np.rint(weight / step[:, None]).astype(np.int8)
        sums = np.abs(bias / (step * scale_in)).max() + 127.0 * TOP * weight.shape[1]
        if weight.shape[0] % 4 or max(weight.shape) > WIDEST:
            raise FusionError(
                f"layer {index} is {weight.shape[1]} to {weight.shape[0]}: "
                f"units must be a multiple of 4, at most {WIDEST}"
            )
        if sums >= 2**31:
            raise FusionError(f"layer {index}: {weight.shape[1]} inputs overflow 32 bits; make the student narrower")
        layers.append(
            Layer(
                weights=integers,
                bias=np.rint(bias / (step * scale_in)).astype(np.int32),
                scale=(step * scale_in).astype(np.float32),
                next_scale=next_scale,
            )
        )
        scale_in = next_scale
    return IntegerStudent(tuple(layers), frame)


def _round(values: Floats) -> Floats:
    """Half away from zero."""
    return np.asarray(np.trunc(values + np.copysign(0.5, values)))
