"""Scales and zero points from ranges."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tinyloc.export.litert import dequantise, quantise
from tinyloc.training.compress.scales import affine

bounds = st.tuples(st.floats(-1e4, 0), st.floats(0, 1e4))


@given(bounds)
def test_int8_holds_the_range_and_zero_exactly(bound):
    low, high = bound
    scale, zero_point = affine(low, high, "int8")
    assert -128 <= zero_point <= 127
    step = 1.01 * scale
    assert (-128 - zero_point) * scale <= low + step
    assert (127 - zero_point) * scale >= high - step


@given(bounds)
def test_int16_is_symmetric_and_holds_the_range(bound):
    scale, zero_point = affine(*bound, "int16x8")
    assert zero_point == 0
    assert 32767.001 * scale >= max(-bound[0], bound[1])


def test_an_empty_range_gives_a_scale_that_is_not_zero():
    for arithmetic in ("int8", "int16x8"):
        assert affine(0.0, 0.0, arithmetic)[0] > 0


@pytest.mark.parametrize(("x", "expected"), [(0.5, 1), (-0.5, -1), (1.49, 1), (2.5, 3), (500.0, 127), (-500.0, -128)])
def test_quantising_rounds_half_away_from_zero_and_saturates(x, expected):
    detail = {"quantization": (1.0, 0), "dtype": np.int8}
    assert quantise(np.array([x]), detail).tolist() == [expected]


def test_per_channel_scales_apply_along_their_axis():
    detail = {
        "quantization_parameters": {
            "scales": np.array([1.0, 2.0]),
            "zero_points": np.array([0, 0]),
            "quantized_dimension": 1,
        }
    }
    np.testing.assert_array_equal(dequantise(np.array([[3, 3]], np.int8), detail), [[3.0, 6.0]])
