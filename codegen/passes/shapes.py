"""Sizes that a converter left open, and arithmetic on shapes: what is written for a batch of unknown size is constant
once the batch is read as 1.

SHAPE -> STRIDED_SLICE -> PACK -> RESHAPE is how a flexible reshape looks, SHAPE -> ... -> FILL how the first state of
an unrolled recurrent layer does. Runs on the graph as read, before it is checked.
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import LARGEST_TENSOR, Graph, Operator, Tensor
from tinyloc.codegen.operators.view import Reshape
from tinyloc.codegen.semantics.operator_table import rule_of
from tinyloc.codegen.semantics.result_shapes import axes_of, result_shapes

Array = npt.NDArray[Any]

MOVERS = {
    "CONCATENATION", "EXPAND_DIMS", "GATHER", "PACK", "RESHAPE", "SLICE", "SPLIT", "SPLIT_V", "SQUEEZE",
    "STRIDED_SLICE", "TRANSPOSE", "UNPACK",
}  # fmt: skip
"""Operators that only move values, so that their rules hold for indices too."""

ARITHMETIC: dict[str, Callable[[Array, Array], Array]] = {
    "ADD": np.add,
    "FLOOR_DIV": np.floor_divide,
    "FLOOR_MOD": np.mod,
    "MAXIMUM": np.maximum,
    "MINIMUM": np.minimum,
    "MUL": np.multiply,
    "SUB": np.subtract,
}
"""Of two constants, on int32 and int64."""

FOLDED = ("SHAPE", "FILL", "FLOOR_DIV", "FLOOR_MOD")
"""Operators that exist on constants only: what of them is left is refused."""

_RESIZED = ("RESIZE_BILINEAR", "RESIZE_NEAREST_NEIGHBOR")
SHAPE_OPERANDS = {"BROADCAST_TO": 1, "RESHAPE": 1, "TRANSPOSE_CONV": 0, **dict.fromkeys(_RESIZED, 1)}
"""Operand that holds the shape of the result; the file states that shape, too."""


def fold_shapes(graph: Graph, signatures: Mapping[int, Sequence[int]]) -> tuple[Graph, list[str]]:
    """Every size is known, and what only depends on sizes is a constant; with what stands against it.

    signatures: of tensors with open sizes (-1). An open first size of an input, the batch, is what the file has in its
    place. An open size of any other tensor is what its operator gives.
    """
    tensors, kept = list(graph.tensors), []
    unread = {t for t, sizes in signatures.items() if any(n < 0 for n in sizes[1:])}  # what must not be taken for 1
    problems = [_open(tensors[t], signatures[t]) for t in graph.sources if t in unread]
    for op in graph.operators:
        current = dataclasses.replace(graph, tensors=tuple(tensors))
        if any(t in signatures for t in op.outputs):
            shapes = _shapes_of(current, op, signatures)
            for t, shape in zip(op.outputs, shapes or (), strict=False):
                tensors[t] = dataclasses.replace(tensors[t], shape=shape)
            problems += [_open(tensors[t], signatures[t]) for t in op.outputs if shapes is None and t in unread]
            large = [tensors[t] for t in op.outputs if tensors[t].bytes > LARGEST_TENSOR]
            if large:
                size = f"takes {large[0].bytes:,} bytes, more than any board has; the most is {LARGEST_TENSOR:,}"
                return graph, [*problems, f"tensor {large[0].name} {size}"]
            current = dataclasses.replace(graph, tensors=tuple(tensors))
        values = _constants(current, op)
        if values is None:
            kept.append(op)
            continue
        for t, value in zip(op.outputs, values, strict=True):
            data = np.ascontiguousarray(value).astype(tensors[t].element).reshape(tensors[t].shape)
            data.flags.writeable = False
            tensors[t] = dataclasses.replace(tensors[t], data=data)
    return dataclasses.replace(graph, tensors=tuple(tensors), operators=tuple(kept)), problems


def settle_shapes(graph: Graph) -> Graph:
    """Replace a shape operand that is computed, or an input of the model, by the shape that the file gives the result.

    TFLM reads no such operand either.
    """
    operators, notes = [], list(graph.notes)
    for op in graph.operators:
        position = SHAPE_OPERANDS.get(op.kind, len(op.inputs))
        if position < len(op.inputs) and op.inputs[position] != -1:
            given, shape = graph.tensors[op.inputs[position]], graph.tensors[op.outputs[0]].shape
            if given.data is None:
                sizes = np.array(shape[1:3] if op.kind in _RESIZED else shape, np.int32)
                graph, constant = graph.with_tensor(
                    Tensor(f"shape of {op.origin[0]}", sizes.shape, "int32", None, sizes)
                )
                inputs = (*op.inputs[:position], constant, *op.inputs[position + 1 :])
                op = dataclasses.replace(op, inputs=inputs)
                notes.append(
                    f"{op.origin[0]}: its result has the shape {list(shape)} of the file, whatever {given.name} says"
                )
        operators.append(op)
    return dataclasses.replace(graph, operators=tuple(operators), notes=tuple(notes))


def _open(tensor: Tensor, signature: Sequence[int]) -> str:
    return (
        f"tensor {tensor.name} has the shape signature {list(signature)}: only the first dimension, the batch, may be "
        "open (it is read as 1); export with fixed sizes"
    )


def _shapes_of(graph: Graph, op: Operator, signatures: Mapping[int, Sequence[int]]) -> list[tuple[int, ...]] | None:
    try:
        shapes = result_shapes(graph, op)
    except (ValueError, IndexError, TypeError, KeyError):
        return None  # the operator's rule says what is wrong
    if shapes is None and isinstance(rule_of(graph, op), Reshape):
        (signature,) = (signatures[t] for t in op.outputs)
        if sum(n < 0 for n in signature) == 1:
            size = graph.tensors[op.inputs[0]].size // max(prod(n for n in signature if n >= 0), 1)
            return [tuple(size if n < 0 else n for n in signature)]
    return shapes


def _constants(graph: Graph, op: Operator) -> list[Array] | None:
    """Results that are known now; None for an operator that stays."""
    tensors = graph.tensors
    outputs = [tensors[t] for t in op.outputs]
    if any(0 in t.shape for t in outputs):
        return None
    if op.kind == "SHAPE":
        return [np.array(tensors[op.inputs[0]].shape)]
    if any(t == -1 or tensors[t].data is None for t in op.inputs):
        return None
    values = [np.asarray(tensors[t].data) for t in op.inputs]
    if op.kind == "FILL":
        return [np.full(outputs[0].shape, values[1].item())]
    if any(t.element not in ("int32", "int64") for t in outputs):
        return None
    if op.kind == "REDUCE_PROD":
        return [np.asarray(np.prod(values[0].astype(np.int64), axis=axes_of(graph, op)))]
    if op.kind in ARITHMETIC:
        return [ARITHMETIC[op.kind](*values)]
    if op.kind in MOVERS:
        rule = rule_of(graph, op)
        assert rule is not None
        return rule.reference(graph, op, values)
    return None
