"""What each file of a bundle says must fit the others: test set, TFLite file, CRF and scores."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.online_bundle import online_bundle
from tests.small_bundle import CLASSES, small_bundle
from tinyloc.bundle.schema import BundleError, load_bundle, load_test_set
from tinyloc.codegen.errors import CompileError
from tinyloc.codegen.frontend.source import read_source

INPUTS = 9


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("rssi_dbm", lambda a: a.astype(np.int16), "rssi_dbm is int16 of shape .24, 9., not int8 of .24, 9."),
        ("rssi_dbm", lambda a: a[:, :-1], "rssi_dbm is int8 of shape .24, 8., not int8 of .24, 9."),
        ("rssi_dbm", lambda a: a[0], "rssi_dbm is int8 of shape .9., not int8 of"),
        ("recording", lambda a: a[:-1], "recording is int32 of shape .23., not int32 of .24."),
        ("label", lambda a: a + CLASSES, f"label holds {CLASSES} to .*; classes are -1 to {CLASSES - 1}"),
        ("label", lambda a: a - 9, "label holds -9 to"),
        ("label", lambda a: np.array(["x"] * len(a)), "label is <U1"),
        ("float_class", lambda a: a + 99, "float_class holds 99 to"),
        ("position_m", lambda a: a[:, :2], "position_m is float32 of shape .24, 2., not float32 of .24, 3."),
        ("position_m", lambda a: a + np.inf, "position_m holds infinities"),
        ("float_scores", lambda a: a[:, :-1], "float_scores is float32 of shape .24, 3., not float32 of .24, 4."),
        ("float_scores", lambda a: a.astype(complex), "float_scores is complex128"),
    ],
)  # fmt: skip
def test_a_test_set_that_does_not_fit_is_refused(name: str, change: Any, message: str, tmp_path: Path) -> None:
    directory = small_bundle(tmp_path / "bundle")
    bundle, test_set = load_bundle(directory), load_test_set(directory)
    replace(test_set, **{name: change(getattr(test_set, name))}).save(directory / "test.npz")
    with pytest.raises(BundleError, match=rf"test\.npz: .*{message}.*; export the run again"):
        load_test_set(directory, bundle)


def test_every_wrong_array_is_named_at_once(tmp_path: Path) -> None:
    directory = small_bundle(tmp_path / "bundle")
    test_set = load_test_set(directory)
    replace(test_set, label=test_set.label[1:], float_class=test_set.float_class[1:]).save(directory / "test.npz")
    with pytest.raises(BundleError, match=r"label is int32 .*; float_class is int32 "):
        load_test_set(directory)


def test_a_test_set_without_samples_is_refused(tmp_path: Path) -> None:
    directory = small_bundle(tmp_path / "bundle")
    test_set = load_test_set(directory)
    replace(test_set, **{name: getattr(test_set, name)[:0] for name in test_set.arrays()}).save(directory / "test.npz")
    with pytest.raises(BundleError, match="it holds no samples"):
        load_test_set(directory)


def _change(directory: Path, **tables: Any) -> None:
    content = json.loads((directory / "bundle.json").read_text())
    (directory / "bundle.json").write_text(json.dumps(content | tables))


def test_a_state_of_another_shape_than_its_tensor_is_refused(tmp_path: Path) -> None:
    directory = small_bundle(tmp_path / "bundle")
    content = json.loads((directory / "bundle.json").read_text())
    content["models"][0]["states"][0]["shape"] = [6]
    _change(directory, models=content["models"])
    with pytest.raises(CompileError, match=r"state 'h' has shape \[6\] in the bundle, its tensor \[1, 6\]"):
        read_source(directory)


@pytest.mark.parametrize("online", [True, False])
def test_a_crf_whose_paths_leave_32_bits_is_refused(online: bool, tmp_path: Path) -> None:
    """Scores have scale 0.05: 1e5 is two million of them."""
    directory = online_bundle(tmp_path / "bundle", lag=600, hop=1)
    content = json.loads((directory / "bundle.json").read_text())
    content["window"]["online"] = online
    content["crf"]["transitions"][1][2] = -1e4
    _change(directory, **content)
    assert read_source(directory).bundle.crf is not None
    content["crf"]["transitions"][1][2] = 1e5
    content["crf"]["start"][0] = -1e5
    _change(directory, **content)
    if online:  # the best path is taken off at every sample, so the length does not matter
        assert read_source(directory).bundle.window.online
        return
    with pytest.raises(CompileError, match="the CRF reaches 100000 at a transition and 100000 at an end: in units"):
        read_source(directory)


def test_positions_by_the_mean_lie_within_32_bits_of_millimetres(tmp_path: Path) -> None:
    directory = small_bundle(tmp_path / "bundle", recurrent=False)
    outputs = json.loads((directory / "bundle.json").read_text())["outputs"]
    outputs |= {"position": "mean", "positions_m": [[0.0, 4_864_700.0, 0.0]] * CLASSES}
    _change(directory, outputs=outputs)
    with pytest.raises(BundleError, match="positions_m must lie within 2,000,000 m of the origin"):
        load_bundle(directory)
    outputs |= {"position": "class"}
    _change(directory, outputs=outputs)
    assert load_bundle(directory).outputs.position == "class"
