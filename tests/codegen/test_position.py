"""Positions from scores: C, NumPy reference and the plain formula agree."""

import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.small_bundle import CLASSES, small_bundle
from tinyloc.bundle.schema import Outputs, load_bundle, load_test_set
from tinyloc.codegen.arithmetic.position import HEAVIEST, IntegerPositions, integer_positions
from tinyloc.codegen.compile import compile_bundle
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.source import read_source
from tinyloc.codegen.graph import Quantisation, Tensor
from tinyloc.codegen.verify.host import HostLocaliser
from tinyloc.training.places import mean_position

PLACES = [(-250.0, 3.5, 1.0), (12.345, -80.0, 1.0), (13.0, -79.0, 1.0), (401.5, 0.25, 1.0)]


def change_outputs(directory: Path, **changes: object) -> Path:
    content = json.loads((directory / "bundle.json").read_text())
    content["outputs"] |= changes
    (directory / "bundle.json").write_text(json.dumps(content))
    return directory


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = small_bundle(tmp_path_factory.mktemp("position") / "bundle", recurrent=False, samples=200)
    return change_outputs(directory, positions_m=PLACES, position="mean")


def positions(bundle: Path) -> tuple[IntegerPositions, Tensor]:
    source = read_source(bundle)
    scores = source.graph.tensors[source.graph.outputs[0]]
    found = integer_positions(source.bundle.outputs, scores)
    assert found is not None
    return found, scores


def test_the_device_code_gives_the_references_millimetres(bundle: Path, tmp_path: Path) -> None:
    compile_bundle(bundle, tmp_path / "generated")
    host, test_set = HostLocaliser(tmp_path / "generated"), load_test_set(bundle)
    found, _ = positions(bundle)
    seen = set()
    for index in range(len(test_set.label)):
        answer = host.sample(*test_set.sparse(index))
        assert list(host.position_mm) == found.decide(answer.scores[None])[0].tolist()
        seen.add(host.position_mm)
    assert len(seen) > 20  # between the places, not only at them


def test_the_reference_is_the_formula_in_whole_numbers(bundle: Path) -> None:
    found, scores = positions(bundle)
    assert found.unit_mm == math.ceil(325750 / 32767)
    table = [round(HEAVIEST * math.exp(-2 * float(np.float32(scores.scale)) * d)) for d in range(256)]
    rows = np.random.default_rng(0).integers(-128, 128, (300, CLASSES))
    rows[::2] = np.random.default_rng(1).integers(-9, 9, rows[::2].shape)
    for row, decided in zip(rows.tolist(), found.decide(rows).tolist(), strict=True):
        weight = [table[max(row) - q] for q in row]
        for axis in range(2):
            total = sum(w * int(place[axis]) for w, place in zip(weight, found.places, strict=True))
            exact = Fraction(total * found.unit_mm, sum(weight))
            assert decided[axis] - int(found.origin_mm[axis]) == math.floor(exact + Fraction(1, 2))


def test_whole_millimetres_are_near_the_float_mean(bundle: Path) -> None:
    found, scores = positions(bundle)
    rows = np.random.default_rng(2).integers(-40, 40, (500, CLASSES))
    real = mean_position((rows - scores.zero_point) * scores.scale, np.array(PLACES))[:, :2]
    assert np.abs(found.decide(rows) / 1000 - real).max() < 0.02


def test_places_make_another_model_and_class_positions_do_not(bundle: Path, tmp_path: Path) -> None:
    other = small_bundle(tmp_path / "other", recurrent=False, samples=200)
    ids = [compile_bundle(other, tmp_path / "plain").model_id]
    change_outputs(other, positions_m=PLACES)
    ids.append(compile_bundle(other, tmp_path / "classes").model_id)
    ids.append(compile_bundle(bundle, tmp_path / "mean").model_id)
    assert ids[0] == ids[1] != ids[2]
    assert "#define TL_POSITION 0" in (tmp_path / "classes" / "model.h").read_text()


def test_only_int8_scores_become_positions_and_only_where_there_are_places(bundle: Path) -> None:
    outputs = load_bundle(bundle).outputs
    wide = Tensor("scores", (1, CLASSES), "int16", Quantisation((0.01,), (0,)))
    with pytest.raises(CompileError, match="positions need int8 scores, these are int16"):
        integer_positions(outputs, wide)
    assert integer_positions(Outputs(classes=["a", "b"]), wide) is None
    with pytest.raises(ValueError, match="needs positions_m"):
        Outputs(classes=["a", "b"], position="mean")
