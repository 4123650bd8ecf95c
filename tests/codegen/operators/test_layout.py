"""An operator is found in one place, and so is its test."""

from pathlib import Path

import numpy as np

from tinyloc.codegen.graph import Graph, Operator, Quantisation, Tensor
from tinyloc.codegen.operators.TEMPLATE import Template
from tinyloc.codegen.semantics.operator_table import RULES

SHARED = {"__init__", "base", "convolution", "TEMPLATE"}
"""Files of codegen/operators/ that are no operator."""
WITH = {"ring_conv": "ring", "lstm_tflm": "lstm"}
"""Operators that are tested with another one."""


def test_each_operator_has_its_test_file(repository: Path) -> None:
    operators = {path.stem for path in (repository / "codegen" / "operators").glob("*.py")} - SHARED
    tested = {path.stem.removeprefix("test_") for path in Path(__file__).parent.glob("test_*.py")} - {"layout"}
    assert {WITH.get(name, name) for name in operators} == tested


def test_the_template_is_a_rule_that_is_not_registered() -> None:
    tensor = Tensor("x", (4,), "int8", Quantisation((0.1,), (3,)))
    op = Operator("TEMPLATE", (0,), (1,), {"low": 3}, ("TEMPLATE #0",))
    graph = Graph("template", (tensor, tensor), (op,), (0,), (1,))
    x = np.array([-128, 2, 4, 127], np.int8)
    assert Template().problems(graph, op) == []
    (y,) = Template().reference(graph, op, [x])
    assert y.dtype == np.int8 and y.tolist() == [3, 3, 4, 127]
    assert "TEMPLATE" not in RULES
