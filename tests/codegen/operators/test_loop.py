"""The inner loop of a nest treats two elements a round, where their number is even; results stay as they are."""

import tempfile
from pathlib import Path

import pytest

from tests.codegen.equality import assert_all_equal
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.compile import compile_graph
from tinyloc.codegen.lowering.loop_text import side_by_side


def nest(columns: int, element: str) -> TFLiteModel:
    """exp(x) * y + y with x a value a row: the exponential is taken in the outer loop."""
    model = TFLiteModel()
    scale = 0.05 if element == "int8" else 2e-4
    x, y = model.input((4, 1), element, scale), model.input((4, columns), element, scale)
    power = model.unary("EXP", [x], (4, 1), element, scale)
    product = model.tensor((4, columns), element, scale)
    model.operator("MUL", [power, y], [product])
    total = model.tensor((4, columns), element, 2 * scale)
    model.operator("ADD", [product, y], [total])
    model.output(total)
    return model


@pytest.mark.parametrize(("columns", "step"), [(6, "j += 2"), (5, "j++")])
@pytest.mark.parametrize("element", ["int8", "int16"])
def test_results_do_not_depend_on_lanes(element: str, columns: int, step: str) -> None:
    graph = assert_all_equal(nest(columns, element))
    with tempfile.TemporaryDirectory() as folder:
        compile_graph(graph, Path(folder) / "generated")
        text = (Path(folder) / "generated" / "model.c").read_text()
    assert step in text


def test_each_lane_has_its_own_values_and_index() -> None:
    lines = [
        "const int32_t v1 = x0[i * 4 + j];",
        "const int32_t v2 = x1[j * 3 + i];",
        "const int32_t v3 = v1 * v2 + v9 + x2[j]; /* MUL #1 v2 */",
        "y[j] = (int16_t)v3;",
    ]
    assert side_by_side(lines, "j", 1) == lines
    assert side_by_side(lines, "j", 2) == [
        "const int32_t v1a = x0[i * 4 + j];",
        "const int32_t v1b = x0[i * 4 + (j + 1)];",
        "const int32_t v2a = x1[j * 3 + i];",
        "const int32_t v2b = x1[(j + 1) * 3 + i];",
        "const int32_t v3a = v1a * v2a + v9 + x2[j]; /* MUL #1 v2 */",
        "const int32_t v3b = v1b * v2b + v9 + x2[(j + 1)];",
        "y[j] = (int16_t)v3a;",
        "y[(j + 1)] = (int16_t)v3b;",
    ]


def test_products_at_the_end_of_the_range_saturate() -> None:
    """-32768 * -32768 is 2**30, which does not survive a doubling."""
    model = TFLiteModel()
    a, b = model.input((1, 8), "int16", 1.0), model.input((1, 8), "int16", 1.0)
    for scale in (16385.0, 32769.0, 65537.0, 3e5):
        y = model.tensor((1, 8), "int16", scale)
        model.operator("MUL", [a, b], [y])
        model.output(y)
    graph = assert_all_equal(model)
    assert len(graph.outputs) == 4
