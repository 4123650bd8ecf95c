"""A class of the user's, named `my_package.my_module:MyNet`: found, and its arguments held against its signature."""

import contextlib
import importlib
import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tinyloc.errors import UserError
from tinyloc.names import printable

NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


class OwnClassError(UserError):
    """A class that cannot be found or built; the message says why."""


def is_own_class(name: str) -> bool:
    """Whether a name is that of a class in a module, and not of an architecture of tinyloc."""
    return NAME.fullmatch(name) is not None


def find_class(name: str) -> Any:
    """Import `module:Class` from the current directory or an installed package.

    Raises:
        OwnClassError: no such module or class; the module's own error when it cannot be imported.
    """
    if not is_own_class(name):
        raise OwnClassError(f"{printable(name)!r}: write module:Class, such as my_package.my_module:MyNet")
    module, _, attribute = name.partition(":")
    with _current_directory():
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError as error:
            raise OwnClassError(
                f"{name}: no module {error.name}; run in the directory that holds it, or install its package"
            ) from error
        except Exception as error:  # a stranger's module
            raise OwnClassError(f"{name}: importing {module} fails: {type(error).__name__}: {error}") from error
    made = getattr(found, attribute, None)
    if not isinstance(made, type):
        classes = [
            name for name, value in vars(found).items() if isinstance(value, type) and value.__module__ == module
        ]
        raise OwnClassError(f"{name}: no class {attribute} in {module}; its classes are {', '.join(classes) or 'none'}")
    return made


@contextlib.contextmanager
def _current_directory() -> Iterator[None]:
    """Find modules beside the recipe or description, as `python -m` does."""
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        yield
    finally:
        if added:
            sys.path.remove(here)


def check_arguments(name: str, made: Any, arguments: Mapping[str, Any]) -> None:
    """Raise OwnClassError with the signature where a class does not take these arguments."""
    try:
        signature = inspect.signature(made)
    except (TypeError, ValueError):
        return
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise OwnClassError(f"{name} takes {signature}: {error}") from error


def build_own(name: str, arguments: Mapping[str, Any]) -> Any:
    """Build a class with these arguments. Raises OwnClassError, also for what its constructor raises."""
    made = find_class(name)
    check_arguments(name, made, arguments)
    try:
        return made(**arguments)
    except Exception as error:  # a stranger's constructor
        told = ", ".join(f"{key}={value!r}" for key, value in arguments.items())
        raise OwnClassError(f"{name}({told}) fails: {type(error).__name__}: {error}") from error
