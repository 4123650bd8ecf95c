"""A first recipe for a data set and a board: a preset, sized to fit; a start, not an optimum."""

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
HIDDEN = (64, 48, 32, 24, 16, 12)
BATCH = 256
WINDOW = 16
"""Samples of a window."""
BALANCE = 0.5
"""Rooms are used unevenly: validation macro F1 on the real home rose from .59 to .81 with it (two splits)."""
NEIGHBOURS = 1.5
"""Standard deviation of spread labels, in distances from a place to the nearest."""


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
    sizes = flash - FIRMWARE_BYTES
    if data_set.sequential and not positions and _longest(data_set) >= WINDOW:
        table |= _sequence(data_set, heard, sizes)
    else:
        table |= _single(data_set, heard, sizes, positions)
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


def _single(data_set: DataSet, heard: int, sizes: int, positions: bool) -> dict[str, Any]:
    """An MLP on one scan."""
    classes, scans = len(data_set.classes), len(stacked(data_set.train))
    hidden = next((h for h in HIDDEN if h * (heard + classes) + 8 * (h + classes) <= sizes), HIDDEN[-1])
    batch = int(min(BATCH, max(16, 2 ** int(np.log2(max(16, scans / 8))))))
    table: dict[str, Any] = {
        "model": {"architecture": "mlp", "hidden": [hidden]},
        "training": {"batch": batch},
        "export": {"arithmetics": ["int8"], "default": "int8"},
    }
    if data_set.class_group:
        table["training"]["group_loss"] = 0.5
    if positions:
        table["output"] = {"spread_m": _spread_m(data_set)}
    most = (sizes - 8 * (hidden + classes)) // hidden - classes
    if heard > most > 0:
        table["compression"] = {"access_points": most}
    return table


def _spread_m(data_set: DataSet) -> float:
    """A little more than the way to the nearest place of the same floor."""
    places = data_set.class_position_m
    assert places is not None
    group = np.array(data_set.class_group or [""] * len(places))
    away = np.linalg.norm(places[:, None] - places[None], axis=2)
    away[(group[:, None] != group[None]) | np.eye(len(places), dtype=bool)] = np.inf
    nearest = away.min(axis=1)
    known = nearest[np.isfinite(nearest)]
    return round(float(np.clip(NEIGHBOURS * np.median(known), 0.5, 10.0)), 1) if len(known) else 1.0


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
