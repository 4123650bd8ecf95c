"""WHILE of a file as tinyloc/while_loops.py needs it: tensors with what the file says of them."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.graph import Operator, Tensor
from tinyloc.while_loops import WHILE, Form, Part, Step, unroll


@dataclass(frozen=True)
class FileTensor:
    """A tensor, the table of the file that it comes from, and its shape signature where sizes are open."""

    tensor: Tensor
    source: Any
    signature: tuple[int, ...]


def step_of(op: Operator) -> Step:
    """An operator, and of a WHILE which subgraphs it runs."""
    loop = (op.attributes["condition"], op.attributes["body"]) if op.kind == WHILE else None
    return Step(op.kind, op.inputs, op.outputs, op, loop)


def written_out(
    part: Part[FileTensor], part_of: Callable[[int], Part[FileTensor]]
) -> tuple[Part[FileTensor], list[str]]:
    """A subgraph without loops, and why some must stay; part_of: a subgraph by its number."""
    parts: dict[int, Part[FileTensor]] = {}

    def numbered(number: int) -> Part[FileTensor]:
        if number not in parts:
            parts[number] = part_of(number)
        return parts[number]

    return unroll(part, Form(numbered, lambda kept: kept.tensor.data, _copied))


def _copied(kept: FileTensor, _: str, value: npt.NDArray[Any] | None) -> FileTensor:
    if value is None:
        return kept
    data = np.asarray(value).astype(kept.tensor.element).reshape(kept.tensor.shape)
    data.flags.writeable = False
    return dataclasses.replace(kept, tensor=dataclasses.replace(kept.tensor, data=data))
