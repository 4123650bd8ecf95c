"""CONCATENATION: inputs of one scale laid side by side along an axis."""

from collections.abc import Sequence
from math import prod

import numpy as np

from tinyloc.codegen.graph import BYTES, Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Lowered
from tinyloc.codegen.operators.base import KernelRule, moved_problems, operand_names, quantised_problems, shape_problems


class Concatenation(KernelRule):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ("int8", "int16"))
        if problems:
            return problems
        problems += moved_problems(graph, op, requantise="first")
        shapes = [graph.tensors[t].shape for t in op.inputs]
        whole = list(shapes[0])
        whole[op.attributes["axis"]] = sum(shape[op.attributes["axis"]] for shape in shapes)
        problems += shape_problems(graph, op.outputs[0], whole)
        if any(len(shape) != len(whole) for shape in shapes):
            problems.append(f"the parts have different ranks: {shapes}")
        if op.attributes.get("activation", 0):
            problems.append("a fused activation is not supported; export the activation as a separate operator")
        return problems

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        return [np.concatenate([v for v in values if v is not None], axis=op.attributes["axis"])]

    def lower(self, graph: Graph, op: Operator, prefix: str) -> Lowered:
        y = graph.tensors[op.outputs[0]]
        axis = op.attributes["axis"] % len(y.shape)
        outer = prod(y.shape[:axis])
        sizes = [prod(graph.tensors[t].shape[axis:]) * BYTES[y.element] for t in op.inputs]
        return copied_rows(graph, op, prefix, outer, sizes)


def copied_parts(graph: Graph, op: Operator, prefix: str) -> Lowered:
    """The parts of a JOIN that are not in place, each in one piece."""
    names, placed = operand_names(graph, op), op.attributes["placed"]
    statements: list[str] = []
    constants: list[Constant] = []
    for number, (tensor, offset) in enumerate(zip(op.inputs, op.attributes["offsets"], strict=True)):
        x = graph.tensors[tensor]
        if number in placed:
            statements.append(f"(void){names[tensor]}; /* in its place */")
            continue
        name = _part(graph, tensor, number, prefix, names, constants)
        statements.append(f"tl_copy((uint8_t *)y + {offset}, {name}, {x.bytes});")
    return Lowered(tuple(statements), tuple(constants), ("tl_copy.h",))


def _part(graph: Graph, tensor: int, number: int, prefix: str, names: dict[int, str], constants: list[Constant]) -> str:
    """The pointer to a part; one that is constant becomes an array."""
    x = graph.tensors[tensor]
    if x.data is not None:
        names[tensor] = f"{prefix}_part{number}"
        constants.append(Constant(names[tensor], f"{x.element}_t", x.data.ravel(), f"{list(x.shape)} {x.name}"))
    return names[tensor]


def copied_rows(graph: Graph, op: Operator, prefix: str, rows: int, sizes: Sequence[int]) -> Lowered:
    """Each operand's `rows` rows of so many bytes laid beside those of the others; constants become arrays."""
    names = operand_names(graph, op)
    statements: list[str] = []
    constants: list[Constant] = []
    at = 0
    for number, (tensor, size) in enumerate(zip(op.inputs, sizes, strict=True)):
        name = _part(graph, tensor, number, prefix, names, constants)
        statements.append(f"tl_copy_rows((uint8_t *)y + {at}, {name}, {rows}, {sum(sizes)}, {size});")
        at += size
    return Lowered(tuple(statements), tuple(constants), ("tl_copy.h",))
