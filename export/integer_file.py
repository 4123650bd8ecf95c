"""The integer files of a step, from its float file."""

from collections.abc import Mapping
from typing import Any

from tinyloc.bundle.quantities import WIDTHS
from tinyloc.bundle.schema import Arithmetic
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import dump, graph
from tinyloc.export.quantise.graph import quantise
from tinyloc.export.quantise.ranges import Range
from tinyloc.export.quantise.widths import Widths, dotted, layer_name
from tinyloc.export.step_names import INPUT, StepNames
from tinyloc.training.compress.scales import READING_RANGE


def widths_of(arithmetic: Arithmetic, mixed: Mapping[str, str]) -> dict[str, str]:
    """Layer pattern -> width of an arithmetic; mixed: of "mixed", where layers that it does not name have w8a8."""
    return {"*": WIDTHS["int8"], **mixed} if arithmetic == "mixed" else {"*": WIDTHS[arithmetic]}


def integer_file(float_model: Any, names: StepNames, ranges: Mapping[str, Range], widths: Mapping[str, str]) -> bytes:
    """The integer file with these widths by layer pattern.

    ranges: by tensor name, as measured along whole recordings. Raises ExportError.
    """
    return dump(integer_model(float_model, names, ranges, widths))


def integer_model(float_model: Any, names: StepNames, ranges: Mapping[str, Range], widths: Mapping[str, str]) -> Any:
    """As `integer_file`, as a ModelT."""
    states = list(zip(names.state_inputs, names.state_outputs, strict=True))
    table = Widths(widths)
    layers = [layer_name(float_model, operator) for operator in graph(float_model).operators]
    if unused := table.unused(layers):
        paths = sorted({dotted(layer) for layer in layers})
        raise ExportError(f"widths of {', '.join(unused)}: no such layer; the model has {', '.join(paths)}")
    return quantise(float_model, ranges, table, states, known={INPUT: READING_RANGE})
