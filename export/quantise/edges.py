"""QUANTIZE operators: where widths meet, and where a prescribed scale meets a shared one."""

import copy
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import graph, operator_code, tensor_name


class Edges:
    """Puts QUANTIZEs before the operators that need them; one for all readers of a value."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._made: dict[tuple[int, int], int] = {}
        self._before: dict[int, list[Any]] = {}  # id of an operator -> what comes before it
        self.source: dict[int, int] = {}
        """Tensor that a QUANTIZE makes -> the one that it reads."""

    def requantise(self, operator: Any, position: int, group: int) -> int:
        """Let an operator read a QUANTIZE of its operand; `group` separates those that may differ in scale or width.

        Returns the new tensor's index. To be followed by `apply`.
        """
        part = graph(self._model)
        source = int(operator.inputs[position])
        made = self._made.get((source, group))
        if made is None:
            tensor = copy.deepcopy(part.tensors[source])
            name = f"{tensor_name(tensor)}/requantised"
            same = sum(tensor_name(other).partition("#")[0] == name for other in part.tensors)
            tensor.name = f"{name}#{same + 1}" if same else name
            tensor.buffer = 0
            part.tensors.append(tensor)
            made = len(part.tensors) - 1
            self._made[source, group] = made
            self.source[made] = source
            quantize = schema.OperatorT()
            quantize.opcodeIndex = operator_code(self._model, schema.BuiltinOperator.QUANTIZE)
            quantize.inputs, quantize.outputs = [source], [made]
            self._before.setdefault(id(operator), []).append(quantize)
        operator.inputs = [made if k == position else int(i) for k, i in enumerate(operator.inputs)]
        return made

    def apply(self) -> None:
        """Put the QUANTIZEs into the graph, each before its first reader."""
        part = graph(self._model)
        ordered = []
        for operator in part.operators:
            ordered += [*self._before.pop(id(operator), []), operator]
        part.operators = ordered
