"""Unary functions by table: EXP, LOG, ELU, GELU, RSQRT (int16), TANH and LOGISTIC (int8), and our own TABLE.

int8: 256 entries, one an input value. int16: 513 entries, one every 128 input values, linear between them.
TFLite: LUTPopulate and LUTLookup in internal/common.h; tables are computed in single precision, as there.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from tinyloc.codegen.arithmetic.data_mode import in_data_mode
from tinyloc.codegen.arithmetic.lookup_tables import (
    Function,
    elu_function,
    exp_function,
    gelu_by_tanh_function,
    gelu_function,
    log_function,
    logistic_function,
    look_up_int16,
    rsqrt_function,
    table_int8,
    table_int16,
    tanh_function,
)
from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Constant, Expression
from tinyloc.codegen.operators.base import ElementWise, quantised_problems


class TableFunction(ElementWise):
    """A function of one operand, by table in the element types named."""

    def __init__(self, function: Function, elements: tuple[str, ...]) -> None:
        self.function = function
        self.elements = elements

    def table(self, graph: Graph, op: Operator) -> npt.NDArray[Any]:
        """The table that TFLite builds for this use."""
        x, y = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        return (table_int8 if x.element == "int8" else table_int16)(x, y, self.function)

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return quantised_problems(graph, (*op.inputs, *op.outputs), self.elements)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        table = self.table(graph, op)
        return [table[x.astype(np.uint8)] if x.dtype == np.int8 else look_up_int16(x, table)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return table_expression(self.table(graph, op), operands[0], prefix, op.kind)


class Table(ElementWise):
    """TABLE, ours: a chain of int8 operators on one value, folded into 256 entries. Attribute: `table`."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return []

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        return [np.asarray(op.attributes["table"])[x.astype(np.uint8)]]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        return table_expression(op.attributes["table"], operands[0], prefix, " -> ".join(op.origin))


def table_expression(table: npt.NDArray[Any], operand: str, prefix: str, what: str) -> Expression:
    """The look-up as C, with the table that it reads."""
    if table.dtype == np.int8:
        constant = Constant(f"{prefix}_table", "int8_t", table, f"{what}: [256], by the input as uint8")
        return Expression(f"(int32_t){constant.name}[(uint8_t)({operand})]", (constant,))
    constant = Constant(f"{prefix}_table", "int16_t", table, f"{what}: [513], one every 128 inputs")
    smooth = not in_data_mode() and np.abs(np.diff(table.astype(np.int64))).max() < 1 << 15
    return Expression(f"tl_interpolate{'_smooth' if smooth else ''}({operand}, {constant.name})", (constant,))


class Gelu(TableFunction):
    """Attribute `approximate`: by tanh, not by the error function."""

    def __init__(self) -> None:
        super().__init__(gelu_function, ("int8", "int16"))

    def table(self, graph: Graph, op: Operator) -> npt.NDArray[Any]:
        function = (
            TableFunction(gelu_by_tanh_function, self.elements) if op.attributes.get("approximate") else GELU_BY_ERF
        )
        return function.table(graph, op)


ELU = TableFunction(elu_function, ("int8",))
GELU_BY_ERF = TableFunction(gelu_function, ("int8", "int16"))
EXP = TableFunction(exp_function, ("int8", "int16"))
LOG = TableFunction(log_function, ("int8", "int16"))
RSQRT_INT16 = TableFunction(rsqrt_function, ("int16",))
TANH_INT8 = TableFunction(tanh_function, ("int8",))
LOGISTIC_INT8 = TableFunction(logistic_function, ("int8",))
