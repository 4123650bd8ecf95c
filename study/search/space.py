"""From the parameters that Optuna proposes to a recipe, and the smallest corners of a space."""

import itertools
import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from tinyloc.study.search.settings import Range, Search
from tinyloc.training.recipe import Recipe, find_recipe, parse_recipe

SIZED_BY = ("model", "compression", "export", "build", "window", "input", "output")
"""Tables of the recipe that an image's size depends on."""
MOST_CORNERS = 500

Parameters = Mapping[str, Any]
"""Dotted key -> the value, a choice as JSON text."""


def distributions(search: Search) -> dict[str, BaseDistribution]:
    """The space as Optuna takes it."""
    return {key: _distribution(values) for key, values in search.space.items()}


def _distribution(values: list[Any] | Range) -> BaseDistribution:
    if isinstance(values, list):
        return CategoricalDistribution([json.dumps(value, sort_keys=True) for value in values])
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(float(values.low), float(values.high), log=values.log, step=values.step)


def base_table(search: Search, place: Path) -> dict[str, Any]:
    """The recipe that the space is put over. `place`: where file names of recipes begin."""
    file = place / search.recipe
    path = file if file.is_file() else find_recipe(search.recipe)
    table = tomllib.loads(path.read_text(encoding="utf-8"))
    table.pop("budget", None)  # the search and its board set the limits
    return table


def recipe_of(search: Search, base: Mapping[str, Any], parameters: Parameters) -> Recipe:
    """The recipe of a candidate. Raises RecipeError when the parameters do not go together."""
    return parse_recipe(recipe_text(search, base, parameters), search.name)


def recipe_text(search: Search, base: Mapping[str, Any], parameters: Parameters) -> str:
    """The same as TOML. Whole tables come first, then the keys that go into them."""
    table = json.loads(json.dumps(base))
    table |= {"name": search.name, "title": f"Chosen by the search {search.name}"}
    for key in sorted(parameters, key=lambda key: key.count(".")):
        value = parameters[key]
        if isinstance(search.space[key], list):
            value = json.loads(value)
        *above, last = key.split(".")
        inner = table
        for part in above:
            inner = inner.setdefault(part, {})
        inner[last] = value
    return tomli_w.dumps(_without_none(table))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    """TOML has no null: a choice of null leaves the key out."""
    return {
        key: _without_none(value) if isinstance(value, Mapping) else value
        for key, value in table.items()
        if value is not None
    }


def corners(search: Search) -> Iterator[dict[str, Any]]:
    """Candidates at the low ends: every choice that an image depends on, with each range at its lowest."""
    options: list[list[Any]] = []
    for key, choices in search.space.items():
        if isinstance(choices, Range):
            options.append([choices.low])
        else:
            chosen = choices if key.split(".")[0] in SIZED_BY else choices[:1]
            options.append([json.dumps(value, sort_keys=True) for value in chosen])
    for values in itertools.islice(itertools.product(*options), MOST_CORNERS):
        yield dict(zip(search.space, values, strict=True))
