"""Fused activations as integer bounds of the output."""

import numpy as np

from tinyloc.codegen.graph import RANGE, Operator, Tensor

ACTIVATION_BOUNDS: dict[int, tuple[float | None, float | None]] = {
    0: (None, None),  # NONE
    1: (0.0, None),  # RELU
    2: (-1.0, 1.0),  # RELU_N1_TO_1
    3: (0.0, 6.0),  # RELU6
}


def activation_range(output: Tensor, activation: int) -> tuple[int, int]:
    """Return the integer bounds of a fused activation on an output.

    Source: TFLite, CalculateActivationRangeQuantized.
    """
    low, high = RANGE[output.element]
    lower, upper = ACTIVATION_BOUNDS[activation]

    def quantise(value: float) -> int:
        ratio = np.float32(value) / np.float32(output.scale)
        return output.zero_point + int(np.sign(ratio) * np.floor(abs(ratio) + np.float32(0.5)))

    return (
        low if lower is None else max(low, quantise(lower)),
        high if upper is None else min(high, quantise(upper)),
    )


def activation_problems(op: Operator) -> list[str]:
    """Fused activations other than none, RELU, RELU6 and RELU_N1_TO_1."""
    activation = op.attributes.get("activation", 0)
    if activation in ACTIVATION_BOUNDS:
        return []
    return [
        f"fused activation number {activation} is not supported (NONE, RELU, RELU6 and RELU_N1_TO_1 are); "
        "export the activation as a separate operator"
    ]
