"""Reading bundles: whole ones, damaged ones, those of another version."""

import json
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError

from tinyloc.bundle.provenance import Source
from tinyloc.bundle.schema import (
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
    rssi = np.array([[-60, MISSING_DBM, -80], [MISSING_DBM] * 3, [-50, -51, -52]], np.int8)
    TestSet(
        rssi,
        np.array([0, 0, 1], np.int32),
        np.zeros(3, np.int32),
        np.zeros((3, 3), np.float32),
        np.zeros((3, 2), np.float32),
        np.zeros(3, np.int32),
    ).save(tmp_path / "test.npz")
    bundle = Bundle(
        name="b",
        architecture="mlp",
        preprocessing=Preprocessing(access_points=["a", "b", "c"], floor_dbm=-100, ceiling_dbm=-50, exponent=2.0),
        window=Window(steps=1, hop=1, rate_hz=1.0),
        outputs=Outputs(classes=["x", "y"]),
        models=[entry],
        test_sha256=sha256(tmp_path / "test.npz"),
        default_arithmetic="int8",
        parameters=5,
        parameters_published=5,
        data=Source(name="d", title="d", licence="l"),
    )
    (tmp_path / "bundle.json").write_text(bundle.model_dump_json())
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
    with pytest.raises(
        BundleError,
        match="bundle format version 99 is of a newer tinyloc, this one reads 1 and 2; update",
    ):
        load_bundle(directory)


def test_all_problems_are_told_at_once(directory):
    (directory / "model_int8.tflite").write_bytes(b"other")
    (directory / "test.npz").unlink()
    with pytest.raises(BundleError, match=r"sha256 differs.*test\.npz is missing"):
        load_bundle(directory)


def test_wrong_keys_are_named(directory):
    change(directory, surprise=1, parameters="x")
    with pytest.raises(BundleError, match=r"parameters:.*surprise:"):
        load_bundle(directory)


def test_another_test_set_is_found(directory):
    test_set = load_test_set(directory)
    replace(test_set, label=test_set.label + 1).save(directory / "test.npz")
    with pytest.raises(BundleError, match=r"test\.npz is not the file the bundle was made with.*export the run again"):
        load_bundle(directory)


def test_a_bundle_without_the_hash_of_its_test_set_is_to_be_made_again(directory):
    content = json.loads((directory / "bundle.json").read_text())
    del content["test_sha256"]
    (directory / "bundle.json").write_text(json.dumps(content))
    with pytest.raises(BundleError, match="test_sha256: Field required; export the run again"):
        load_bundle(directory)


def test_a_test_set_cut_off_anywhere_is_told(directory):
    whole = (directory / "test.npz").read_bytes()
    for length in range(0, len(whole), 97):
        (directory / "test.npz").write_bytes(whole[:length])
        with pytest.raises(BundleError, match=r"test\.npz: cannot be read.*export the run again"):
            load_test_set(directory)


def test_a_test_set_with_flipped_bytes_is_read_or_told(directory):
    whole = (directory / "test.npz").read_bytes()
    told = 0
    for place in range(0, len(whole), 3):
        (directory / "test.npz").write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        try:
            load_test_set(directory)
        except BundleError:
            told += 1
    assert told > len(whole) // 6


def test_a_test_set_that_lacks_arrays_is_told(directory):
    np.savez(directory / "test.npz", label=np.zeros(3, np.int32))
    with pytest.raises(BundleError, match=r"holds no rssi_dbm, recording, position_m, float_scores, float_class"):
        load_test_set(directory)


def test_no_test_set_is_told(directory):
    (directory / "test.npz").unlink()
    with pytest.raises(BundleError, match=r"test\.npz: cannot be read"):
        load_test_set(directory)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"{", "not JSON"), (b"[]", "not a bundle of tinyloc"), (b'{"name": "caf\xe9"}', "not JSON")],
)
def test_a_damaged_file_says_so(directory, content, message):
    (directory / "bundle.json").write_bytes(content)
    with pytest.raises(BundleError, match=message):
        load_bundle(directory)


def test_no_bundle_says_how_to_make_one(tmp_path):
    with pytest.raises(BundleError, match="tinyloc export"):
        load_bundle(tmp_path)


def test_positions_must_match_the_classes():
    with pytest.raises(ValidationError, match="1 position for 2 classes"):
        Outputs(classes=["x", "y"], positions_m=[(0, 0, 0)])
