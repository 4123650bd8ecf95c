"""The quantiser: widths by layer, QUANTIZE where they meet, tied states, four bits, and all that it refuses."""

from typing import Any

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.tflite_models import TFLiteModel
from tests.export.litert_runs import every_value, run
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import compact, constant, dump, graph, load, operator_name, scales, tensor_name
from tinyloc.export.quantise import constants
from tinyloc.export.quantise.graph import quantise
from tinyloc.export.quantise.widths import Widths

FLOAT: dict[str, Any] = {"element": "float32", "scale": None}
INT8, INT16 = schema.TensorType.INT8, schema.TensorType.INT16


def two_layers(states: bool = False) -> Any:
    """x -> first/fc -> first/tanh -> second/fc -> y; with `states` y = second/fc + s, which is carried."""
    chance = np.random.default_rng(1)
    model = TFLiteModel()
    x = model.input((1, 4), "float32", None, name="x")  # type: ignore[arg-type]
    a, b = model.tensor((1, 6), **FLOAT, name="first/fc"), model.tensor((1, 6), **FLOAT, name="first/tanh")
    y = model.tensor((1, 3), **FLOAT, name="second/fc")
    first = model.constant(chance.normal(0, 1, (6, 4)), "float32")
    second = model.constant(chance.normal(0, 1, (3, 6)), "float32")
    model.operator("FULLY_CONNECTED", [x, first, model.constant(chance.normal(0, 1, 6), "float32")], [a])
    model.operator("TANH", [a], [b])
    model.operator("FULLY_CONNECTED", [b, second, -1], [y])
    if states:
        s = model.input((1, 3), "float32", None, name="s_in")  # type: ignore[arg-type]
        after = model.tensor((1, 3), **FLOAT, name="s_out")
        model.operator("ADD", [y, s], [after])
        model.output(after)
    model.output(y)
    return load(model.content())


RANGES = {
    "x": (0.0, 1.0), "first/fc": (-3.0, 3.0), "first/tanh": (-1.0, 1.0), "second/fc": (-4.0, 4.0), "s_in": (-9.0, 2.0),
    "s_out": (-10.0, 5.0),
}  # fmt: skip


def quantised(model: Any, table: dict[str, str], states: bool = False) -> Any:
    made = quantise(model, RANGES, Widths(table), [("s_in", "s_out")] if states else [])
    return load(dump(made))


def by_name(model: Any) -> dict[str, Any]:
    return {tensor_name(tensor): tensor for tensor in graph(model).tensors}


def kinds(model: Any) -> list[str]:
    return [operator_name(model, operator) for operator in graph(model).operators]


# Widths


def test_the_last_pattern_that_matches_holds() -> None:
    widths = Widths({"*": "w8a16", "blocks.*.scan": "w8a8", "blocks.1.scan.Mul": "w4a8"})
    assert str(widths.of("embed")) == "w8a16"
    assert str(widths.of("blocks.0/scan/Mul_1#2")) == "w8a8"
    assert str(widths.of("blocks.1/scan/Mul")) == "w4a8"
    assert str(widths.of("blocks.1/scanner/Mul")) == "w8a16"
    assert widths.unused(["embed", "blocks.0/scan/Exp"]) == ["blocks.1.scan.Mul"]


def test_every_bad_width_is_named() -> None:
    with pytest.raises(ExportError, match=r'"\*" = "w8a7".*"embed" = "int8": a width is w4a8'):
        Widths({"*": "w8a7", "embed": "int8"})


def test_one_width_needs_no_quantize() -> None:
    for table, element in (({}, INT8), ({"*": "w8a16"}, INT16)):
        made = quantised(two_layers(), table)
        assert kinds(made) == ["FULLY_CONNECTED", "TANH", "FULLY_CONNECTED"]
        assert {by_name(made)[name].type for name in ("x", "first/fc", "first/tanh", "second/fc")} == {element}


def test_values_are_widened_where_widths_meet() -> None:
    """LiteRT's QUANTIZE makes int8 of int8: CAST keeps the integers, QUANTIZE spreads them over 16 bits."""
    made = quantised(two_layers(), {"second": "w8a16"})
    assert kinds(made) == ["FULLY_CONNECTED", "TANH", "CAST", "QUANTIZE", "FULLY_CONNECTED"]
    tensors = by_name(made)
    assert tensors["first/tanh"].type == INT8 and tensors["second/fc"].type == INT16
    assert tensors["first/tanh/cast"].type == tensors["first/tanh/widened"].type == INT16
    assert scales(tensors["first/tanh"]) == scales(tensors["first/tanh/cast"]) == 1 / 128  # TANH's own
    assert scales(tensors["first/tanh/widened"]) == np.float32(2 / 32767)


