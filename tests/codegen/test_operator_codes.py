"""The operator of a file whose code lies in either of two fields, wherever it is read."""

import re
from pathlib import Path

import pytest
from ai_edge_litert import schema_py_generated as schema

from tests.codegen.tflite_models import TFLiteModel
from tinyloc.codegen.backends.tflm.harness import operator_kinds
from tinyloc.codegen.frontend.operator_codes import operator_name, operator_number
from tinyloc.codegen.frontend.schema import Model
from tinyloc.export.flatbuffer import dump, load, operator_code
from tinyloc.export.flatbuffer import operator_name as exported_name

OLD, NEW, BOTH = "deprecated_builtin_code", "builtin_code", "both"
KINDS = ["ADD", "MUL", "SUB", "SQUARED_DIFFERENCE", "BATCH_MATMUL"]
CASES = [*((kind, field) for kind in KINDS for field in (OLD, NEW, BOTH)), ("GELU", NEW), ("GELU", BOTH)]


def content_of(kind: str, field: str) -> bytes:
    """A model of one operator; its code is in one of the fields, or in both."""
    model = TFLiteModel()
    a, b = model.input((1, 4)), model.input((1, 4))
    model.output(model.unary(kind, [a, b], (1, 4), "int8", 0.1))
    (code,) = model.model.operatorCodes
    if field == NEW:
        code.deprecatedBuiltinCode = 0
    elif field == OLD:
        code.builtinCode = 0
    return model.content()


@pytest.mark.parametrize(("kind", "field"), CASES)
def test_every_reader_takes_the_larger_field(kind: str, field: str) -> None:
    number = getattr(schema.BuiltinOperator, kind)
    content = content_of(kind, field)
    code = Model.GetRootAs(content, 0).OperatorCodes(0)
    assert (operator_number(code), operator_name(code)) == (number, kind)
    assert operator_kinds(content) == [kind]
    edited = load(content)
    assert exported_name(edited, edited.subgraphs[0].operators[0]) == kind
    assert operator_code(edited, number) == 0
    added = operator_code(edited, schema.BuiltinOperator.RSQRT)
    assert added == 1
    assert operator_name(Model.GetRootAs(dump(edited), 0).OperatorCodes(1)) == "RSQRT"


def test_an_old_file_does_not_pass_for_one_with_add() -> None:
    """Field 0 of a file that fills only the older one is not the code of ADD."""
    edited = load(content_of("MUL", OLD))
    assert operator_code(edited, schema.BuiltinOperator.ADD) == 1


def test_nothing_is_read_from_the_package_tflite_itself(repository: Path) -> None:
    """ai-edge-litert 2.1.2 installs an empty tflite/__init__.py over it; frontend/schema.py reads submodules."""
    files = [path for part in ("codegen", "device", "export") for path in (repository / part).rglob("*.py")]
    assert len(files) > 100
    direct = re.compile(r"^\s*(import tflite\b(?!_)|from tflite import)", re.M)
    assert [path.name for path in files if direct.search(path.read_text())] == []
