"""The two ends of a network's file become those of a step: a reading (1, P) in, scores (1, C) out, states between.

In place, on float and on integer files. A network over a window gets a state that holds the samples before, at first
silence; codegen/passes/roll_windows.py computes it row by row where that is exact.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from tinyloc.errors import counted
from tinyloc.export.errors import ExportError
from tinyloc.export.flatbuffer import (
    compact,
    graph,
    operator_code,
    operator_name,
    scales,
    set_constant,
    tensor_name,
)
from tinyloc.export.network.choose_ends import choose_ends
from tinyloc.export.network.description import NetworkState, Order
from tinyloc.export.step_names import INPUT, OUTPUT, StepNames

TIME_FIRST: Order = "samples, access points"
POINTS_FIRST: Order = "access points, samples"
WINDOW = "window"
"""Name of the state that holds a window's earlier samples."""
PROBABILITIES = ("SOFTMAX", "LOG_SOFTMAX")


@dataclass
class Step:
    """What was made of a file: names of its ends, samples of its window, sentences about changes."""

    names: StepNames
    samples: int = 1
    notes: list[str] = field(default_factory=list)


class _Edit:
    """Makes tensors and operators of one file."""

    def __init__(self, model: Any) -> None:
        self.model, self.part = model, graph(model)

    def shape(self, tensor: int) -> tuple[int, ...]:
        found = self.part.tensors[tensor].shape
        return () if found is None else tuple(int(n) for n in found)

    def like(self, tensor: int, name: str, shape: Sequence[int]) -> int:
        made = copy.deepcopy(self.part.tensors[tensor])
        made.name, made.shape, made.shapeSignature, made.buffer = name, np.array(shape, np.int32), None, 0
        self.part.tensors.append(made)
        return len(self.part.tensors) - 1

    def constant(self, name: str, values: Sequence[int]) -> int:
        made = schema.TensorT()
        made.name, made.type = name, schema.TensorType.INT32
        set_constant(self.model, made, np.array(values, np.int32))
        self.part.tensors.append(made)
        return len(self.part.tensors) - 1

    def operator(self, kind: str, inputs: Sequence[int], output: int, options: Any = None) -> Any:
        made = schema.OperatorT()
        versions = {"RESHAPE": 1}
        made.opcodeIndex = operator_code(self.model, getattr(schema.BuiltinOperator, kind), versions.get(kind, 2))
        made.inputs, made.outputs = list(inputs), [output]
        if options is not None:
            made.builtinOptions = options
            made.builtinOptionsType = getattr(schema.BuiltinOptions, type(options).__name__.removesuffix("T"))
        return made

    def reshape(self, source: int, target: int) -> Any:
        sizes = self.constant(f"{tensor_name(self.part.tensors[target])}/shape", self.shape(target))
        return self.operator("RESHAPE", [source, sizes], target, schema.ReshapeOptionsT())

    def cut(self, source: int, target: int, begin: Sequence[int]) -> Any:
        name = tensor_name(self.part.tensors[target])
        ends = [self.constant(f"{name}/begin", begin), self.constant(f"{name}/size", self.shape(target))]
        return self.operator("SLICE", [source, *ends], target, schema.SliceOptionsT())


def name_ends(model: Any, reading: str | None, scores: str | None, states: Sequence[NetworkState]) -> None:
    """Give the ends of a file the names of a step, in its order, and drop QUANTIZE and DEQUANTIZE there. In place.

    Raises:
        ExportError: as `choose_ends`.
    """
    part = graph(model)
    tensors = part.tensors
    have = [{tensor_name(tensors[int(i)]): int(i) for i in indices} for indices in (part.inputs, part.outputs)]
    shapes = [{name: [int(n) for n in tensors[i].shape] for name, i in side.items()} for side in have]
    chosen = choose_ends(shapes[0], shapes[1], reading, scores, states)
    part.inputs, part.outputs = ([side[name] for name in ends] for side, ends in zip(have, chosen, strict=True))
    _drop_edges(model)
    names = StepNames(tuple(state.name for state in states))
    for indices, wanted in ((part.inputs, names.inputs), (part.outputs, names.outputs)):
        for index, name in zip(indices, wanted, strict=True):
            for other in tensors:
                if tensor_name(other) == name and other is not tensors[index]:
                    other.name = f"{name}#inner"
            tensors[index].name = name
    model.signatureDefs = []