def test_what_is_widened_has_its_zero_in_the_middle() -> None:
    made = quantised(two_layers(), {"first.tanh": "w8a16", "second": "w8a16"})
    assert kinds(made) == ["FULLY_CONNECTED", "CAST", "QUANTIZE", "TANH", "FULLY_CONNECTED"]
    first = by_name(quantise(two_layers(), {**RANGES, "first/fc": (-1.0, 3.0)}, Widths({"first.tanh": "w8a16"})))[
        "first/fc"
    ]
    assert int(first.quantization.zeroPoint[0]) == 0 and scales(first) == np.float32(3 / 127)


def test_values_are_narrowed_by_one_quantize() -> None:
    made = quantised(two_layers(), {"first": "w8a16"})
    assert kinds(made) == ["FULLY_CONNECTED", "TANH", "QUANTIZE", "FULLY_CONNECTED"]
    assert by_name(made)["first/tanh/requantised"].type == INT8


@pytest.mark.parametrize("table", [{"first": "w8a16"}, {"second": "w8a16"}, {"first.tanh": "w8a16"}])
def test_mixed_widths_stay_near_the_float_graph(table: dict[str, str]) -> None:
    model, x = two_layers(), np.linspace(0, 1, 4, dtype=np.float32)[None]
    ranges = every_value(dump(model), [x])
    real = run(dump(model), [x])[0]
    found = run(dump(quantise(model, ranges, Widths(table))), [x])[0]
    assert np.abs(found - real).max() < 0.02 * np.abs(real).max()


def test_a_state_has_the_width_and_the_scale_of_what_writes_it() -> None:
    made = quantised(two_layers(states=True), {"s_out": "w8a16"}, states=True)
    tensors = by_name(made)
    assert tensors["s_in"].type == tensors["s_out"].type == INT16
    assert scales(tensors["s_in"]) == scales(tensors["s_out"]) == np.float32(20 / 32767)  # -10, headroom 2


def test_the_float_graph_stays_as_it_is() -> None:
    model = two_layers()
    before = dump(model)
    quantised(model, {"*": "w4a16"})
    assert dump(model) == before


# Constants


def test_weights_of_four_bits_are_two_a_byte() -> None:
    made = quantised(two_layers(), {"first": "w4a8"})
    operator = graph(made).operators[0]
    weight = graph(made).tensors[operator.inputs[1]]
    assert weight.type == schema.TensorType.INT4
    assert len(made.buffers[weight.buffer].data) == 12
    values = constant(made, weight)
    assert values is not None and values.shape == (6, 4)
    np.testing.assert_array_equal(np.abs(values).max(axis=1), np.full(6, 7))


@pytest.mark.parametrize("bits", [4, 8])
def test_weights_are_nearest_on_their_grid(bits: int) -> None:
    real = np.random.default_rng(2).normal(0, 1, (5, 3, 2)).astype(np.float32)
    real[2] = 0
    made = constants.weights(real, 1, bits)
    grid = made.values * made.scale.reshape(1, 3, 1)
    assert np.abs(grid - real).max() <= made.scale.max() / 2 * (1 + 1e-6)
    assert np.abs(made.values).max() == 2 ** (bits - 1) - 1


def test_a_channel_of_zeros_is_zeros() -> None:
    made = constants.weights(np.zeros((2, 3), np.float32), 0, 8)
    assert not made.values.any() and (made.scale > 0).all()


def test_a_bias_far_above_its_weights_widens_their_scale() -> None:
    weights, bias = np.array([[1e-9, 2e-9], [1.0, 1.0]], np.float32), np.array([5.0, 5.0], np.float32)
    made = constants.weights(weights, 0, 8, bias, source_scale=0.01)
    sums = constants.bias(bias, 0.01 * made.scale.astype(np.float64), 8)
    assert abs(int(sums.values[0])) <= constants.LARGEST_BIAS and made.values[0].tolist() == [0, 0]
    np.testing.assert_allclose(sums.values * sums.scale, bias, rtol=1e-5)


