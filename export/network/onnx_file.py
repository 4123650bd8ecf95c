"""An ONNX file of your own with the names of a step and sizes that are fixed."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx

from tinyloc.export.errors import ExportError
from tinyloc.export.network.choose_ends import choose_ends
from tinyloc.export.network.description import NetworkState
from tinyloc.export.step_names import StepNames
from tinyloc.names import printable


def step_onnx(
    source: Path, target: Path, reading: str | None, scores: str | None, states: Sequence[NetworkState]
) -> None:
    """Write a copy whose ends are named as those of a step, its open batch size 1.

    Raises:
        ExportError: no ONNX file, ends that are not clear, sizes other than the batch that are open.
    """
    try:
        model = onnx.load(str(source))
    except Exception as error:  # protobuf's own errors
        raise ExportError(f"{source} is no ONNX file ({error})") from error
    held = {value.name for value in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in held]
    outputs = list(model.graph.output)
    problems = []
    for value in (*inputs, *outputs):
        axes = value.type.tensor_type.shape.dim
        if axes and not axes[0].HasField("dim_value"):
            axes[0].dim_value = 1
        if value in inputs and (open_axes := [i for i, axis in enumerate(axes) if not axis.HasField("dim_value")]):
            problems.append(f"axis {', '.join(map(str, open_axes))} of {printable(value.name)} has no size: fix it")
    if problems:
        raise ExportError(f"{source}: {'; '.join(problems)}")
    have = [{value.name: value for value in values} for values in (inputs, outputs)]
    shapes = [{name: _shape(value) for name, value in side.items()} for side in have]
    try:
        chosen = choose_ends(shapes[0], shapes[1], reading, scores, states)
    except ExportError as error:
        raise ExportError(f"{source}: {error}") from error
    names = StepNames(tuple(state.name for state in states))
    for ends, side, field in zip(chosen, have, (model.graph.input, model.graph.output), strict=True):
        kept = [type(side[end]).FromString(side[end].SerializeToString()) for end in ends]
        del field[:]
        field.extend(kept)
    renamed = {**dict(zip(chosen[0], names.inputs, strict=True)), **dict(zip(chosen[1], names.outputs, strict=True))}
    _rename(model.graph, renamed)
    onnx.save(model, str(target))


def _shape(value: Any) -> list[Any]:
    return [axis.dim_value or axis.dim_param or "?" for axis in value.type.tensor_type.shape.dim]


def _rename(graph: Any, renamed: dict[str, str]) -> None:
    taken = {name for node in graph.node for name in (*node.input, *node.output)} - renamed.keys()
    inner = {name: f"{name}_inner" for name in renamed.values() if name in taken}
    names = {**inner, **renamed}
    for node in graph.node:
        node.input[:] = [names.get(name, name) for name in node.input]
        node.output[:] = [names.get(name, name) for name in node.output]
    for value in (*graph.input, *graph.output, *graph.value_info, *graph.initializer):
        value.name = names.get(value.name, value.name)


def input_shapes(path: Path) -> dict[str, list[int]]:
    """Name -> shape of the inputs of a file whose sizes are fixed."""
    model = onnx.load(str(path))
    held = {value.name for value in model.graph.initializer}
    return {
        value.name: [int(axis.dim_value) for axis in value.type.tensor_type.shape.dim]
        for value in model.graph.input
        if value.name not in held
    }
