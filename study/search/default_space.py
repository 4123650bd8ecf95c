"""A space for own data and a board, when no SEARCH.toml is given: around the first recipe of `tinyloc init`."""

import tomllib
from pathlib import Path
from typing import Any

from tinyloc.boards import Board
from tinyloc.study.search.settings import Limits, Range, Search
from tinyloc.training.data import catalogue
from tinyloc.training.data.own.start import safe_name
from tinyloc.training.suggest import suggest

EVERY: dict[str, list[Any] | Range] = {
    "training.learning_rate": Range(low=0.003, high=0.03, log=True),
    "training.weight_decay": Range(low=0.003, high=0.1, log=True),
    "build.optimise": ["O2", "Os"],
}
MLP: dict[str, list[Any] | Range] = {
    "model.hidden": Range(low=4, high=96),
    "input.exponent": Range(low=1.0, high=2.5),
    "input.saturation": Range(low=0.8, high=1.0),
    "augmentation.reading_dropout": Range(low=0.0, high=0.5),
    "augmentation.gain_db": Range(low=0.0, high=10.0),
    "augmentation.noise_db": Range(low=0.0, high=4.0),
    "augmentation.deafness_db": Range(low=0.0, high=25.0),
    "augmentation.appear": Range(low=0.0, high=4.0),
}
POSITIONS: dict[str, list[Any] | Range] = {
    "output.power": Range(low=1.0, high=3.0),
    "output.spread_m": Range(low=0.5, high=10.0, log=True),
    "training.mean_loss": Range(low=0.0, high=3.0),
}
"""Beside MLP, where a decision is a position."""
SEQUENCE: dict[str, list[Any] | Range] = {
    "model.hidden": Range(low=8, high=64),
    "training.balance": Range(low=0.0, high=1.0),
    "augmentation.noise_db": Range(low=0.0, high=4.0),
    "augmentation.gain_db": Range(low=0.0, high=6.0),
    "augmentation.access_point_dropout": Range(low=0.0, high=0.3),
}
"""Rooms in sequences: an MLP with a CRF."""
SMALLEST_SHARE = 4
"""Access points may be cut to a quarter."""


def default_search(data: Path, board: Board) -> tuple[Search, dict[str, Any]]:
    """Make a search and the recipe that its space is put over."""
    data_set = catalogue.load("csv", {}, data)
    name = f"{safe_name(data)}-{board.name}"
    text, recipe = suggest(data_set, name, str(data.resolve()), board.budget.flash_bytes, board.budget.ram_bytes)
    table = tomllib.loads(text)
    limits = table.pop("budget")
    positions = POSITIONS if recipe.output.position == "mean" else {}
    space = {**EVERY, **(SEQUENCE if recipe.model.crf else MLP | positions)}
    inputs = len(data_set.access_points)
    if not recipe.model.crf and inputs >= 2 * SMALLEST_SHARE:
        space["compression.access_points"] = Range(low=inputs // SMALLEST_SHARE, high=inputs)
    search = Search(name=name, recipe=recipe.name, board=board.name, budget=Limits(**limits), space=space)
    return search, table
