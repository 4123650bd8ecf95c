"""One operator of a graph on many samples, in LiteRT's reference kernels."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from tinyloc.export.flatbuffer import compact, constant, dump, graph

Array = npt.NDArray[Any]


def alone(model: Any, operator: Any) -> bytes:
    """A file that holds one operator with its constants; what it reads are the inputs, each once."""
    part = graph(model)
    lone = copy.copy(model)
    cut = copy.copy(part)
    cut.operators = [copy.copy(operator)]
    cut.inputs, cut.outputs = computed_operands(model, operator), [int(i) for i in operator.outputs]
    cut.tensors = [copy.copy(tensor) for tensor in part.tensors]
    lone.subgraphs, lone.operatorCodes = [cut], list(model.operatorCodes)
    compact(lone)
    return dump(lone)


def computed_operands(model: Any, operator: Any) -> list[int]:
    """Tensors that an operator reads and that are no constants, each once."""
    tensors = graph(model).tensors
    indices = dict.fromkeys(int(i) for i in operator.inputs if i >= 0)
    return [index for index in indices if constant(model, tensors[index]) is None]


def run_operator(model: Any, operator: Any, operands: Sequence[Sequence[Array]]) -> list[list[Array]]:
    """Outputs, each sample by sample. operands: in the order of `computed_operands`, each sample by sample."""
    interpreter = Interpreter(
        model_content=alone(model, operator), experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    inputs = [detail["index"] for detail in interpreter.get_input_details()]
    outputs = [detail["index"] for detail in interpreter.get_output_details()]
    found: list[list[Array]] = [[] for _ in outputs]
    for values in zip(*operands, strict=True):
        for index, value in zip(inputs, values, strict=True):
            interpreter.set_tensor(index, value)
        interpreter.invoke()
        for column, index in zip(found, outputs, strict=True):
            column.append(np.array(interpreter.get_tensor(index)))
    return found
