"""QUANTIZE and CAST operators: where widths meet, and where a prescribed scale meets a shared one."""

import copy
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from tinyloc.export.flatbuffer import graph, operator_code, tensor_name

WIDENED = -2


class Edges:
    """Puts them before the operators that need them; one for all readers of a value."""

    def __init__(self, model: Any) -> None:
        self._model = model
        self._made: dict[tuple[int, int], int] = {}
        self._before: dict[int, list[Any]] = {}  # id of an operator -> what comes before it
        self.source: dict[int, int] = {}
        """Tensor that an inserted operator makes -> the one that it reads."""

    def requantise(self, operator: Any, position: int, group: int) -> int:
        """Let an operator read a QUANTIZE of its operand; `group` separates those that may differ in scale or width.

        Returns the new tensor's index. To be followed by `apply`.
        """
        return self._insert(operator, position, group, "requantised", schema.BuiltinOperator.QUANTIZE, None)

    def widen(self, operator: Any, position: int) -> tuple[int, int]:
        """Let an operator read 16 bits of an int8 operand: CAST and QUANTIZE, as LiteRT's QUANTIZE makes int8 of int8.

        CAST leaves the integers and so the scale as they are; the zero point must be 0. Returns the tensors that CAST
        and QUANTIZE make. Otherwise as `requantise`.
        """
        options = schema.CastOptionsT()
        options.inDataType, options.outDataType = schema.TensorType.INT8, schema.TensorType.INT16
        made = self._insert(operator, position, WIDENED, "cast", schema.BuiltinOperator.CAST, options)
        return made, self._insert(operator, position, WIDENED, "widened", schema.BuiltinOperator.QUANTIZE, None)

    def _insert(self, operator: Any, position: int, group: int, what: str, builtin: int, options: Any) -> int:
        part = graph(self._model)
        source = int(operator.inputs[position])
        made = self._made.get((source, group))
        if made is None:
            tensor = copy.deepcopy(part.tensors[source])
            name = f"{tensor_name(tensor).removesuffix('/cast')}/{what}"
            same = sum(tensor_name(other).partition("#")[0] == name for other in part.tensors)
            tensor.name = f"{name}#{same + 1}" if same else name
            tensor.buffer = 0
            part.tensors.append(tensor)
            made = len(part.tensors) - 1
            self._made[source, group] = made
            self.source[made] = source
            inserted = schema.OperatorT()
            inserted.opcodeIndex = operator_code(self._model, builtin)
            inserted.inputs, inserted.outputs = [source], [made]
            if options is not None:
                inserted.builtinOptions, inserted.builtinOptionsType = options, schema.BuiltinOptions.CastOptions
            self._before.setdefault(id(operator), []).append(inserted)
        operator.inputs = [made if k == position else int(i) for k, i in enumerate(operator.inputs)]
        return made

    def apply(self) -> None:
        """Put the inserted operators into the graph, each before its first reader."""
        part = graph(self._model)
        ordered = []
        for operator in part.operators:
            ordered += [*self._before.pop(id(operator), []), operator]
        part.operators = ordered