def test_a_value_that_is_always_zero_keeps_a_scale_like_its_neighbours() -> None:
    made = quantise(two_layers(), {**RANGES, "first/fc": (0.0, 0.0)}, Widths({}))
    assert 0.005 < float(scales(by_name(made)["first/fc"])[0]) < 0.01


def test_compact_drops_what_nothing_uses() -> None:
    model = two_layers()
    size = len(dump(model))
    graph(model).tensors += graph(model).tensors[:3]
    model.buffers += model.buffers[1:]
    compact(model)
    assert abs(len(dump(model)) - size) < 64


# Refused, all at once


def test_operators_without_integers_are_named_together_with_what_helps() -> None:
    model = TFLiteModel()
    x = model.input((1, 4), "float32", None)  # type: ignore[arg-type]
    a, b = model.tensor((1, 4), **FLOAT, name="norm/div"), model.tensor((1, 4), **FLOAT, name="norm/root")
    model.operator("DIV", [x, x], [a])
    model.operator("SQRT", [a], [b])
    model.output(b)
    with pytest.raises(ExportError) as told:
        quantise(load(model.content()), {}, Widths({}))
    assert "2 problems" in str(told.value)
    assert "DIV at norm/div has no integer form; instead: multiply by the reciprocal" in str(told.value)
    assert "SQRT at norm/root has no integer form; instead: x * RSQRT(x)" in str(told.value)


def test_unseen_and_infinite_ranges_are_named_together() -> None:
    ranges: dict[str, tuple[float, float]] = {
        "x": (0.0, 1.0),
        "first/fc": (-1.0, float("inf")),
        "first/tanh": (-1.0, 1.0),
    }
    with pytest.raises(ExportError, match=r"(?s)first/fc reached -1 \.\. inf.*no range was measured for second/fc"):
        quantise(two_layers(), ranges, Widths({}))


def test_weights_that_are_no_numbers_are_named() -> None:
    model = two_layers()
    weight = graph(model).tensors[graph(model).operators[0].inputs[1]]
    values = np.array(constant(model, weight))
    values[1, 2] = np.nan
    model.buffers[weight.buffer].data = np.frombuffer(values.tobytes(), np.uint8)
    with pytest.raises(ExportError, match=r"FULLY_CONNECTED at first/fc holds NaN or infinity \(1\)"):
        quantise(model, RANGES, Widths({}))


def test_an_outlier_beyond_four_bits_is_named_with_its_ratio() -> None:
    chance = np.random.default_rng(3)
    model = TFLiteModel()
    weights = chance.normal(0, 0.01, (4, 400))
    weights[2, 7] = 3.0
    x, y = model.input((1, 400), "float32", None, name="x"), model.tensor((1, 4), **FLOAT, name="head")  # type: ignore[arg-type]
    model.operator("FULLY_CONNECTED", [x, model.constant(weights, "float32"), -1], [y])
    model.output(y)
    ranges = {"x": (0.0, 1.0), "head": (-1.0, 1.0)}
    with pytest.raises(ExportError, match=r"head: the largest weight of channel 2 is \d+\.\d times .* Set w8"):
        quantise(load(model.content()), ranges, Widths({"*": "w4a8"}))
    quantise(load(model.content()), ranges, Widths({}))


def test_an_integer_or_float16_file_is_refused() -> None:
    model = TFLiteModel()
    x, y = model.input((1, 4)), model.tensor((1, 4))
    model.operator("TANH", [x], [y])
    model.output(y)
    with pytest.raises(ExportError, match=r"2 tensors are int8 already \(t0, t1\): give the float32 file"):
        quantise(load(model.content()), {}, Widths({}))


def test_a_width_without_a_kernel_is_named() -> None:
    model = TFLiteModel()
    x, y = model.input((1, 4), "float32", None), model.tensor((1, 4), **FLOAT, name="act")  # type: ignore[arg-type]
    model.operator("GELU", [x], [y])
    model.output(y)
    with pytest.raises(ExportError, match="GELU at act has no kernel of w8a16; it has a8"):
        quantise(load(model.content()), {"t0": (0, 1), "act": (0, 1)}, Widths({"*": "w8a16"}))


def test_control_flow_is_refused() -> None:
    model = two_layers()
    model.subgraphs.append(model.subgraphs[0])
    with pytest.raises(ExportError, match="2 subgraphs: control flow has no integer form; unroll"):
        quantise(model, RANGES, Widths({}))
