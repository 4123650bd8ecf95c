"""Every field of a bundle driven to what is wrong: the loader names it, never a traceback, never a silent pass."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.bundle.mutations import Mutation, mutations
from tests.png_files import png
from tests.small_bundle import small_bundle
from tinyloc.bundle.schema import Budget, Bundle, BundleError, read_bundle
from tinyloc.bundle.site import FloorPicture

ANY_TEXT = {"citation", "command"}
"""Last key of places where any line of text will do."""
GATES = [name for name in Budget.model_fields if name.endswith(("_min", "_max"))]
NULLABLE = {
    "site.floors.#.building", "site.floors.#.height_m", "site.floors.#.picture",
    "site.access_point_m", "site.access_point_m.#",
    "outputs.positions_m", "outputs.floors", "outputs.unknown", "crf", "budget.flash_bytes", "budget.ram_bytes",
    "budget.latency_ms", *(f"budget.{gate}" for gate in GATES), "data.sha256",
    "provenance.steps.#.command", "provenance.steps.#.commit",
}  # fmt: skip
"""Null is a value there."""
SIGNED = {
    "preprocessing.floor_dbm", "preprocessing.ceiling_dbm",
    "site.floors.#.height_m", "site.floors.#.picture.left_m", "site.floors.#.picture.bottom_m",
    "site.rooms.#.outline_m.#.#", "site.access_point_m.#.#",
    "outputs.positions_m.#.#", "crf.transitions.#.#", "crf.start.#", "crf.end.#", "float_metrics.macro_f1",
}  # fmt: skip
"""Negative numbers are legal there."""
FREE_LENGTH = {
    "site.floors", "site.rooms", "models", "models.#.states", "models.#.states.#.shape", "provenance.steps",
    "preprocessing.access_points", "outputs.classes", "site.rooms.#.outline_m",
}  # fmt: skip
"""A list may lose or repeat an entry where nothing else counts its entries, or where names are checked instead."""
TABLES_OF_TEXT = {"models.#.widths", "provenance.seeds", "provenance.versions", "float_metrics", "settings"}


OLD = Path(__file__).parent / "format_1.json"


def rich_bundle(directory: Path) -> dict[str, Any]:
    """A valid bundle.json in which every field stands."""
    small_bundle(directory)
    content = json.loads((directory / "bundle.json").read_text())
    chance = np.random.default_rng(1)
    classes, points = len(content["outputs"]["classes"]), len(content["preprocessing"]["access_points"])
    content["crf"] = {
        "transitions": chance.normal(size=(classes, classes)).tolist(), "start": chance.normal(size=classes).tolist(),
        "end": chance.normal(size=classes).tolist(),
    }  # fmt: skip
    content["window"] = {"steps": 4, "hop": 2, "rate_hz": 5.0, "online": True}
    content["outputs"] |= {
        "positions_m": chance.normal(size=(classes, 3)).tolist(), "floors": [0, 1] * (classes // 2),
        "unknown": {"margin": 0.5, "least_heard": 2},
    }  # fmt: skip
    shown = FloorPicture.of_file(png(2, 1), 0.1, 1.0, 2.0)
    picture = json.loads(shown.model_dump_json())
    content["site"] = {
        "floors": [
            {"name": "ground", "building": "A", "height_m": 0.0, "picture": picture},
            {"name": "first", "building": "A", "height_m": 3.0, "picture": None},
        ],
        "rooms": [{"name": "hall", "outline_m": [[0.0, 0.0], [4.0, 0.0], [4.0, 3.0], [1.0, 5.0]], "floor": 1}],
        "access_point_m": [[1.0, 2.0, 3.0]] * (points - 1) + [None],
    }
    content["site"]["access_point_m"][-1] = [4.0, 5.0, 6.0]
    content["budget"] = {"flash_bytes": 32768, "ram_bytes": 4096, "latency_ms": 200.0} | dict.fromkeys(GATES, 0.5)
    content["data"] |= {"sha256": "0" * 64, "citation": "somebody"}
    content["models"][0]["widths"] = {"*": "w8a8"}
    content["provenance"] |= {
        "steps": [{"stage": "train", "date": "2026-11-30T12:00:00Z", "command": "tinyloc train x", "commit": "0123abc"}]
    }
    content["float_metrics"] = {"macro_f1": 0.5}
    content["settings"] = {"recipe": {"seed": 1}}
    (directory / "bundle.json").write_text(json.dumps(content))
    return content


def _read(directory: Path, content: Any) -> Bundle:
    (directory / "bundle.json").write_text(json.dumps(content))
    return read_bundle(directory)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "bundle"


def _is_legal(mutation: Mutation) -> bool:
    """Whether the change is one that a bundle may have."""
    place, kind, last = mutation.place, mutation.kind, str(mutation.path[-1])
    if place.startswith("settings."):
        return kind not in ("nan", "inf", "-inf")
    return (
        (kind == "missing" and _has_default(mutation))
        or (kind == "None" and place in NULLABLE)
        or (kind in ("-1", "-0.5") and place in SIGNED)
        or (kind in ("longer", "shorter", "missing") and place.removesuffix(".#") in FREE_LENGTH)
        or (kind == "[]" and place in {"site.rooms", "models.#.states", "provenance.steps"})
        or (kind == "{}" and place in {*TABLES_OF_TEXT, "outputs.unknown", "build", "budget", "provenance"})
        or (kind == "{'a': 1}" and place in {"provenance.seeds", "float_metrics", "settings"})
        or (kind in ("'1'", "'x'", "''") and last in ANY_TEXT)
        or (kind in ("'1'", "'x'") and _is_line(mutation))
        or (kind == "''" and place.startswith("provenance.versions."))
    )


def _has_default(mutation: Mutation) -> bool:
    from tinyloc.bundle import provenance, schema, site

    tables = {
        (): schema.Bundle, ("preprocessing",): schema.Preprocessing, ("window",): schema.Window,
        ("outputs",): schema.Outputs, ("outputs", "unknown"): schema.Unknown, ("site",): site.Site,
        ("site", "floors", "#"): site.Floor,
        ("site", "floors", "#", "picture"): site.FloorPicture,
        ("site", "rooms", "#"): site.Room, ("models", "#"): schema.ModelFile,
        ("budget",): schema.Budget, ("build",): schema.Build, ("data",): provenance.Source,
        ("provenance",): provenance.Provenance, ("provenance", "steps", "#"): provenance.Step,
    }  # fmt: skip
    *above, last = ["#" if isinstance(part, int) else part for part in mutation.path]
    table = tables.get(tuple(above))
    if table is None:
        return mutation.place.rpartition(".")[0] in TABLES_OF_TEXT
    return not table.model_fields[last].is_required()


LINES = {"name", "architecture", "title", "licence", "input", "output", "building"}


def _is_line(mutation: Mutation) -> bool:
    """Whether any name or line of text will do there."""
    named = [part for part in mutation.path if not isinstance(part, int)]
    return named[-1] in LINES or named[-1] in ("access_points", "classes") or "versions" in named


def test_the_document_is_whole(place: Path) -> None:
    content = rich_bundle(place)
    bundle = _read(place, content)
    assert json.loads(bundle.model_dump_json()) == content


def _names_the_place(mutation: Mutation, message: str) -> bool:
    """Whether the message has the path, up to where the value went wrong, or is of fields that do not fit together."""
    return str(mutation.path[0]) in message or "bundle.json: file: " in message


def test_every_wrong_field_is_named(place: Path) -> None:
    """Each of some 2,500 documents is refused with the place, or is one that a bundle may be."""
    content = rich_bundle(place)
    passed, unnamed, refused = [], [], 0
    for mutation in mutations(content):
        try:
            _read(place, mutation.content)
        except BundleError as error:
            refused += 1
            if not _names_the_place(mutation, str(error)):
                unnamed.append((mutation.place, mutation.kind, str(error)[-200:]))
        else:
            if not _is_legal(mutation):
                passed.append((mutation.place, mutation.kind))
    assert not passed, f"{len(passed)} wrong values pass: {passed[:40]}"
    assert not unnamed, f"{len(unnamed)} messages do not say where: {unnamed[:20]}"
    assert refused > 1500


def test_every_wrong_field_of_format_1_is_refused_or_read(place: Path) -> None:
    """The same of an old bundle: an error of the user's, or a bundle of finite numbers; never a traceback."""
    place.mkdir()
    old = json.loads(OLD.read_text())
    refused = 0
    for mutation in mutations(old):
        try:
            bundle = _read(place, mutation.content)
        except BundleError:
            refused += 1
        else:
            finite = json.dumps(bundle.model_dump(mode="json"), allow_nan=False)
            assert mutation.kind not in ("nan", "inf", "-inf") or mutation.place.startswith("settings"), mutation
            assert finite
    assert refused > 1000


def test_all_problems_are_named_at_once(place: Path) -> None:
    content = rich_bundle(place)
    content["preprocessing"]["floor_dbm"] = float("nan")
    content["crf"]["start"][1] = float("inf")
    content["budget"]["ram_bytes"] = 10**12
    del content["window"]["hop"]
    (place / "bundle.json").write_text(json.dumps(content))
    message = r"preprocessing\.floor_dbm: .*window\.hop: .*crf\.start\.1: .*budget\.ram_bytes: "
    with pytest.raises(BundleError, match=message):
        read_bundle(place)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' stands twice"),
        ("[" * 100_000 + "]" * 100_000, "nested too deeply"),
        ("1" * 5000, "not JSON .*digits"),
        ('\ufeff{"format": "tinyloc-bundle"}', "not JSON"),
        (
            '{"format": "tinyloc-bundle", "version": 2, "settings": ' + '{"a":' * 40 + "1" + "}" * 41,
            "nested more than 12",
        ),
        ("", "not JSON"),
        ("null", "not a bundle of tinyloc"),
    ],
)
def test_json_that_is_none_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text(text, encoding="utf-8")
    with pytest.raises(BundleError, match=message):
        read_bundle(tmp_path)
