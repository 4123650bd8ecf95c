"""Bundles of format 1, rewritten in memory. What is not as format 1 had it is passed on: the schema names it."""

from collections.abc import Mapping
from typing import Any

from tinyloc.bundle.quantities import WIDTHS

FARTHEST = 1e9
"""Metres; what lies beyond, or is NaN, is no wall of a room."""


def from_version_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a bundle.json of format 1 as format 2.

    What format 1 does not say stays unknown: hash and citation of the data, commands, commits, floors of the classes.
    Repeated readings were averaged by every loader of that time (`combine` = "mean"), and nothing was ever "unknown".
    """
    old = dict(content)
    new = {**old, "version": 2}
    outputs = old.get("outputs")
    if isinstance(outputs, dict):
        new["outputs"] = {key: value for key, value in outputs.items() if key != "floor_plan"}
        new["site"] = site_of(outputs.get("floor_plan", []))
    settings = old.get("settings", {})
    recipe = _table(settings, "recipe")
    new["build"] = {key: value for key, value in _table(recipe, "build").items() if key in ("optimise", "reference")}
    new["data"] = {
        "name": _table(recipe, "data").get("name", "unknown"),
        "title": old.get("data"),
        "licence": new.pop("licence", None),
    }
    new["provenance"] = {
        "seeds": {"training": new.pop("seed", None), **_data_seeds(recipe)},
        "versions": new.pop("versions", {}),
    }
    new["budget"] = _budget(old.get("budget", {}))
    if isinstance(models := old.get("models"), list):
        new["models"] = [_with_widths(entry) for entry in models]
    return new


def site_of(floor_plan: Any) -> Any:
    """Rectangles of format 1 as rooms on floors."""
    if not isinstance(floor_plan, list):
        return {"rooms": floor_plan}
    rooms = [_room(room) for room in floor_plan]
    floors = [room["floor"] for room in rooms if isinstance(room, dict) and _is_floor(room.get("floor"))]
    names = [{"name": f"floor {number}"} for number in range(1 + max(floors))] if floors else []
    return {"floors": names, "rooms": rooms}


def _is_floor(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000


def _room(old: Any) -> Any:
    if not isinstance(old, dict):
        return old
    new = {"floor": 0, **old}
    sides = [new.pop(key, None) for key in ("x", "y", "width", "height")]
    x, y, width, height = sides
    if not all(isinstance(side, int | float) and abs(side) < FARTHEST and not isinstance(side, bool) for side in sides):
        return {**new, "outline_m": [[x, y], [width, height]]}  # the schema refuses what is no number
    return {**new, "outline_m": [[x, y], [x + width, y], [x + width, y + height], [x, y + height]]}


def _table(outer: Any, key: str) -> dict[str, Any]:
    inner = outer.get(key) if isinstance(outer, dict) else None
    return inner if isinstance(inner, dict) else {}


def _data_seeds(recipe: Mapping[str, Any]) -> dict[str, Any]:
    options = _table(_table(recipe, "data"), "options")
    return {f"data.{key}": value for key, value in options.items() if str(key).endswith("seed")}


def _budget(old: Any) -> Any:
    """Whole bytes stood there as 32768.0."""
    if not isinstance(old, dict):
        return old
    return {key: _whole(value) if key.endswith("_bytes") else value for key, value in old.items()}


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _with_widths(entry: Any) -> Any:
    width = WIDTHS.get(str(entry.get("arithmetic"))) if isinstance(entry, dict) else None
    return entry if width is None else {**entry, "widths": {"*": width}}
