"""From an indoor-localisation model to a verified image on a small microcontroller.

    from tinyloc import Bundle, Recipe

    run = Recipe.load("uji-mlp").train()
    result = run.export().build(board="stm32l4").emulate()
    result.macro_f1, result.ram_bytes
    result.report("uji.html")

Importing tinyloc is quick and imports no torch: each name below is loaded when it is first used. The modules beside it
(`tinyloc.export`, `tinyloc.device`, ...) are the parts of the package.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tinyloc.api.bundle import Bundle
    from tinyloc.api.image import Image
    from tinyloc.api.recipe import Recipe
    from tinyloc.api.result import Result
    from tinyloc.api.run import Run
    from tinyloc.errors import UserError

__all__ = ["Bundle", "Image", "Recipe", "Result", "Run", "UserError"]

_PLACES = {
    "Bundle": "tinyloc.api.bundle",
    "Image": "tinyloc.api.image",
    "Recipe": "tinyloc.api.recipe",
    "Result": "tinyloc.api.result",
    "Run": "tinyloc.api.run",
    "UserError": "tinyloc.errors",
}


def __getattr__(name: str) -> Any:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module 'tinyloc' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(place), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
