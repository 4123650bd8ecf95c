"""SQRT of int8, truncated towards zero as LiteRT's kernel does it. Becomes a table, so no C of its own.

LiteRT refuses to run on values below zero; here they give real zero.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, quantised_problems


class Sqrt8(ElementWise):
    def problems(self, graph: Graph, op: Operator) -> list[str]:
        return quantised_problems(graph, (*op.inputs, *op.outputs), ("int8",))

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        (x,) = values
        assert x is not None
        tx, ty = graph.tensors[op.inputs[0]], graph.tensors[op.outputs[0]]
        real = np.float32(tx.scale) * np.maximum(x.astype(np.int32) - tx.zero_point, 0).astype(np.float32)
        quotient = np.sqrt(real) / np.float32(ty.scale)
        return [np.clip(quotient.astype(np.int64) + ty.zero_point, -128, 127).astype(np.int8)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        raise AssertionError("SQRT is folded into a table before code is generated")
