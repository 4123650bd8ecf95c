"""Equal arrays are in the image once."""

import numpy as np

from tests.codegen.equality import assert_all_equal, native
from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.layer_code import Constant, Lowered
from tinyloc.codegen.lowering.sharing import share_constants


def unrolled(steps: int, element: str = "int8") -> TFLiteModel:
    """One cell, h = tanh(W x + V h), written out as often as there are samples."""
    chance, model = np.random.default_rng(2), TFLiteModel()
    w, v = (model.constant(chance.integers(-127, 128, shape), "int8", 0.01) for shape in ((6, 4), (6, 6)))
    h = model.input((1, 6), element, 2.0**-7)
    for _ in range(steps):
        x = model.input((1, 4), element, 0.05)
        a = model.unary("FULLY_CONNECTED", [x, w, -1], (1, 6), element, 0.04)
        b = model.unary("FULLY_CONNECTED", [h, v, -1], (1, 6), element, 0.04)
        s = model.unary("ADD", [a, b], (1, 6), element, 0.04, potScaleInt16=False)
        h = model.unary("TANH", [s], (1, 6), element, 2.0**-7)
    model.output(h)
    return model


def test_an_unrolled_cell_has_its_weights_once() -> None:
    one, five = (native(assert_all_equal(unrolled(steps))).manifest for steps in (1, 5))
    assert five.constant_bytes == one.constant_bytes
    assert any("arrays equal others" in line for line in five.decisions)


def test_names_are_replaced_as_whole_words() -> None:
    def layer(name: str, values: list[int], ctype: str = "int8_t") -> Lowered:
        return Lowered((f"f({name}, {name}_more);",), (Constant(name, ctype, np.array(values), ""),))

    equal = [layer("a", [1, 2]), layer("b", [1, 2])]
    layers, notes = share_constants([*equal, layer("c", [1, 2], "int16_t"), layer("d", [3])])
    assert [one.statements[0] for one in layers] == ["f(a, a_more);", "f(a, b_more);", "f(c, c_more);", "f(d, d_more);"]
    assert notes == ["1 arrays equal others: 2 bytes less"]
    assert share_constants([])[1] == []
