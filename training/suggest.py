"""A first recipe for a data set and a board: a preset, sized to fit; a start, not an optimum."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tomli_w

from tinyloc.training.data.dataset import DataSet, stacked
from tinyloc.training.recipe import Recipe, parse_recipe

MANY_ACCESS_POINTS = 40
"""Wi-Fi of a site and no few anchors of a home: phones differ, most access points are silent."""
IMAGE_BYTES = 32_768
RAM_BYTES = 8_192
FIRMWARE_BYTES = 13_000
"""Program beside the weights, in the images of the zoo."""
MLP_PROGRAM_BYTES = 7_500
"""Program beside the constants of an MLP on single scans: 5 to 6.6 KB in `results/radio-maps`, and a reserve."""
UNIT_BYTES, PLACE_BYTES = 8, 8
"""Of the constants: bias and scale of a unit or class; position of a place."""
HIDDEN = tuple(range(64, 11, -4))
DEEP = tuple((h, 3 * h // 4) for h in HIDDEN if h >= 16)
"""Few receivers say as much as their combinations: two hidden layers."""
WINDOW = 16
"""Samples of a window."""
BALANCE = 0.5
"""Rooms are used unevenly: validation macro F1 on the real home rose from .59 to .81 with it (two splits)."""
NEIGHBOURS = 1.2
"""Standard deviation of spread labels, in distances from a place to the nearest. Left-out laps of a library, 256 places
0.25 m apart: .97 m with 1 m, .94 m with 0.5 m (two splits); with longer training .83 m with 0.5, .81 m with 0.33."""


def suggest(data_set: DataSet, name: str, data_path: str, flash_bytes: int, ram_bytes: int) -> tuple[str, Recipe]:
    """Choose a recipe.

    Args:
        data_set: Own data, loaded from `data_path`.
        flash_bytes: Of the board; the image may take all of it up to 32 KB.
        ram_bytes: Of the board.

    Returns:
        Its TOML text, and the recipe.
    """
    heard = int((~np.isnan(stacked(data_set.train).rssi_dbm)).any(axis=0).sum())
    positions = _are_places(data_set)
    flash = min(flash_bytes, IMAGE_BYTES)
    kind = "wifi" if heard > MANY_ACCESS_POINTS else "ble"
    preset = {"wifi": ("wifi-areas", "wifi-positions"), "ble": ("ble-rooms", "ble-positions")}[kind][positions]
    table: dict[str, Any] = {
        "name": name,
        "title": f"{data_set.title}: a first recipe of `tinyloc init`",
        "preset": preset,
        "seed": 1,
        "data": {"name": "csv", "path": data_path},
        "input": {"drop_silent": heard < len(data_set.access_points)},
    }
    if data_set.sequential and not positions and _longest(data_set) >= WINDOW:
        table |= _sequence(data_set, heard, flash - FIRMWARE_BYTES)
    else:
        table |= _single(data_set, heard, flash, positions)
    table["build"] = {"optimise": "O2"}
    table["budget"] = {"flash_bytes": flash, "ram_bytes": min(ram_bytes, 2 * RAM_BYTES if positions else RAM_BYTES)}
    text = tomli_w.dumps(table)
    return text, parse_recipe(text, name)


def _are_places(data_set: DataSet) -> bool:
    """Whether classes are places whose mean is a position: numbered on their floor, not named by a person."""
    places = data_set.class_position_m
    named = [name.rsplit(" ", 1)[-1] for name in data_set.classes]
    return places is not None and all(name.isdigit() for name in named)


def _longest(data_set: DataSet) -> int:
    return min(max(map(len, split)) for split in data_set.splits.values())


def _single(data_set: DataSet, heard: int, flash: int, positions: bool) -> dict[str, Any]:
    """An MLP on one scan, as large as fits."""
    classes = len(data_set.classes)
    room = flash - MLP_PROGRAM_BYTES - (PLACE_BYTES * classes if positions else 0)
    shapes = DEEP if positions and heard <= MANY_ACCESS_POINTS else tuple((h,) for h in HIDDEN)
    hidden = next((list(h) for h in shapes if _mlp_bytes(heard, h, classes) <= room), list(shapes[-1]))
    table: dict[str, Any] = {
        "model": {"architecture": "mlp", "hidden": hidden},
        "export": {"arithmetics": ["int8"], "default": "int8"},
    }
    if data_set.class_group:
        table["training"] = {"group_loss": 0.5}
    if positions:
        table["output"] = {"spread_m": _spread_m(data_set)}
    most = heard + min(0, (room - _mlp_bytes(heard, hidden, classes)) // hidden[0])
    if heard > most > 0:
        table["compression"] = {"access_points": most}
    return table


def _mlp_bytes(inputs: int, hidden: Sequence[int], classes: int) -> int:
    """Constants on the device: weights of 8 bits, bias and scale of each unit."""
    sizes = [inputs, *hidden, classes]
    weights = sum(before * after for before, after in itertools.pairwise(sizes))
    return weights + UNIT_BYTES * sum(sizes[1:])


def _spread_m(data_set: DataSet) -> float:
    """A little more than the way to the nearest place of the same floor."""
    places = data_set.class_position_m
    assert places is not None
    group = np.array(data_set.class_group or [""] * len(places))
    away = np.linalg.norm(places[:, None] - places[None], axis=2)
    away[(group[:, None] != group[None]) | np.eye(len(places), dtype=bool)] = np.inf
    nearest = away.min(axis=1)
    known = nearest[np.isfinite(nearest)]
    return round(float(np.clip(NEIGHBOURS * np.median(known), 0.3, 10.0)), 1) if len(known) else 1.0


def _sequence(data_set: DataSet, heard: int, sizes: int) -> dict[str, Any]:
    """An MLP with a CRF over a window: on a real home it beat recurrent models, which learn the walk with the rooms."""
    classes = len(data_set.classes)
    hidden = next((h for h in (32, 24, 16) if h * (heard + classes) + 2 * classes**2 <= sizes), 16)
    chunk = WINDOW * (2 if _longest(data_set) >= 2 * WINDOW else 1)
    return {
        "window": {"steps": WINDOW, "hop": WINDOW // 4},
        "model": {"architecture": "mlp", "hidden": [hidden], "crf": True},
        "training": {"steps": 1200, "batch": 32, "chunk": chunk, "balance": BALANCE},
        "export": {"arithmetics": ["int8"], "default": "int8"},
    }
