"""TEMPLATE: y = clamp(max(x, low)), copied to start a new operator. First line: name and formula in TFLite's terms.

Quote here what TFLite means by it, with the reference kernel's name, and where that differs from what a reader would
expect. A new operator takes five steps:

1. Copy this file to the operator's name in lower case, and the class to its name in CamelCase.
2. Choose the base class: ElementWise for an expression on scalars (chains of them become one loop), KernelRule for a
   call of a kernel in firmware/kernels, ViewRule for what only names elements of its input.
3. Fill in the methods. Keep the order: problems, reference, then the C.
4. Register the rule in codegen/semantics/operator_table.py, and its options, if any, in codegen/frontend/reader.py.
5. Add tests/codegen/operators/test_<operator>.py: every element type against LiteRT's reference kernel, byte for byte,
   over the whole input range where that is small.
"""

from collections.abc import Sequence

import numpy as np

from tinyloc.codegen.graph import Graph, Operator
from tinyloc.codegen.layer_code import Array, Expression
from tinyloc.codegen.operators.base import ElementWise, clamp, moved_problems, quantised_problems

ELEMENTS = ("int8", "int16")
"""The element types that TFLite has for it."""


class Template(ElementWise):
    """Limit from below by `low`, an attribute."""

    def problems(self, graph: Graph, op: Operator) -> list[str]:
        """Name everything that cannot be compiled, in one list: what was found, in which tensor, what would help."""
        problems = quantised_problems(graph, (*op.inputs, *op.outputs), ELEMENTS)
        return problems or moved_problems(graph, op)

    def reference(self, graph: Graph, op: Operator, values: Sequence[Array | None]) -> list[Array]:
        """Compute in integers with NumPy; this is the specification. Slow and plain, no approximation of its own."""
        (x,) = values
        assert x is not None
        low = int(op.attributes["low"])
        return [clamp(np.maximum(x.astype(np.int64), low), -128, 127, graph.tensors[op.outputs[0]].element)]

    def expression(self, graph: Graph, op: Operator, operands: Sequence[str], prefix: str) -> Expression:
        """Give the same as C on int32_t; functions are in firmware/kernels/tl_fixed.h."""
        return Expression(f"tl_max({operands[0]}, {int(op.attributes['low'])})")
