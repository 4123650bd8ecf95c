"""The integer files of a step, from its float file."""

from collections.abc import Mapping
from typing import Any

from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.flatbuffer import dump
from tinyloc.export.quantise.graph import quantise
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.widths import Widths
from tinyloc.export.to_onnx import INPUT, StepNames
from tinyloc.training.compress.scales import READING_RANGE

WIDTHS: dict[Arithmetic, dict[str, str]] = {"int8": {"*": "w8a8"}, "int16x8": {"*": "w8a16"}}


def integer_file(float_model: Any, names: StepNames, ranges: Mapping[str, Range], arithmetic: Arithmetic) -> bytes:
    """The int8 or int16x8 file. ranges: by tensor name, as measured along whole recordings. Raises ExportError."""
    states = list(zip(names.state_inputs, names.state_outputs, strict=True))
    widths = Widths(WIDTHS[arithmetic])
    return dump(quantise(float_model, ranges, widths, states, known={INPUT: READING_RANGE}))
