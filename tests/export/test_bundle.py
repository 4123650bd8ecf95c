"""Reading bundles: whole ones, damaged ones, those of another version."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from tinyloc.export.bundle import (
    MISSING_DBM,
    Bundle,
    BundleError,
    ModelFile,
    Outputs,
    Preprocessing,
    TestSet,
    Window,
    load_bundle,
    load_test_set,
    sha256,
)


@pytest.fixture
def directory(tmp_path):
    """A small bundle on disk."""
    (tmp_path / "model_int8.tflite").write_bytes(b"model")
    entry = ModelFile(
        arithmetic="int8",
        path="model_int8.tflite",
        sha256=sha256(tmp_path / "model_int8.tflite"),
        input="reading",
        output="scores",
    )
    bundle = Bundle(
        name="b", architecture="mlp", seed=1,
        preprocessing=Preprocessing(access_points=["a", "b", "c"], floor_dbm=-100, ceiling_dbm=-50, exponent=2.0),
        window=Window(steps=1, hop=1, rate_hz=1.0), outputs=Outputs(classes=["x", "y"]), models=[entry],
        default_arithmetic="int8", parameters=5, parameters_published=5, data="d", licence="l",
    )
    (tmp_path / "bundle.json").write_text(bundle.model_dump_json())
    rssi = np.array([[-60, MISSING_DBM, -80], [MISSING_DBM] * 3, [-50, -51, -52]], np.int8)
    TestSet(
        rssi, np.array([0, 0, 1], np.int32), np.zeros(3, np.int32), np.zeros((3, 3), np.float32),
        np.zeros((3, 2), np.float32), np.zeros(3, np.int32),
    ).save(tmp_path / "test.npz")
    return tmp_path


def change(directory, **fields):
    content = json.loads((directory / "bundle.json").read_text())
    (directory / "bundle.json").write_text(json.dumps(content | fields))


def test_a_whole_bundle_is_read_back(directory):
    bundle = load_bundle(directory)
    assert bundle.model().path == "model_int8.tflite"
    assert bundle.preprocessing.access_points == ["a", "b", "c"]
    with pytest.raises(BundleError, match=r"no int16x8 model \(it has int8\)"):
        bundle.model("int16x8")


def test_scaling_clips_bends_and_gives_zero_for_what_was_not_heard():
    scaling = Preprocessing(access_points=["a"], floor_dbm=-100, ceiling_dbm=-50, exponent=2.0)
    x = scaling.scale(np.array([-120.0, -100.0, -75.0, -50.0, -10.0, np.nan]))
    np.testing.assert_allclose(x, [0, 0, 0.25, 1, 1, 0])
    assert x.dtype == np.float32


def test_a_sample_is_given_sparsely(directory):
    test_set = load_test_set(directory)
    indices, dbm = test_set.sparse(0)
    assert indices.tolist() == [0, 2]
    assert dbm.tolist() == [-60, -80]
    assert test_set.sparse(1)[0].size == 0
    assert list(test_set.recordings()) == [slice(0, 2), slice(2, 3)]


def test_another_version_is_named_before_anything_else(directory):
    change(directory, version=99, surprise=1)
    with pytest.raises(BundleError, match="bundle format 99, this tinyloc reads 1; export the run again"):
        load_bundle(directory)


def test_all_problems_are_told_at_once(directory):
    (directory / "model_int8.tflite").write_bytes(b"other")
    (directory / "test.npz").unlink()
    with pytest.raises(BundleError, match=r"sha256 differs.*test\.npz is missing"):
        load_bundle(directory)


def test_wrong_keys_are_named(directory):
    change(directory, surprise=1, seed="x")
    with pytest.raises(BundleError, match=r"seed:.*surprise:"):
        load_bundle(directory)


@pytest.mark.parametrize(("content", "message"), [("{", "not JSON"), ("[]", "bundle format None")])
def test_a_damaged_file_says_so(directory, content, message):
    (directory / "bundle.json").write_text(content)
    with pytest.raises(BundleError, match=message):
        load_bundle(directory)


def test_no_bundle_says_how_to_make_one(tmp_path):
    with pytest.raises(BundleError, match="tinyloc export"):
        load_bundle(tmp_path)


def test_positions_must_match_the_classes():
    with pytest.raises(ValidationError, match="1 positions for 2 classes"):
        Outputs(classes=["x", "y"], positions_m=[(0, 0, 0)])
