"""The integer files of a step, from its float file."""

from collections.abc import Mapping
from typing import Any

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import dump, graph
from tinyloc.export.quantise.graph import quantise
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.widths import Widths, dotted, layer_name
from tinyloc.export.to_onnx import INPUT, StepNames
from tinyloc.training.compress.scales import READING_RANGE

WIDTHS: dict[Arithmetic, dict[str, str]] = {"int8": {"*": "w8a8"}, "int16x8": {"*": "w8a16"}, "mixed": {}}


def integer_file(
    float_model: Any,
    names: StepNames,
    ranges: Mapping[str, Range],
    arithmetic: Arithmetic,
    mixed: Mapping[str, str] | None = None,
) -> bytes:
    """The integer file of one arithmetic.

    ranges: by tensor name, as measured along whole recordings. mixed: layer pattern -> width, of "mixed".
    Raises ExportError.
    """
    states = list(zip(names.state_inputs, names.state_outputs, strict=True))
    widths = Widths(WIDTHS[arithmetic] if mixed is None or arithmetic != "mixed" else mixed)
    layers = [layer_name(float_model, operator) for operator in graph(float_model).operators]
    if unused := widths.unused(layers):
        paths = sorted({dotted(layer) for layer in layers})
        raise ExportError(f"widths of {', '.join(unused)}: no such layer; the model has {', '.join(paths)}")
    return dump(quantise(float_model, ranges, widths, states, known={INPUT: READING_RANGE}))