def _drop_edges(model: Any) -> None:
    """Float ends of an integer file: what only QUANTIZE reads or only DEQUANTIZE writes becomes the integers."""
    part = graph(model)
    kept = list(part.operators)
    for operator in part.operators:
        kind = operator_name(model, operator)
        source, target = int(operator.inputs[0]), int(operator.outputs[0])
        readers = sum(source in [int(i) for i in op.inputs] for op in part.operators)
        if kind == "QUANTIZE" and source in part.inputs and not len(scales(part.tensors[source])) and readers == 1:
            part.inputs = [target if int(i) == source else int(i) for i in part.inputs]
            kept.remove(operator)
        if kind == "DEQUANTIZE" and target in part.outputs and source not in part.outputs:
            part.outputs = [source if int(i) == target else int(i) for i in part.outputs]
            kept.remove(operator)
    part.operators = kept


def as_step(model: Any, states: Sequence[str], points: int, classes: int, order: Order | None) -> Step:
    """Rewrite a file with named ends to a step. In place.

    Args:
        model: its inputs are `reading` and the states', its outputs `scores` and the states'.
        states: names of the states that the file has.
        points: P.
        classes: C.
        order: axes of a window, where sizes do not tell.

    Raises:
        ExportError: sizes that do not fit P or C, or a window whose axes are not clear.
    """
    edit = _Edit(model)
    problems = []
    reading, scores = int(edit.part.inputs[0]), int(edit.part.outputs[0])
    notes = _without_probabilities(edit, scores)
    scores = int(edit.part.outputs[0])
    size, shape = prod(edit.shape(reading)), edit.shape(reading)
    if size % points or size == 0:
        problems.append(
            f"the network takes {counted(size, 'number')} {list(shape)}, which is no multiple of the "
            f"{counted(points, 'access point')} named"
        )
    samples = max(1, size // points)
    if samples > 1 and states:
        problems.append(f"a network with states takes one sample at a time, not {samples} {list(shape)}")
    result, width = edit.shape(scores), prod(edit.shape(scores))
    if width not in (classes, classes * samples):
        problems.append(f"the network gives {counted(width, 'score')} {list(result)}; {classes} classes are named")
    if samples > 1 and not problems:
        problems += _order_problems(shape, samples, points, order)
    if problems:
        raise ExportError("; ".join(problems))
    window: tuple[str, ...] = ()
    if samples > 1:
        window = (WINDOW,)
        _moving_window(edit, reading, samples, points, order)
        notes.append(f"a state keeps the last {samples - 1} of the {samples} samples that the network takes")
    elif shape != (1, points):
        tensors = edit.part.tensors
        tensors[reading].name = "reading, in the network's shape"
        made = edit.like(reading, INPUT, (1, points))
        edit.part.operators = [edit.reshape(made, reading), *edit.part.operators]
        edit.part.inputs = [made if int(i) == reading else int(i) for i in edit.part.inputs]
    _score_row(edit, scores, samples, classes)
    compact(model)
    return Step(StepNames((*states, *window)), samples, notes)


def _order_problems(shape: tuple[int, ...], samples: int, points: int, order: Order | None) -> list[str]:
    axes = [n for n in shape if n != 1]
    fits = {TIME_FIRST: axes == [samples, points], POINTS_FIRST: axes == [points, samples]}
    if len(axes) == 1 and order is None:
        return [f"a flat window {list(shape)}: say in input.order whether it is {TIME_FIRST!r} or {POINTS_FIRST!r}"]
    if len(axes) > 1 and not any(fits.values()):
        return [f"the network takes {list(shape)}: neither (1, samples, {points}) nor (1, {points}, samples)"]
    if len(axes) > 1 and order is not None and not fits[order]:
        return [f"input.order is {order!r}, but the network takes {list(shape)} of {points} access points"]
    if all(fits.values()) and order is None:
        return [f"a window {list(shape)} of as many samples as access points: say its axes in input.order"]
    return []


def _moving_window(edit: _Edit, reading: int, samples: int, points: int, order: Order | None) -> None:
    shape = edit.shape(reading)
    axes = [n for n in shape if n != 1]
    points_first = order == POINTS_FIRST or (order is None and axes == [points, samples])
    edit.part.tensors[reading].name = "reading, whole window"
    newest = edit.like(reading, INPUT, (1, points))
    before = edit.like(reading, f"{WINDOW}_in", (1, (samples - 1) * points))
    joined = edit.like(reading, f"{WINDOW}/joined", (1, samples * points))
    after = edit.like(reading, f"{WINDOW}_out", (1, (samples - 1) * points))
    options = schema.ConcatenationOptionsT()
    options.axis = 1
    made = [edit.operator("CONCATENATION", [before, newest], joined, options), edit.cut(joined, after, [0, points])]
    at = joined
    if points_first:
        rows = edit.like(reading, f"{WINDOW}/rows", (1, samples, points))
        turned = edit.like(reading, f"{WINDOW}/turned", (1, points, samples))
        turn = edit.constant(f"{WINDOW}/turned/perm", [0, 2, 1])
        made += [
            edit.reshape(joined, rows),
            edit.operator("TRANSPOSE", [rows, turn], turned, schema.TransposeOptionsT()),
        ]
        at = turned
    made.append(edit.reshape(at, reading))
    edit.part.operators = [*made, *edit.part.operators]
    edit.part.inputs = [newest, *(int(i) for i in edit.part.inputs if int(i) != reading), before]
    edit.part.outputs = [*(int(i) for i in edit.part.outputs), after]


def _without_probabilities(edit: _Edit, scores: int) -> list[str]:
    """A last SOFTMAX is left out: decisions, CRF and mean positions need the scores before it."""
    for operator in list(edit.part.operators):
        kind = operator_name(edit.model, operator)
        if kind in PROBABILITIES and int(operator.outputs[0]) == scores and _plain(operator):
            source = int(operator.inputs[0])
            if any(scores in [int(i) for i in op.inputs] for op in edit.part.operators):
                return []
            edit.part.operators.remove(operator)
            edit.part.outputs = [source if int(i) == scores else int(i) for i in edit.part.outputs]
            edit.part.tensors[scores].name, edit.part.tensors[source].name = f"{OUTPUT}/{kind.lower()}", OUTPUT
            return [f"the last {kind} is left out: its input gives the same decisions, at a finer scale"]
    return []


def _plain(operator: Any) -> bool:
    return float(getattr(operator.builtinOptions, "beta", 1.0)) == 1.0


def _score_row(edit: _Edit, scores: int, samples: int, classes: int) -> None:
    """The last sample's scores, as (1, C)."""
    shape = edit.shape(scores)
    if shape == (1, classes):
        return
    edit.part.tensors[scores].name = f"{OUTPUT}, in the network's shape"
    at = scores
    if prod(shape) != classes:
        axis = max(i for i, n in enumerate(shape) if n == samples) if shape[-1] != classes else len(shape) - 2
        begin = [samples - 1 if i == axis else 0 for i in range(len(shape))]
        at = edit.like(scores, f"{OUTPUT}, last sample", [1 if i == axis else n for i, n in enumerate(shape)])
        edit.part.operators.append(edit.cut(scores, at, begin))
    row = edit.like(scores, OUTPUT, (1, classes))
    edit.part.operators.append(edit.reshape(at, row))
    edit.part.outputs = [row if int(i) == scores else int(i) for i in edit.part.outputs]
