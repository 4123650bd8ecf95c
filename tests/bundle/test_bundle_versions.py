"""An old bundle is read and known by its version; a newer one is refused with what to do."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.small_bundle import small_bundle
from tinyloc.bundle.schema import FORMAT_VERSION, BundleError, Unknown, load_bundle, read_bundle, write_bundle
from tinyloc.bundle.site import Room, Site
from tinyloc.codegen.compile import compile_bundle
from tinyloc.main import main
from tinyloc.paths import ZOO_DIR

OLD = json.loads((Path(__file__).parent / "format_1.json").read_text())


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """zoo/house-b as tinyloc 0.1.0 wrote it, with three of its rooms."""
    (tmp_path / "bundle.json").write_text(json.dumps(OLD))
    return tmp_path


def test_a_bundle_of_format_1_says_the_same_in_format_2(old: Path) -> None:
    bundle = read_bundle(old)
    assert bundle.version == FORMAT_VERSION == 2
    assert (bundle.name, bundle.architecture) == (OLD["name"], OLD["architecture"])
    assert bundle.preprocessing.access_points == OLD["preprocessing"]["access_points"]
    assert bundle.outputs.classes == OLD["outputs"]["classes"]
    assert bundle.outputs.positions_m == [tuple(place) for place in OLD["outputs"]["positions_m"]]
    assert (bundle.data.title, bundle.data.licence) == (OLD["data"], OLD["licence"])
    assert bundle.data.name == OLD["settings"]["recipe"]["data"]["name"]
    assert bundle.provenance.seeds == {"training": OLD["seed"], "data.seed": 1}
    assert bundle.provenance.versions == OLD["versions"]
    assert bundle.build.optimise == OLD["settings"]["recipe"]["build"]["optimise"]
    assert bundle.models[0].widths == {"*": "w8a16"} and bundle.models[0].sha256 == OLD["models"][0]["sha256"]
    assert bundle.crf is not None and bundle.crf.model_dump() == OLD["crf"]


def test_rectangles_of_format_1_become_outlines_on_floors(old: Path) -> None:
    room, first = OLD["outputs"]["floor_plan"][0], read_bundle(old).site.rooms[0]
    assert first == Room.rectangle(room["name"], room["x"], room["y"], room["width"], room["height"], room["floor"])
    assert first.area_m2 == pytest.approx(room["width"] * room["height"])
    assert [floor.name for floor in read_bundle(old).site.floors][:1] == ["floor 0"]


def test_what_format_1_does_not_say_is_unknown(old: Path) -> None:
    bundle = read_bundle(old)
    assert bundle.data.sha256 is None and bundle.provenance.steps == []
    assert bundle.outputs.unknown is None and bundle.outputs.floors is None
    assert bundle.preprocessing.combine == "mean"


def test_a_migrated_bundle_is_written_as_format_2_and_read_back(old: Path) -> None:
    bundle = read_bundle(old)
    write_bundle(bundle, old)
    assert json.loads((old / "bundle.json").read_text())["version"] == 2
    assert read_bundle(old) == bundle


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 3}, "bundle format version 3 is of a newer tinyloc, this one reads 1 and 2; update tinyloc, or"),
        ({"version": "2"}, "version is '2', not the number of a bundle format; export the run again"),
        ({"version": 0}, "version is 0, not the number"),
        ({"version": True}, "version is True, not the number"),
        ({"format": "other"}, 'not a bundle of tinyloc .no "format": "tinyloc-bundle".; export the run again'),
    ],
)
def test_another_format_is_refused_with_what_to_do(
    change: dict[str, Any], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = small_bundle(tmp_path / "run" / "bundle")
    content = json.loads((bundle / "bundle.json").read_text()) | change | {"surprise": 1}
    (bundle / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match=message):
        load_bundle(bundle)
    assert main(["codegen", str(tmp_path / "run")]) == 2
    assert str(bundle / "bundle.json") in capsys.readouterr().err


def test_an_outline_may_be_any_polygon_but_a_line() -> None:
    corner = Room(name="L", outline_m=[(0, 0), (4, 0), (4, 1), (1, 1), (1, 3), (0, 3)])
    assert corner.area_m2 == 6 and (corner.low_m, corner.high_m, corner.middle_m) == ((0, 0), (4, 3), (2, 1.5))
    with pytest.raises(ValueError, match="the outline of 'L' encloses no area"):
        Room(name="L", outline_m=[(0, 0), (1, 1), (2, 2)])
    with pytest.raises(ValueError, match="rooms lie on floors 1 of 0 floors"):
        Site(rooms=[corner.model_copy(update={"floor": 1})])


def test_unknown_has_a_least_number_of_readings_by_default() -> None:
    assert Unknown().least_heard == 1 and Unknown().margin == 0.0


def test_both_formats_are_compiled_to_the_same_bytes(tmp_path: Path) -> None:
    for name in ("old", "new"):
        shutil.copytree(ZOO_DIR / "house-b", tmp_path / name)
    (tmp_path / "old" / "bundle.json").write_text(json.dumps(OLD))
    made = []
    for name in ("old", "new"):
        compile_bundle(tmp_path / name, tmp_path / f"{name} C")
        made.append({path.name: path.read_bytes() for path in (tmp_path / f"{name} C").iterdir()})
    assert made[0] == made[1] and {"model.c", "weights.c", "manifest.json"} <= made[0].keys()
