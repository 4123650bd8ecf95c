"""Pages of the keys of recipe.toml and board.toml, from the pydantic models that read them."""

import ast
import inspect
import textwrap
import types
import typing
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

Model = type[BaseModel]
LIMITS = {"gt": "> {}", "ge": ">= {}", "lt": "< {}", "le": "<= {}", "min_length": "at least {} entries"}


@cache
def descriptions(model: Model) -> dict[str, str]:
    """The docstring below each field of a model, by field; inherited fields too."""
    found: dict[str, str] = {}
    for cls in reversed(model.__mro__):
        if not (isinstance(cls, type) and issubclass(cls, BaseModel)) or cls is BaseModel:
            continue
        body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
        assert isinstance(body, ast.ClassDef)
        for field, text in zip(body.body, body.body[1:], strict=False):
            if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and _is_text(text):
                found[field.target.id] = " ".join(inspect.cleandoc(text.value.value).split())  # type: ignore[attr-defined]
    return found


def _is_text(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def inner_models(annotation: Any) -> list[Model]:
    """The tables that a field's type holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in typing.get_args(annotation) for model in inner_models(argument)]


def type_text(annotation: Any) -> str:
    """A type as a user of TOML reads it."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_text(arguments[0])
    if origin is typing.Literal:
        return " or ".join(f'`"{value}"`' if isinstance(value, str) else f"`{value}`" for value in arguments)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(type_text(one) for one in arguments if one is not type(None))
    if origin in (list, tuple):
        return f"list of {type_text(arguments[0])}"
    if origin is dict:
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    return {int: "integer", float: "number", bool: "true or false", str: "text"}.get(annotation, str(annotation))


def limits_text(metadata: Any) -> str:
    """Bounds of a field."""
    found = [text.format(getattr(one, name)) for one in metadata for name, text in LIMITS.items() if hasattr(one, name)]
    return ", ".join(found)


def default_text(field: Any) -> str:
    """The default as TOML; "required" where there is none."""
    if field.is_required():
        return "required"
    default = field.default if field.default is not PydanticUndefined else field.default_factory()
    if default is None or isinstance(default, BaseModel) or default in ([], {}):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f'`"{default}"`' if isinstance(default, str) else f"`{default}`".replace("'", '"')


def cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return text.replace("|", "\\|")


def sentence(text: str) -> str:
    """Text with a capital letter, unless it begins with a name of the file: a word with a digit or before a colon."""
    first = text.split(" ", 1)[0]
    is_name = first.endswith(":") or any(character.isdigit() for character in first)
    return text if is_name else text[:1].upper() + text[1:]


def intro_of(model: Model) -> str:
    """The docstring of a table without the name of the table before its colon."""
    text = " ".join(inspect.cleandoc(model.__doc__ or "").split())
    return sentence(text.partition(": ")[2] if text.startswith("[") and ": " in text else text)


def tables(model: Model, path: str, seen: dict[Model, str], many: bool = False) -> list[str]:
    """Markdown of one table of the file and of the tables in it, depth first; a table seen before is a reference.

    Args:
        model: the table.
        path: its dotted place in the file; empty for the file itself.
        seen: tables with their first place; this call adds to it.
        many: the file may have several of them.
    """
    heading = (f"`[[{path}]]`" if many else f"`[{path}]`") if path else "Top level"
    lines = [f"## {heading}", ""]
    if model in seen:
        return [*lines, f"The keys of `[{seen[model]}]`.", ""]
    seen[model] = path
    told = descriptions(model)
    rows, below = [], []
    for name, field in model.model_fields.items():
        inner = inner_models(field.annotation)
        for one in inner:
            repeated = typing.get_origin(field.annotation) is list
            below += tables(one, f"{path}.{name}" if path else name, seen, repeated)
        if inner and not told.get(name):
            continue
        what = ", ".join(filter(None, (type_text(field.annotation), limits_text(field.metadata))))
        meaning = cell(sentence(told.get(name, "")))
        rows.append(f"| `{name}` | {cell(what)} | {cell(default_text(field))} | {meaning} |")
    lines += [intro_of(model), ""]
    if rows:
        lines += ["| key | value | default | meaning |", "|---|---|---|---|", *rows, ""]
    return lines + below


def page(title: str, intro: str, model: Model) -> str:
    """One page for one file format."""
    return "\n".join([f"# {title}", "", intro, "", *tables(model, "", {})])


def undescribed(model: Model, path: str = "") -> list[str]:
    """Keys without a description, as `table.key`."""
    found = []
    for name, field in model.model_fields.items():
        place = f"{path}.{name}" if path else name
        inner = inner_models(field.annotation)
        for one in inner:
            found += undescribed(one, place)
        if not inner and not descriptions(model).get(name):
            found.append(place)
    return found
