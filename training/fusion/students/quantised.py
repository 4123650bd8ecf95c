"""The student in integers: int8 weights, int16 activations, as TFLite's FULLY_CONNECTED of 16x8 has them.

y[o] = round(factor[o] * (bias[o] + sum_i w[o][i] * x[i])), halves away from zero, within int16 and from 0 with ReLU;
factor = input scale * weight scale / output scale in double precision, all scales single. The compiler makes C of the
same integers (codegen/fusion.py), which this reference equals.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from tinyloc.training.fusion.errors import FusionError
from tinyloc.training.fusion.filters.rules import Forecast
from tinyloc.training.fusion.students.scaling import Frame, forecast

Floats = npt.NDArray[np.float64]
TOP = 32767
INPUT_LIMIT = 4.0
INPUT_SCALE = float(np.float32(INPUT_LIMIT / 8191))
"""Inputs are clipped to ±4, so 14 bits of them: the sums of 32 bits then hold 127 * 8191 * 2000 inputs."""
OUTPUT_SCALE = float(np.float32(8.0 / TOP))
"""Displacements of up to 8 m an epoch, logarithms of variances within -8 and 8. firmware/fusion/student.c has both."""
_HEADROOM = 1.5
"""Of hidden activations, for inputs unlike the calibration's."""


@dataclass(frozen=True)
class Layer:
    """`weights` (O, I) int8 with a float32 `weight_scale` (O,), `bias` (O,) int32 in units of a product."""

    weights: npt.NDArray[np.int8]
    bias: npt.NDArray[np.int32]
    weight_scale: npt.NDArray[np.float32]
    input_scale: float  # float32 values, as the next
    output_scale: float
    relu: bool

    @property
    def factor(self) -> Floats:
        """(O,) sum -> output, in double precision."""
        return np.asarray(self.input_scale * self.weight_scale.astype(np.float64) / self.output_scale)

    def run(self, x: Floats) -> Floats:
        """(B, I) integers -> (B, O) integers. Every sum is below 2**31, so products in double precision are exact."""
        sums = x @ self.weights.T.astype(float) + self.bias
        return np.clip(_round(sums * self.factor), 0 if self.relu else -TOP - 1, TOP)


@dataclass(frozen=True)
class IntegerStudent:
    """A predictor (rules.Predictor) of integer layers."""

    layers: tuple[Layer, ...]
    frame: Frame

    @property
    def constant_bytes(self) -> int:
        """Bytes of weights, biases and scales."""
        return sum(layer.weights.nbytes + layer.bias.nbytes + layer.weight_scale.nbytes for layer in self.layers)

    def outputs(self, inputs: Floats) -> Floats:
        """(B, INPUTS) real to (B, OUTPUTS) real."""
        x = _round(np.clip(inputs, -INPUT_LIMIT, INPUT_LIMIT) / INPUT_SCALE)
        for layer in self.layers:
            x = layer.run(x)
        return x * self.layers[-1].output_scale

    def __call__(self, history: Floats) -> Forecast:
        return forecast(history, self.outputs(self.frame.inputs(history)))


def quantise(weights: list[tuple[Floats, Floats]], calibration: Floats, frame: Frame) -> IntegerStudent:
    """An integer student from the real (weight (O, I), bias (O,)) of each layer and some inputs (n, INPUTS)."""
    x, input_scale = np.clip(calibration, -INPUT_LIMIT, INPUT_LIMIT), INPUT_SCALE
    layers: list[Layer] = []
    for index, (weight, bias) in enumerate(weights):
        last = index + 1 == len(weights)
        step = (np.maximum(np.abs(weight).max(axis=1), 1e-6) / 127).astype(np.float32)
        exact = step.astype(np.float64)
        x = x @ weight.T + bias
        x = x if last else np.maximum(x, 0.0)
        output_scale = OUTPUT_SCALE if last else float(np.float32(max(float(x.max()), 1e-3) * _HEADROOM / TOP))
        biases = np.rint(bias / (exact * input_scale))
        sums = np.abs(biases).max() + 127.0 * TOP * weight.shape[1]
        if sums >= 2**31:
            raise FusionError(f"layer {index}: {weight.shape[1]} inputs overflow 32 bits; make the student narrower")
        layers.append(
            Layer(
                weights=np.clip(np.rint(weight / exact[:, None]), -127, 127).astype(np.int8),
                bias=biases.astype(np.int32),
                weight_scale=step,
                input_scale=input_scale,
                output_scale=output_scale,
                relu=not last,
            )
        )
        input_scale = output_scale
    return IntegerStudent(tuple(layers), frame)


def _round(values: Floats) -> Floats:
    """Half away from zero."""
    return np.asarray(np.trunc(values + np.copysign(0.5, values)))
