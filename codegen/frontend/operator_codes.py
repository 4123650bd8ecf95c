"""Which operator a TFLite file means. Two fields hold it, and files fill either of them."""

from typing import Any

from flatbuffers import number_types

from tinyloc.codegen.frontend import schema

_BUILTIN_CODE = 10
"""Place of the field `builtin_code` in the vtable of the schema's table OperatorCode."""
_NAMES = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}


def operator_number(code: Any) -> int:
    """Return the larger of `deprecated_builtin_code` and `builtin_code` of a `tflite.OperatorCode`, as LiteRT does.

    Files of before 2020 fill the first field only; some writers fill the second only. The accessor `BuiltinCode()` of
    the package tflite hides values of the second below 127.
    """
    table = code._tab
    place = table.Offset(_BUILTIN_CODE)
    number = int(table.Get(number_types.Int32Flags, place + table.Pos)) if place else 0
    return max(number, int(code.DeprecatedBuiltinCode()))


def operator_name(code: Any) -> str:
    """Return the built-in name, such as FULLY_CONNECTED; "operator N" for a number that the schema does not know."""
    number = operator_number(code)
    return _NAMES.get(number, f"operator {number}")
