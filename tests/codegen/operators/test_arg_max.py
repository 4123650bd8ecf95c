"""ARG_MAX: LiteRT == NumPy == generated C, byte for byte."""

from ai_edge_litert import schema_py_generated as schema

from tests.codegen.equality import assert_all_equal
from tests.codegen.tflite_models import TFLiteModel


def test_arg_max() -> None:
    """Ties go to the first; indices of both widths."""
    model = TFLiteModel()
    for shape, axis, element in [
        ((1, 10), 1, "int32"),
        ((2, 3, 4), -1, "int64"),
        ((2, 3, 4), 1, "int32"),
        ((1, 3, 3, 2), 3, "int32"),
    ]:
        x = model.input(shape)
        y = model.tensor([n for i, n in enumerate(shape) if i != axis % len(shape)], element, None)
        kind = schema.TensorType.INT32 if element == "int32" else schema.TensorType.INT64
        model.operator("ARG_MAX", [x, model.constant(axis)], [y], outputType=kind)
        model.output(y)
    assert_all_equal(model, count=8)
