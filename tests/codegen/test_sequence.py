"""A step with state, sample after sample: the C and NumPy equal LiteRT called in a loop with its outputs fed back."""

import numpy as np
import pytest

from tests.codegen.equality import load
from tests.codegen.streaming import assert_streams_equal
from tests.codegen.test_passes import selective_scan
from tests.codegen.tflite_models import TFLiteModel

STEPS = 60


@pytest.mark.parametrize("element", ["int8", "int16"])
def test_the_step_equals_litert_in_a_loop(element: str) -> None:
    """Projection, selective scan, read-out: what a Mamba step does, with a convolution window as a second state."""
    model = TFLiteModel()
    chance = np.random.default_rng(12)
    k = 1.0 if element == "int8" else 1 / 256
    after, y = selective_scan(model, element, 4, 6)
    u = model.graph.inputs[2]  # the scan's own input also runs through a window of four samples
    window = model.input((1, 3, 4), element, 0.02 * k, name="w_in")
    row = model.unary("RESHAPE", [u, model.constant([1, 1, 4])], (1, 1, 4), element, 0.02 * k)
    full = model.tensor((1, 4, 4), element, 0.02 * k)
    model.operator("CONCATENATION", [window, row], [full], axis=1)
    kept = model.tensor((1, 3, 4), element, 0.02 * k, name="w_out")
    corners = [model.constant([0, 1, 0]), model.constant([1, 3, 4])]
    model.operator("SLICE", [full, *corners], [kept])
    image = model.unary("RESHAPE", [full, model.constant([1, 4, 1, 4])], (1, 4, 1, 4), element, 0.02 * k)
    scales = [0.01, 0.02, 0.005, 0.01]
    taps = model.constant(chance.integers(-127, 128, (1, 4, 1, 4)), "int8", scales, axis=3)
    smooth = model.tensor((1, 1, 1, 4), element, 0.05 * k)
    model.operator("DEPTHWISE_CONV_2D", [image, taps], [smooth], padding=1, strideH=1, strideW=1,
                   dilationHFactor=1, dilationWFactor=1, depthMultiplier=1)  # fmt: skip
    column = model.unary("RESHAPE", [smooth, model.constant([1, 4, 1])], (1, 4, 1), element, 0.05 * k)
    model.output(model.unary("ADD", [y, column], (1, 4, 1), element, 0.06 * k), after, kept)
    graph = load(model, [("h_in", "h_out"), ("w_in", "w_out")])
    assert_streams_equal(model, graph, STEPS)
