"""The page of all commands and options, from the command line itself."""

import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer.main

Command = Any
"""A click command; typer brings its own copy of click, whose classes are not importable under a stable name."""

NAMES = {str: "TEXT", int: "NUMBER", float: "NUMBER", Path: "PATH"}


def commands(group: Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Command]]:
    """Yield (path, command) of every visible command below a group, in the order of `--help`."""
    for name, command in group.commands.items():
        if getattr(command, "hidden", False):
            continue
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


def cell(text: str) -> str:
    """Text for one cell of a Markdown table."""
    return " ".join(text.replace("|", "\\|").split())


def plain(annotation: Any) -> Any:
    """The type in `T | None`, `list[T]`, `Annotated[T, ...]`."""
    inner = [one for one in typing.get_args(annotation) if one is not type(None)]
    return plain(inner[0]) if inner and typing.get_origin(annotation) is not typing.Literal else annotation


def value_of(parameter: Any) -> str:
    """What a parameter takes: its choices, its metavar, or its type; nothing for a flag."""
    if getattr(parameter, "is_flag", False):
        return ""
    kind = plain(parameter.type_descriptor.annotation)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return " or ".join(f"`{choice.value}`" for choice in kind)
    if typing.get_origin(kind) is typing.Literal:
        return " or ".join(f"`{choice}`" for choice in typing.get_args(kind))
    return f"`{cell(parameter.metavar or NAMES.get(kind, 'TEXT'))}`"


def default_of(parameter: Any) -> str:
    """The default as the user would type it; nothing where there is none."""
    default = getattr(parameter, "default", None)
    if parameter.required:
        return "required"
    if default is None or callable(default) or default in (False, (), []) or "UNSET" in repr(default).upper():
        return ""
    return "on" if default is True else f"`{getattr(default, 'value', default)}`"


def option_names(parameter: Any) -> str:
    """All spellings of an option."""
    return " ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))


def paragraphs(text: str) -> list[str]:
    """Help text as paragraphs of one line."""
    return [" ".join(part.split()) for part in text.replace("\b", "").split("\n\n") if part.strip()]


def option_table(options: list[Any]) -> list[str]:
    """A table of options; nothing where there are none."""
    if not options:
        return []
    rows = [f"| {option_names(p)} | {value_of(p)} | {default_of(p)} | {cell(p.help or '')} |" for p in options]
    return ["| option | value | default | |", "|---|---|---|---|", *rows, ""]


def visible_options(command: Command) -> list[Any]:
    """Options that `--help` shows."""
    return [p for p in command.params if p.param_type_name == "option" and not getattr(p, "hidden", False)]


def section(path: tuple[str, ...], command: Command, common: set[str]) -> list[str]:
    """The Markdown of one command, without the options that every command has."""
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    options = [p for p in visible_options(command) if p.name not in common]
    usage = " ".join(["tinyloc", *path, *(str(p.metavar or p.name.upper()).strip("{}") for p in arguments)])
    lines = [f"### {' '.join(path)}", "", f"`{usage}{' [OPTIONS]' if options else ''}`", ""]
    for paragraph in paragraphs(command.help or ""):
        lines += [paragraph, ""]
    if arguments:
        lines += ["| argument | |", "|---|---|"]
        lines += [f"| `{str(p.metavar or p.name).strip('{}')}` | {cell(p.help or '')} |" for p in arguments] + [""]
    lines += option_table(options)
    return lines


def page(app: typer.Typer) -> str:
    """The whole page: commands grouped by the panel of `tinyloc --help`, groups of commands under their own name."""
    root: Command = typer.main.get_command(app)
    common = visible_options(root)
    names = {option.name for option in common}
    panels: dict[str, list[str]] = {}
    for path, command in commands(root):
        top = root.commands[path[0]]
        panel = getattr(top, "rich_help_panel", None)
        title = panel if isinstance(panel, str) else f"tinyloc {path[0]}" if len(path) > 1 else "Stages"
        panels.setdefault(title, []).extend(section(path, command, names))
    lines = ["# Commands and options", "", "This page is generated from the command line of this version.", ""]
    lines += ["Exit codes of every command:", "", *EXIT_CODES, ""]
    lines += ["Options of `tinyloc`; every command takes `--verbose` and `--quiet` too:", "", *option_table(common), ""]
    for title, text in panels.items():
        lines += [f"## {title}", "", *text]
    return "\n".join(lines)


EXIT_CODES = (
    "| code | meaning |",
    "|---|---|",
    "| 0 | done |",
    "| 1 | measured and failed: budget exceeded, or the device differs from the host |",
    "| 2 | user error; the message says how to fix it |",
    "| 3 | fault of tinyloc; the traceback is printed |",
    "| 130 | interrupted; `train` and `evaluate` continue where they stopped when you run them again |",
)
