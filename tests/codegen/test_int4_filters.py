"""INT4 filters in convolutions: LiteRT == NumPy == generated C, byte for byte."""

import numpy as np
import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.operators.product_models import ELEMENTS, bias_of, output_scale, output_zero, scaled
from tests.codegen.tflite_models import TFLiteModel

VERSIONS = {"CONV_2D": 8, "DEPTHWISE_CONV_2D": 6}


@pytest.mark.parametrize("element", ELEMENTS)
@pytest.mark.parametrize("kind", VERSIONS)
def test_int4_filters(kind: str, element: str) -> None:
    chance, model, depthwise = np.random.default_rng(8), TFLiteModel(), kind == "DEPTHWISE_CONV_2D"
    for h, w, c, out, kernel, stride in [(6, 6, 4, 5, (3, 3), 1), (5, 6, 3, 3, (3, 3), 2), (4, 4, 8, 8, (1, 1), 1)]:
        x, channels = scaled(model, (1, h, w, c), element, chance), c if depthwise else out
        scales = np.exp(chance.uniform(np.log(2e-2), np.log(3e-1), channels)).astype(np.float32)
        shape = (1, *kernel, c) if depthwise else (out, *kernel, c)
        filters = model.constant(chance.integers(-7, 8, shape), "int4", scales, 0, 3 if depthwise else 0)
        bias = bias_of(model, x, scales, channels, element, chance)
        depth = kernel[0] * kernel[1] * (1 if depthwise else c)
        scale = output_scale(model, x, scales / 16, depth, element, chance)
        y = model.tensor((1, -(-h // stride), -(-w // stride), channels), element, scale, output_zero(element, chance))
        options = {"depthMultiplier": 1} if depthwise else {}
        options |= {"strideH": stride, "strideW": stride, "dilationHFactor": 1, "dilationWFactor": 1, "padding": 0}
        model.operator(kind, [x, filters, bias], [y], **options)
        model.output(y)
    model.model.operatorCodes[0].version = VERSIONS[kind]
    # LiteRT reads the halves of bytes as whole weights in int16 DEPTHWISE_CONV_2D
    assert_all_equal(model, with_litert=not depthwise or element == "int8")
